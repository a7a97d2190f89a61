"""Marking: one row of a panel is marked while it has the focus, and can be asked about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from contlab.tui.widgets.told import Row, Told

WHAT = "What the marked row shows: its meaning, the kernel file it is from, the command that prints it"
"""The tooltip of the key that asks."""

MARKING: list[BindingType] = [
    Binding("up", "mark(-1)", show=False),
    Binding("down", "mark(1)", show=False),
    Binding("i", "ask", "What is this?", tooltip=WHAT),
]


class Marking(ScrollView, inherit_bindings=False):
    """Rows on the line API, one of which is marked: only one that the glossary knows of, and only one in sight."""

    DEFAULT_CSS = "Marking > .marking--marked { background: $primary 25%; }"
    COMPONENT_CLASSES: ClassVar[set[str]] = {"marking--marked"}
    TITLE: ClassVar[str] = ""
    FIRST: ClassVar[int] = 0
    """The row in sight that is marked as long as none was chosen."""

    @dataclass
    class Asked(Message):
        """What is in this row?"""

        title: str
        """The panel's."""
        row: Told

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._rows: Sequence[Row] = ()
        self._mark: int | None = None
        """The row that the learner has chosen; None: none yet."""
        self._drawn: int | None = None
        """The row that is being drawn as the marked one."""

    @property
    def marked(self) -> int | None:
        """The place of the marked row. It is always in sight, or what it begins is; None: the glossary knows none."""
        top = self.scroll_offset.y
        stops = [place for place in range(top, top + self.size.height) if self._is_told(place)]
        if not stops:
            return self._owner(top)
        return stops[self.FIRST] if self._mark is None else min(stops, key=lambda p: abs(p - (self._mark or 0)))

    def action_mark(self, by: int) -> None:
        """Mark the next row up or down, and scroll along; where there is none, only scroll."""
        here = self.marked
        after = () if here is None else range(here + by, -1 if by < 0 else len(self._rows), by)
        place = next((place for place in after if self._is_told(place)), None)
        if place is not None:
            self._mark_at(place)
        elif by < 0 < self.scroll_y:
            self.scroll_up(animate=False)
        elif by > 0 and self.scroll_y < self.max_scroll_y:  # at the end, it would only let go of a panel's anchor
            self.scroll_down(animate=False)

    def action_ask(self) -> None:
        """What is in the marked row?"""
        if (place := self.marked) is not None and isinstance(row := self._rows[place], Told):
            self.post_message(self.Asked(self.TITLE, row))

    def on_click(self, event: events.Click) -> None:
        """A click marks a row, a second one asks about it."""
        offset = event.get_content_offset(self)
        place = None if offset is None else self._owner(offset.y + self.scroll_offset.y)
        if place is not None:
            self._mark_at(place)
            if event.chain == 2:
                self.action_ask()

    def _mark_at(self, place: int) -> None:
        """Mark a row and bring it into sight, with what goes on below it, or the heading above the first."""
        top, height = self.scroll_offset.y, self.size.height
        end = next((p for p in range(place + 1, len(self._rows)) if self._is_told(p)), len(self._rows))
        self._mark = place
        if place < top:
            self.scroll_to(y=place if self._owner(place - 1) is not None else 0, animate=False, immediate=True)
        elif end > top + height:
            self.scroll_to(y=min(place, end - height), animate=False, immediate=True)
        self.refresh()

    def _is_told(self, place: int) -> bool:
        return place < len(self._rows) and isinstance(self._rows[place], Told)

    def _owner(self, place: int) -> int | None:
        """The row whose fields are on line ``place``: itself, or the one that it goes on from."""
        if place >= len(self._rows):
            return None
        return next((above for above in range(place, -1, -1) if self._is_told(above)), None)

    def _keep_mark(self, before: Sequence[Row]) -> None:
        """The mark stays with what it marks: a process, not a line."""
        if self._mark is None or self._mark >= len(before) or not isinstance(old := before[self._mark], Told):
            return
        places = (self._mark, *range(len(self._rows))) if old.name is not None else ()
        same = (p for p in places if p < len(self._rows) and getattr(self._rows[p], "name", None) == old.name)
        self._mark = next(same, self._mark)

    def render_lines(self, crop: Region) -> list[Strip]:
        """The mark stands in the margin, where it moves nothing, and not for its colour alone."""
        self._drawn = self.marked if self.has_focus else None
        strips = super().render_lines(crop)
        if self._drawn is None or crop.x:
            return strips
        line = self._drawn - self.scroll_offset.y + self.gutter.top - crop.y
        if self._drawn >= self.scroll_offset.y and 0 <= line < len(strips):
            arrow = Strip([Segment("▸", self._look)], 1)
            strips[line] = Strip.join([strips[line].crop(0, 1), arrow, strips[line].crop(2)])
        return strips

    def with_mark(self, place: int, strip: Strip) -> Strip:
        """The strip of row ``place``, marked if it is the one."""
        if place != self._drawn:
            return strip
        return Strip(Segment.apply_style(strip, post_style=self._look), strip.cell_length)

    @property
    def _look(self) -> Style:
        return Style(bgcolor=self.get_component_rich_style("marking--marked").bgcolor, bold=True)
