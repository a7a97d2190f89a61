"""The top line of a review: the vault, the day, how far one has come."""

from __future__ import annotations

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from contlab.tui.notetext import steady
from contlab.tui.reviewing import Standing
from contlab.tui.text import clip


class StandingBar(Widget):
    """One line, always in sight."""

    DEFAULT_CSS = """
    StandingBar { dock: top; height: 1; background: $panel; color: $foreground; padding: 0 1; }
    """

    standing: reactive[Standing] = reactive(Standing())

    def render(self) -> Content:
        """Left: whose notes; right: done, left, day."""
        standing, width = self.standing, self.size.width
        right = Content.assemble(
            (f" {standing.done} done ", "bold reverse $success"),
            (f" {standing.left} left ", "bold reverse $primary"),
            (f"  {standing.on}" if standing.on else "", "$foreground-muted"),
        )
        place = clip(steady(standing.vault), max(0, width - right.cell_length - 10))
        left = Content.assemble(("Review", "bold $primary"), (f"  {place}", "$foreground-muted"))
        return Content.assemble(left, " " * max(1, width - left.cell_length - right.cell_length), right)
