"""What the lessons can show live of the note that is reviewed."""

from __future__ import annotations

from dataclasses import dataclass

from textual import events
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from contlab.tui.notetext import MARK, steady
from contlab.tui.reviewing import Choice
from contlab.tui.text import cell
from contlab.tui.widgets.choices import Choices


class Experiments(Choices):
    """One row a place in the note; Enter or a click runs it."""

    DEFAULT_CSS = """
    Experiments {
        border: round $border; border-title-color: $foreground-muted; border-title-style: bold; padding: 0 1;
        background: $background; scrollbar-size-vertical: 1;
        &:focus { border: round $primary; border-title-color: $primary; }
    }
    """

    @dataclass
    class Wanted(Message):
        """That one is to be run."""

        choice: Choice

    choices: reactive[tuple[Choice, ...]] = reactive(())

    def on_mount(self) -> None:
        """Its name, and the key."""
        self.border_title = Content(f"Run it again {MARK} x")

    @property
    def chosen(self) -> Choice | None:
        """The highlighted one."""
        place = self.highlighted or 0
        return self.choices[place] if place < len(self.choices) else None

    def watch_choices(self, old: tuple[Choice, ...], new: tuple[Choice, ...]) -> None:
        """Another note, or more of it."""
        kept = self.chosen if old == new else None
        self._fill()
        self.highlighted = new.index(kept) if kept in new else (0 if new else None)

    def on_resize(self, event: events.Resize) -> None:
        """Another width."""
        place = self.highlighted
        self._fill()
        self.highlighted = place

    def _fill(self) -> None:
        width = self.content_size.width - 1
        if width < 20:
            return
        self.clear_options()
        self.add_options(Option(line(choice, width)) for choice in self.choices)
        if not self.choices:
            words = "No lesson is about this; more lessons will come."
            self.add_option(Option(Content.styled(words, "$foreground-muted italic"), disabled=True))

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Enter or a click."""
        event.stop()
        if event.option_index < len(self.choices):
            self.post_message(self.Wanted(self.choices[event.option_index]))


def line(choice: Choice, width: int) -> Content:
    """``⟳2 Why Containers?   Three walls around one shell``."""
    mark = cell(Content.styled(f"{MARK}{choice.number}", "bold $accent"), 4)
    place = max(8, min(24, (width - 4) * 2 // 5))
    return Content.assemble(
        mark,
        cell(Content.styled(steady(choice.place), "bold"), place),
        "  ",
        cell(Content.styled(steady(choice.target), "$foreground-muted"), max(4, width - place - 6)),
    )
