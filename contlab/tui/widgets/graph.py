"""Bars and sparklines on a fixed scale: 0 is empty, the limit is full, and nothing rescales behind one's back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from textual.content import Content

_LEVELS = " ▁▂▃▄▅▆▇█"


def bar(parts: Sequence[tuple[float, str, str]], limit: float, width: int, limited: bool = True) -> Content:
    """``parts`` (amount, character, style) stacked from the left; the rest of ``width`` is room up to the limit line.

    A part that is there at all gets a cell, so that a little is not nothing. Not ``limited``: no limit line.
    """
    room, pieces = width - 1, []
    for amount, character, style in parts:
        cells = min(room, max(1, round(amount / limit * (width - 1)))) if amount > 0 and limit > 0 else 0
        pieces.append((character * cells, style))
        room -= cells
    return Content.assemble(
        *pieces, ("·" * room, "$border"), ("┃" if limited else "·", "$warning bold" if limited else "$border")
    )


def sparkline(values: Iterable[float], limit: float, width: int) -> str:
    """The newest ``width`` values at the right, each from 0 (blank) to ``limit`` (full)."""
    newest = list(values)[-width:]
    return "".join(_level(value / limit if limit > 0 else 0.0) for value in newest).rjust(width)


def _level(share: float) -> str:
    if share <= 0:
        return _LEVELS[0]
    return _LEVELS[min(8, max(1, round(share * 8)))]


def alarm(share: float) -> str:
    """The style that goes with a share of a limit; words always say the same."""
    return "$error" if share >= 0.95 else "$warning" if share >= 0.75 else "$success"
