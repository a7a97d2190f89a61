"""The cue: the prompt in one line, for pages on which the prompt itself isn't in sight."""

from __future__ import annotations

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from contlab.course.session import Phase
from contlab.tui.player import Activity
from contlab.tui.text import safe
from contlab.tui.view import NOTHING, StepView
from contlab.tui.widgets.prompt import instructions


class Cue(Widget):
    """What to do now, and which key does it."""

    DEFAULT_CSS = """
    Cue { height: 1; padding: 0 1; background: $surface; text-wrap: nowrap; text-overflow: ellipsis; }
    """

    view: reactive[StepView] = reactive(NOTHING)
    progress: reactive[str] = reactive("")

    def render(self) -> Content:
        """Title, and the key; a verdict and a question are read on the lesson's page."""
        title, headline, key = instructions(self.view, self.progress)
        if self.view.activity is Activity.READY and self.view.phase in (Phase.PREDICT, Phase.EXPLAIN, Phase.READ):
            key = "Press Enter for the lesson's page"
        said = safe(key) if key else headline
        return Content.assemble((f"▸ {title}  ", "bold $accent"), said)
