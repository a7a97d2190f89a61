"""The top line: which lesson, which step, which phase, and whether it is a recording."""

from __future__ import annotations

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from contlab.course.session import Phase
from contlab.tui.text import clip, safe
from contlab.tui.view import NOTHING, StepView

_PHASES = (Phase.READ, Phase.PREDICT, Phase.RUN, Phase.EXPLAIN)
_ROOMY = 110
"""From this width on all phases are shown, not only the present one."""


class TitleBar(Widget):
    """One line, always in sight."""

    DEFAULT_CSS = """
    TitleBar { dock: top; height: 1; background: $panel; color: $foreground; padding: 0 1; }
    """

    view: reactive[StepView] = reactive(NOTHING)
    paused: reactive[bool] = reactive(False)

    def render(self) -> Content:
        """Left: lesson and step; right: phase and stamps."""
        view, width = self.view, self.size.width
        if not view.count:
            return Content.styled("contlab", "bold $primary")
        stamps = [text for text, on in (("RECORDED", view.recorded), ("PAUSED", self.paused)) if on]
        right = Content("  ").join(
            [*(Content.styled(f" {stamp} ", "bold reverse $warning") for stamp in stamps), self._phase(width >= _ROOMY)]
        )
        where = f"step {view.number} of {view.count}"
        room = width - right.cell_length - 2
        left = Content.assemble(safe(view.lesson, "bold $primary"), ("  ", ""), (where, "bold"))
        if left.cell_length + 3 + len(view.title) <= room:
            left = Content.assemble(left, ("  ", ""), safe(view.title, "$foreground-muted"))
        elif left.cell_length > room:
            title = clip(view.lesson, room - len(where) - 2)
            left = Content.assemble(safe(title, "bold $primary"), ("  ", ""), (where, "bold"))
        return Content.assemble(left, " " * max(1, width - left.cell_length - right.cell_length), right)

    def _phase(self, all_of_them: bool) -> Content:
        now = Phase.RUN if self.view.phase is Phase.OBSERVE else self.view.phase
        if now is Phase.DONE or not all_of_them:
            return Content.styled(f" {now.upper()} ", "bold reverse $primary")
        return Content.styled(" › ", "$foreground-muted").join(
            Content.styled(f" {phase.upper()} ", "bold reverse $primary")
            if phase is now
            else Content.styled(phase.value, "$foreground-muted")
            for phase in _PHASES
        )
