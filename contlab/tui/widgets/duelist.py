"""What is due: the current item and those that follow it."""

from __future__ import annotations

from dataclasses import dataclass

from textual import events
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import OptionList
from textual.widgets.option_list import Option

from contlab.review.session import Item
from contlab.tui.notetext import steady
from contlab.tui.reviewing import row
from contlab.tui.text import cell
from contlab.tui.widgets.choices import Choices

SHOWN = 200
"""Items listed; of more only their number."""
_WHEN = 11


class DueList(Choices):
    """Enter or a click takes another item first."""

    DEFAULT_CSS = """
    DueList {
        border: round $border; border-title-color: $foreground-muted; border-title-style: bold; padding: 0 1;
        border-subtitle-color: $foreground-muted;
        background: $background; scrollbar-size-vertical: 1; height: 1fr;
        &:focus { border: round $primary; border-title-color: $primary; }
    }
    """

    @dataclass
    class Picked(Message):
        """That one now."""

        item: Item

    upcoming: reactive[tuple[Item, ...]] = reactive(())

    def on_mount(self) -> None:
        """Its name."""
        self.border_title = Content("Due")

    def watch_upcoming(self) -> None:
        """Another order, or one less."""
        self._fill()

    def on_resize(self, event: events.Resize) -> None:
        """Another width."""
        self._fill()

    def _fill(self) -> None:
        width = self.content_size.width - 1
        if width < _WHEN:
            return
        self.clear_options()
        self.add_options(
            Option(line(item, width, is_current=place == 0)) for place, item in enumerate(self.upcoming[:SHOWN])
        )
        more = len(self.upcoming) - SHOWN
        self.border_subtitle = Content(f"{more} more") if more > 0 else None
        self.highlighted = 0 if self.upcoming else None

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Enter or a click."""
        event.stop()
        self.post_message(self.Picked(self.upcoming[event.option_index]))


def line(item: Item, width: int, *, is_current: bool) -> Content:
    """Mark, title, and when it was due."""
    mark, when = row(item)
    style = "bold $primary" if is_current else ""
    return Content.assemble(
        ("▸ " if is_current else f"{mark} ", "bold $accent" if item.late else "$foreground-muted"),
        cell(Content.styled(steady(item.title), style), width - _WHEN - 2),
        cell(Content.styled(when, "$accent" if item.late else "$foreground-muted"), _WHEN, right=True),
    )
