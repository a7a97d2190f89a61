"""Quantities in words, always with their unit."""

from __future__ import annotations

from contlab.linux.sizes import format_duration as duration
from contlab.linux.sizes import format_size as size

__all__ = ["clock", "duration", "processors", "size"]


def clock(microseconds: float, digits: int = 1) -> str:
    """A place on the lesson's time axis, e.g. ``1:03.2`` (minutes:seconds); ``digits`` of the second's fraction."""
    seconds = round(max(0.0, microseconds) / 1_000_000, digits)
    return f"{int(seconds // 60)}:{seconds % 60:0{digits + 3}.{digits}f}"


def processors(count: float) -> str:
    """A cpu quota as a share of one processor, e.g. ``50 %``."""
    return f"{count * 100:.0f} %"
