"""Home: the tracks, their lessons, and how far one has come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.getters import query_one
from textual.message import Message
from textual.reactive import reactive
from textual.screen import Screen
from textual.widgets import Footer, OptionList, Static
from textual.widgets.option_list import Option

from contlab.course.lesson import Lesson
from contlab.tui.pages import MEDIUM
from contlab.tui.text import cell, safe
from contlab.tui.widgets.choices import Choices

EMPTY = """No lessons were found.

contlab ships its lessons; this copy has lost them.
Install it again, or run it from a checkout that has a lessons/ folder."""


@dataclass
class LessonPicked(Message):
    """A lesson is to be opened."""

    lesson: Lesson


class HomeScreen(Screen[None]):
    """A list on the left; what the chosen lesson is about on the right."""

    CSS_PATH = "home.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (MEDIUM, "-medium")]
    BINDINGS: ClassVar[list[BindingType]] = []

    done: reactive[Mapping[str, int]] = reactive({}, init=False, always_update=True)
    """Lesson id -> steps finished."""

    listing = query_one("#lessons", Choices)
    about = query_one("#about", Static)

    def __init__(self, lessons: Sequence[Lesson], progress: Callable[[], Mapping[str, int]]) -> None:
        super().__init__()
        self.lessons, self._progress = tuple(lessons), progress

    def compose(self) -> ComposeResult:
        """Title, list, description."""
        yield Static(
            Content.assemble(
                ("contlab", "bold $primary"), ("   containers, made before your eyes", "$foreground-muted")
            ),
            id="title",
        )
        with Horizontal():
            yield Choices(id="lessons")
            with VerticalScroll(id="side", can_focus=False):
                yield Static(id="about", markup=False)
        yield Static(EMPTY, id="empty", markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """The list is there from the start."""
        self.listing.border_title = Content("Lessons")
        self.set_class(not self.lessons, "-empty")
        self.listing.focus()

    def on_screen_resume(self) -> None:
        """A lesson may have been played meanwhile."""
        self.done = self._progress()

    def watch_done(self) -> None:
        """Progress was made."""
        kept = self.listing.highlighted
        self.listing.clear_options()
        self.listing.add_options(self._options())
        self.listing.highlighted = kept if kept is not None else (1 if self.lessons else None)

    @on(OptionList.OptionHighlighted)
    def _describe(self, event: OptionList.OptionHighlighted) -> None:
        if (lesson := self._lesson(event.option_id)) is not None:
            self.about.update(about(lesson))

    @on(OptionList.OptionSelected)
    def _pick(self, event: OptionList.OptionSelected) -> None:
        if (lesson := self._lesson(event.option_id)) is not None:
            self.post_message(LessonPicked(lesson))

    def _lesson(self, name: str | None) -> Lesson | None:
        return next((lesson for lesson in self.lessons if lesson.id == name), None)

    def _options(self) -> Iterator[Option]:
        for track, lessons in groupby(self.lessons, key=lambda lesson: lesson.track):
            yield Option(safe(track.replace("-", " ").capitalize(), "bold $foreground-muted"), disabled=True)
            for lesson in lessons:
                yield Option(line(lesson, self.done.get(lesson.id, 0)), id=lesson.id)


def line(lesson: Lesson, done: int) -> Content:
    """Mark, title, progress and minutes of one lesson."""
    count = len(lesson.steps)
    mark, style = ("✓", "$success bold") if done >= count else ("◐", "$accent") if done else ("○", "$foreground-muted")
    return Content.assemble(
        (f" {mark} ", style),
        cell(lesson.title, 38),
        (f" {'■' * done}{'□' * (count - done)}" if count <= 10 else f" {done}/{count}", style),
        (f"  {lesson.minutes} min", "$foreground-muted"),
    )


def about(lesson: Lesson) -> Content:
    """Title, goals, and what comes before."""
    parts = [safe(lesson.title, "bold $primary"), Content("")]
    if lesson.goals:
        parts += [Content.styled("You will", "bold"), *(safe(f"• {goal}") for goal in lesson.goals), Content("")]
    parts += [Content.styled(f"{len(lesson.steps)} steps", "bold")]
    parts += [safe(f"{place:>2} {step.title}", "$foreground-muted") for place, step in enumerate(lesson.steps, 1)]
    if lesson.after:
        parts += [Content(""), safe("after " + ", ".join(lesson.after), "$foreground-muted")]
    return Content("\n").join([*parts, Content(""), Content.styled("Press Enter to begin", "$accent bold")])
