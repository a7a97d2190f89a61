"""The prompt: what the learner is to do now, and which key does it. Always in sight."""

from __future__ import annotations

from dataclasses import dataclass

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.getters import query_one
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from contlab.course.session import Phase
from contlab.tui.player import Activity
from contlab.tui.text import safe, script
from contlab.tui.view import NOTHING, StepView
from contlab.tui.widgets.choices import Choices


class Prompt(Vertical):
    """A headline, the choices of a prediction, and the key to press."""

    DEFAULT_CSS = """
    Prompt {
        height: auto;
        max-height: 60%;
        border: round $accent;
        border-title-color: $accent;
        border-title-style: bold;
        padding: 0 1;
        background: $surface;
        OptionList, OptionList:focus {
            height: auto; max-height: 10; border: none; padding: 0; margin: 1 0; background: $surface; display: none;
        }
        Static { height: auto; }
        &.-asking OptionList { display: block; }
        #key { color: $accent; text-style: bold; }
    }
    """

    @dataclass
    class Chosen(Message):
        """A choice was taken, by its place from 0."""

        choice: int

    view: reactive[StepView] = reactive(NOTHING)
    progress: reactive[str] = reactive("")
    """As ``PlayScreen.progress``."""

    choices = query_one("#choices", Choices)

    def compose(self) -> ComposeResult:
        """Headline, choices, key."""
        yield Static(id="headline", markup=False)
        yield Choices(id="choices", compact=True)
        yield Static(id="key", markup=False)

    def watch_view(self, old: StepView, view: StepView) -> None:
        """Another turn."""
        asking = view.question is not None and view.activity is Activity.READY
        self.set_class(asking, "-asking")
        if view.question is not None and view.question != old.question:
            self.choices.clear_options()
            self.choices.add_options(
                Option(Content.assemble((f"{place}  ", "bold"), safe(choice)))
                for place, choice in enumerate(view.question.choices, 1)
            )
            self.choices.highlighted = 0
        if asking:
            self.choices.focus()
        elif self.choices.has_focus:
            self.screen.set_focus(None)
        self._tell()

    def watch_progress(self) -> None:
        """Another operation is done."""
        self._tell()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Enter or a click on a choice."""
        event.stop()
        self.post_message(self.Chosen(event.option_index))

    def _tell(self) -> None:
        title, headline, key = instructions(self.view, self.progress)
        self.border_title = Content(title)
        for name, content in (("#headline", headline), ("#key", Content(key))):
            line = self.query_one(name, Static)
            line.display = bool(content)
            line.update(content)


def instructions(view: StepView, progress: str = "") -> tuple[str, Content, str]:
    """Title, headline and key of a turn."""
    match view.activity:
        case Activity.OPENING:
            return "One moment", safe(f"Making this step's containers… {progress}", "$foreground-muted"), ""
        case Activity.RUNNING:
            limit = f" (it gets {view.next_run.timeout:.0f} s)" if view.next_run else ""
            waiting = Content.assemble("\n", safe(progress, "$accent")) if progress else Content("")
            return "Running", Content.assemble(_command(view), waiting), f"Ctrl-C stops it{limit}"
        case Activity.JUDGING:
            return "One moment", Content.styled("Reading what the kernel says now…", "$foreground-muted"), ""
        case Activity.STUCK:
            return "Stopped", Content("This step could not be carried out."), "Press R to start it again, q to quit"
        case Activity.LOST:
            return "Stopped", Content("The lab is gone, and all its containers with it."), "Press R to open it again"
        case Activity.CLOSING:
            return "Cleaning up", Content("Ending containers, unmounting, removing cgroups…"), ""
        case _:
            return _turn(view)


def _turn(view: StepView) -> tuple[str, Content, str]:
    match view.phase:
        case Phase.PREDICT if view.question is not None:
            count = len(view.question.choices)
            return "Predict", safe(view.question.question, "bold"), f"Press 1–{count}, or ↑ ↓ and Enter"
        case Phase.RUN if view.next_run is not None:
            return "Run", _command(view), f"Press r to run it in {view.next_run.container}"
        case Phase.EXPLAIN:
            if view.following:
                return "Next", safe(view.following), "Press Enter to go on"
            return "Next", Content("That was the last step."), "Press Enter to finish"
        case Phase.DONE:
            score = f"{view.right} of {view.asked} predictions were right." if view.asked else ""
            return "Done", Content(f"The lesson is done. {score}"), "Press l for the lessons, b to go back, q to quit"
        case _:
            return "Read", Content(""), "Press Enter when you have read it"


def _command(view: StepView) -> Content:
    if (run := view.next_run) is None:
        return Content("")
    marks = ("$ ", *("  " for _ in script(run.command)[1:]))
    lines = [
        Content.assemble((mark, "$foreground-muted"), safe(line, "bold"))
        for mark, line in zip(marks, script(run.command), strict=True)
    ]
    return Content("\n").join([*lines, safe(run.why, "$foreground-muted")] if run.why else lines)
