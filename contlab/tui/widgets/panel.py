"""Panel: rows of kernel facts on the line API; only the rows in sight are built, and nothing while it is hidden."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.geometry import Size
from textual.reactive import var
from textual.strip import Strip
from textual.visual import Visual

from contlab.observe.diff import Change
from contlab.tui.text import hang, safe
from contlab.tui.widgets.marking import MARKING, Marking
from contlab.tui.widgets.told import Row, Told

__all__ = ["Following", "Panel", "Row", "Told", "tally", "unavailable"]

MARKS = {"appeared": "+", "changed": "~", "vanished": "-"}


SCROLLING: list[BindingType] = [
    Binding("up", "scroll_up", show=False),
    Binding("down", "scroll_down", show=False),
    Binding("home", "scroll_home", show=False),
    Binding("end", "scroll_end", show=False),
    Binding("pageup", "page_up", show=False),
    Binding("pagedown,space", "page_down", show=False),
]
"""Up and down only: left and right turn pages."""


class Panel(Marking, can_focus=True, inherit_bindings=False):
    """A bordered list of rows; subclasses say what the rows are. While it has the focus, one row that the glossary
    knows of is marked."""

    DEFAULT_CSS = """
    Panel {
        border: round $border;
        border-title-color: $foreground-muted;
        border-title-style: bold;
        border-subtitle-color: $foreground-muted;
        scrollbar-size-vertical: 1;
        scrollbar-background: $background;
        scrollbar-color: $border;
        overflow-x: hidden;
        padding: 0 1;
        background: $background;
        &:focus { border: round $primary; border-title-color: $primary; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*MARKING, *SCROLLING[2:]]
    TITLE: ClassVar[str] = ""

    changes: var[tuple[Change, ...]] = var(())
    """What differs from the step's beginning, in every slice."""
    in_guest: var[bool] = var(False)
    """What is shown is the inside of a virtual machine: it has nothing of the host's."""

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.border_title = Content(self.TITLE)
        self._strips: dict[int, Strip] = {}
        self._stale = True
        self._scheduled = False

    def rows(self, width: int) -> Sequence[Row]:
        """What is to be seen, ``width`` cells wide."""
        raise NotImplementedError

    def marks(self, name: str) -> dict[str, str]:
        """Key -> ``+`` new, ``~`` changed, for one slice of the snapshot."""
        return {change.key: MARKS.get(change.how, "~") for change in self.changes if change.slice == name}

    def redraw(self) -> None:
        """Rows have changed: build them once the screen has settled, or when they come into sight."""
        self._stale = True
        if self.is_mounted and not self._scheduled:
            self._scheduled = self.call_after_refresh(self._build)

    def watch_changes(self) -> None:
        """Marks have changed."""
        self.redraw()

    def watch_in_guest(self) -> None:
        """A container's inside, or a guest's."""
        self.redraw()

    def _build(self) -> None:
        self._scheduled = False
        width = self.size.width
        if not (self._stale and width and self.is_on_screen):
            return
        self._stale = False
        before, self._rows = self._rows, self._fitted(width, self.size.height)
        self._keep_mark(before)
        self._strips.clear()
        self.virtual_size = Size(width, len(self._rows))
        self.built()
        self.refresh()

    def _fitted(self, width: int, height: int) -> Sequence[Row]:
        """The rows, as wide as the scrollbar leaves them; what was so the last time is tried first."""
        narrow = width - self.styles.scrollbar_size_vertical
        rows = self.rows(narrow if len(self._rows) > height else width)
        if (len(rows) > height) != (len(self._rows) > height):
            rows = self.rows(narrow if len(rows) > height else width)
        return rows

    def built(self) -> None:
        """Called after the rows were built."""

    def on_resize(self, event: events.Resize) -> None:
        """Rows depend on the width."""
        self.redraw()

    def on_show(self) -> None:
        """What came in while it was hidden is drawn now."""
        if self._stale:
            self.redraw()

    def notify_style_update(self) -> None:
        """Another theme: the strips hold the old colours."""
        super().notify_style_update()
        self._strips.clear()

    def render_line(self, y: int) -> Strip:
        """One line of what is in sight."""
        place, width = y + self.scroll_offset.y, self.size.width
        if (strip := self._strips.get(place)) is None:
            strip = self._strips[place] = self._draw(place, width)
        return self.with_mark(place, strip.adjust_cell_length(width, self.rich_style))

    def _draw(self, place: int, width: int) -> Strip:
        if place >= len(self._rows):
            return Strip.blank(width, self.rich_style)
        row = self._rows[place]
        content = row() if callable(row) else row
        clipped = content.truncate(width, ellipsis=True)
        strips = Visual.to_strips(self, clipped, width, 1, self.visual_style)
        return strips[0] if strips else Strip.blank(width, self.rich_style)


class Following(Panel):
    """A panel that keeps its newest row in sight, unless the learner has scrolled up."""

    def on_mount(self) -> None:
        """Textual lets go of an anchor when one scrolls by hand."""
        self.anchor()

    def built(self) -> None:
        """The anchor takes hold when the layout is made."""
        self.refresh(layout=True)

    FIRST = -1

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Scrolled back to the end: follow again."""
        super().watch_scroll_y(old_value, new_value)
        self._check_anchor()

    def _mark_at(self, place: int) -> None:
        """Whoever marks an older row does not follow; the newest is followed."""
        super()._mark_at(place)
        if place == self._owner(len(self._rows) - 1):
            self._mark = None
            self.scroll_end(animate=False, immediate=True)
        else:
            self.release_anchor()


def tally(marks: dict[str, str]) -> str:
    """``+2 new  -1 gone``: what the marks come to; rows that are gone have no row to carry one. A slice that can be
    seen at last, or no more, is no row."""
    each = [mark for key, mark in marks.items() if key]
    counts = [(mark, each.count(mark), word) for mark, word in (("+", "new"), ("-", "gone"))]
    return "  ".join(f"{mark}{count} {word}" for mark, count, word in counts if count)


def unavailable(reason: str, width: int) -> list[Content]:
    """A slice that this host doesn't give, in words."""
    return hang(Content.styled("– ", "$foreground-muted"), safe(reason, "$foreground-muted italic"), width)
