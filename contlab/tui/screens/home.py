"""Home: the tracks, their lessons, and how far one has come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, VerticalScroll
from textual.content import Content
from textual.getters import query_one
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Footer, OptionList, Static
from textual.widgets.option_list import Option

from contlab.course.catalogue import Track
from contlab.course.lesson import Lesson
from contlab.course.progress import Progress
from contlab.errors import ContlabError
from contlab.tui.course import Course
from contlab.tui.pages import MEDIUM
from contlab.tui.screens.error import ErrorScreen
from contlab.tui.text import cell, safe
from contlab.tui.widgets.choices import Choices
from contlab.tui.widgets.record import lines

EMPTY = """No lessons were found.

contlab ships its lessons; this copy has lost them.
Install it again, or run it from a checkout that has a lessons/ folder."""


@dataclass
class LessonPicked(Message):
    """A lesson is to be opened."""

    lesson: Lesson


class HomeScreen(Screen[None]):
    """A list on the left; what the highlighted lesson is about on the right."""

    CSS_PATH = "home.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (MEDIUM, "-medium")]
    BINDINGS: ClassVar[list[BindingType]] = []

    listing = query_one("#lessons", Choices)
    about = query_one("#about", Static)

    def __init__(self, course: Course) -> None:
        super().__init__()
        self.course = course
        self.tracks: tuple[Track, ...] = course.tracks()
        self.lessons: dict[str, Lesson | ContlabError] = {
            str(entry.path): self._read(entry.path) for track in self.tracks for entry in track.lessons
        }

    def compose(self) -> ComposeResult:
        """Title, list, description."""
        said = (("contlab", "bold $primary"), ("   containers, made before your eyes", "$foreground-muted"))
        yield Static(Content.assemble(*said), id="title", markup=False)
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
        if notice := self.course.progress.notice:
            self.app.push_screen(ErrorScreen(notice))

    def on_screen_resume(self) -> None:
        """Progress may have been made meanwhile."""
        kept = self.listing.highlighted
        self.listing.clear_options()
        self.listing.add_options(self._options())
        self.listing.highlighted = kept if kept is not None else (1 if self.lessons else None)

    @on(OptionList.OptionHighlighted)
    def _describe(self, event: OptionList.OptionHighlighted) -> None:
        match self.lessons.get(event.option_id or ""):
            case Lesson() as lesson:
                self.about.update(about(lesson, self.course.progress))
            case ContlabError() as error:
                self.about.update(lines(str(error)))

    @on(OptionList.OptionSelected)
    def _pick(self, event: OptionList.OptionSelected) -> None:
        match self.lessons.get(event.option_id or ""):
            case Lesson() as lesson:
                self.app.post_message(LessonPicked(lesson))
            case ContlabError() as error:
                self.app.push_screen(ErrorScreen(error.message, error.hint))

    def _options(self) -> Iterator[Option]:
        for track in self.tracks:
            yield Option(safe(track.title, "bold $foreground-muted"), disabled=True)
            for entry in track.lessons:
                lesson = self.lessons[str(entry.path)]
                said = (
                    line(lesson, len(self.course.progress.done(lesson)))
                    if isinstance(lesson, Lesson)
                    else Content.assemble((" ✗ ", "$error"), cell(entry.title, 34), (" needs mending", "$error"))
                )
                yield Option(said, id=str(entry.path))

    def _read(self, path: Path) -> Lesson | ContlabError:
        try:
            return self.course.open_lesson(path)
        except ContlabError as error:
            return error


def line(lesson: Lesson, done: int) -> Content:
    """Mark, title, progress and minutes of one lesson."""
    count = len(lesson.steps)
    mark, style = ("✓", "$success bold") if done >= count else ("◐", "$accent") if done else ("○", "$foreground-muted")
    return Content.assemble(
        (f" {mark} ", style),
        cell(lesson.title, 34),
        (f" {'■' * done}{'□' * (count - done)}" if count <= 12 else f" {done}/{count}", style),
        (f"  {lesson.minutes} min", "$foreground-muted"),
    )


def about(lesson: Lesson, progress: Progress) -> Content:
    """Title, goals, steps with those done, and how the predictions went."""
    parts = [safe(lesson.title, "bold $primary"), Content("")]
    if lesson.goals:
        parts += [Content.styled("You will", "bold"), *(safe(f"• {goal}") for goal in lesson.goals), Content("")]
    done, (right, asked) = progress.done(lesson), progress.score(lesson)
    parts.append(Content.styled("Steps", "bold"))
    parts += [safe(f"{'✓' if step.slug in done else '·'} {step.title}", "$foreground-muted") for step in lesson.steps]
    if asked:
        parts += [Content(""), Content(f"{right} of {asked} predictions were right")]
    if lesson.after:
        parts += [Content(""), safe("after " + ", ".join(lesson.after), "$foreground-muted")]
    begin = "go on" if 0 < len(done) < len(lesson.steps) else "begin"
    return Content("\n").join([*parts, Content(""), Content.styled(f"Press Enter to {begin}", "$accent bold")])
