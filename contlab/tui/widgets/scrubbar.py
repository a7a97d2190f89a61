"""The scrub bar: where in the timeline the panels are while it is paused, and what happened there."""

from __future__ import annotations

from dataclasses import dataclass

from textual import events
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.widget import Widget

from contlab.tui.moment import NOWHERE, Kind, Spot
from contlab.tui.text import cell, safe
from contlab.tui.units import clock

_MARKS = {Kind.STEP: "┃", Kind.GRAVE: "✗", Kind.HAPPENING: "┷"}
"""What is drawn on the track, the most important first."""
# The keys, in the fullest of these that leaves the words whole.
_KEYS = (
    "[ ] moment  { } event  ( ) step  p goes on",
    "[ ] { } ( )  p goes on",
    "[ ]  p goes on",
)
_DIGITS = 3
"""Of the second: a container's whole birth takes some milliseconds."""
_TRACK = 60
"""Cells of the track where it shares its line with the words."""


class ScrubBar(Widget):
    """A track with marks, times and a count; below it, or beside it where there is room, words and keys."""

    DEFAULT_CSS = """
    ScrubBar { height: 2; padding: 0 1; background: $panel; text-wrap: nowrap; }
    """

    @dataclass
    class Sought(Message):
        """A moment was pointed at."""

        offset: int
        """Its place among those kept, from 0."""

    spot: reactive[Spot] = reactive(NOWHERE)

    def render(self) -> Content:
        """One line where the terminal is large, else two."""
        figures = _figures(self.spot)
        width = self.size.width
        if self.size.height > 1:
            track = Content.assemble(self._track(), "  ", figures)
            return Content.assemble(track, "\n", self._line(width))
        before = Content.assemble(self._track(), "  ", figures, "  ")
        return Content.assemble(before, self._line(width - before.cell_length))

    def _line(self, width: int) -> Content:
        """What happened, and the keys, as full as there is room for both."""
        words = _words(self.spot)
        keys = next((each for each in _KEYS if words.cell_length + 2 + len(each) <= width), _KEYS[-1])
        return Content.assemble(cell(words, max(0, width - len(keys) - 2)), "  ", (keys, "$foreground-muted"))

    @property
    def _length(self) -> int:
        """Cells of the track."""
        return max(8, self.size.width - _figures(self.spot).cell_length - 2) if self.size.height > 1 else _TRACK

    def _track(self) -> Content:
        """One cell stands for several moments where there are more of them: the most important is drawn."""
        track, length = self.spot.track, self._length
        most = len(track) - 1
        cells = ["─"] * length
        for mark in reversed(_MARKS):
            for place, kind in enumerate(track):
                if kind == mark:
                    cells[_at(place, most, length)] = _MARKS[mark]
        here = _at(self.spot.number - 1, most, length)
        past = "".join("━" if each == "─" else each for each in cells[:here])
        return Content.assemble(
            (past, "$primary"), ("●", "bold $warning"), ("".join(cells[here + 1 :]), "$foreground-muted")
        )

    def on_mouse_down(self, event: events.MouseDown) -> None:
        """Go there; what follows is a drag."""
        place = event.get_content_offset(self)
        if place is not None and place.y == 0 and place.x < self._length:
            self.capture_mouse()
            self._seek(place.x)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Dragged."""
        if self.app.mouse_captured is self:
            self._seek(int(event.x) - self.styles.padding.left)

    def on_mouse_up(self) -> None:
        """Let go."""
        self.release_mouse()

    def _seek(self, x: int) -> None:
        most, length = len(self.spot.track) - 1, self._length
        offset = round(min(max(x, 0), length - 1) * most / (length - 1))
        if offset != self.spot.number - 1:
            self.post_message(self.Sought(offset))


def _at(place: int, most: int, length: int) -> int:
    """The cell of a moment."""
    return round(place * (length - 1) / most) if most > 0 else 0


def _figures(spot: Spot) -> Content:
    """As wide at one moment as at another, so that the track holds still."""
    until, count = clock(spot.until, _DIGITS), str(len(spot.track))
    return Content.assemble(
        (f"step {spot.step}  ", "$foreground-muted"),
        (clock(spot.at, _DIGITS).rjust(len(until)), "bold"),
        (f" of {until}  ", "$foreground-muted"),
        (str(spot.number).rjust(len(count)), "bold"),
        (f" of {count}", "$foreground-muted"),
    )


def _words(spot: Spot) -> Content:
    """The sentence; at the oldest moment, also what is missing before it."""
    missing = ""
    if spot.overtaken:
        missing = "that moment is no longer kept, this is the oldest: "
    elif spot.number == 1 and spot.dropped:
        missing = f"{spot.dropped} before this are no longer kept: "
    grave = spot.kind is Kind.GRAVE
    return Content.assemble(
        (missing, "$warning"),
        ("✗ " if grave else "", "$error bold"),
        safe(f"{spot.container} " if spot.container else "", "bold"),
        safe(spot.text, "$error" if grave else ""),
    )
