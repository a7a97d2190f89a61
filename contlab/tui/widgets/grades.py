"""The grades: what to do now, and, once the answer is seen, each rating with what it would do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Static

from contlab.review.osr import Rating
from contlab.review.shown import Outcome
from contlab.tui.reviewing import Turn
from contlab.tui.text import safe

KEYS = {Rating.AGAIN: "a", Rating.HARD: "h", Rating.GOOD: "g", Rating.EASY: "e"}
NUMBERS = {Rating.AGAIN: "1", Rating.HARD: "2", Rating.GOOD: "3", Rating.EASY: "4"}
STYLES = {Rating.AGAIN: "$error", Rating.HARD: "$warning", Rating.GOOD: "$success", Rating.EASY: "$secondary"}


class Grade(Static, can_focus=False):
    """One rating: its key, its name, and when it would bring the item back."""

    def __init__(self, rating: Rating, outcome: Outcome) -> None:
        self.rating, self.outcome = rating, outcome
        first = Content.assemble(
            (f" {KEYS[rating]} ", f"bold reverse {STYLES[rating]}"),
            (f" {rating.capitalize()}", f"bold {STYLES[rating]}"),
        )
        second = Content.assemble((outcome.words, "bold"), (f"  {outcome.when}", "$foreground-muted"))
        super().__init__(Content.assemble(first, "\n", second), markup=False)

    def on_click(self, event: events.Click) -> None:
        """As its key."""
        event.stop()
        self.post_message(Grades.Given(self.rating))


class Grades(Vertical):
    """Two lines, always in sight; a refusal may take more."""

    DEFAULT_CSS = """
    Grades {
        height: auto; border: round $accent; border-title-color: $accent; border-title-style: bold;
        border-subtitle-color: $foreground; background: $surface;
        padding: 0 1;
        #said { height: auto; min-height: 2; max-height: 6; }
        #grades { height: 2; }
        Grade { width: 1fr; height: 2; padding: 0 1; }
        Grade:hover { background: $primary 20%; }
        &.-rating #said { display: none; }
        &.-asking #grades { display: none; }
    }
    """

    @dataclass
    class Given(Message):
        """A rating was clicked."""

        rating: Rating

    class Clicked(Message):
        """The box was clicked where it has one thing to do."""

    turn: reactive[Turn] = reactive(Turn.WAIT)
    outcomes: reactive[Mapping[Rating, Outcome]] = reactive({})
    said: reactive[str] = reactive("")
    """What to do where there is no rating, or why there is none."""

    told: reactive[str] = reactive("")
    """What became of the last key."""

    def compose(self) -> ComposeResult:
        """One or the other."""
        yield Static(id="said", markup=False)
        yield Horizontal(id="grades")

    async def watch_outcomes(self, outcomes: Mapping[Rating, Outcome]) -> None:
        """Another item."""
        row = self.query_one("#grades", Horizontal)
        await row.remove_children()
        await row.mount_all(Grade(rating, outcome) for rating, outcome in outcomes.items())

    def watch_turn(self) -> None:
        """Another turn."""
        self._tell()

    def watch_said(self) -> None:
        """Other words."""
        self._tell()

    def watch_told(self, told: str) -> None:
        """In the border: it covers nothing."""
        self.border_subtitle = Content(told) if told else None

    def on_click(self) -> None:
        """Uncover, or go on."""
        self.post_message(self.Clicked())

    def _tell(self) -> None:
        rating = self.turn is Turn.RATE and not self.said
        self.set_class(rating, "-rating")
        self.set_class(not rating, "-asking")
        titles = {
            Turn.RATE: "How well did you remember it?",
            Turn.RECALL: "What do you remember?",
            Turn.CAPPED: "Enough for now",
            Turn.EMPTY: "Done",
        }
        self.border_title = Content(titles.get(self.turn, "One moment"))
        first, _, second = self.said.partition("\n")
        self.query_one("#said", Static).update(
            Content.assemble(safe(first, "bold"), "\n", safe(second, "$foreground-muted"))
        )
