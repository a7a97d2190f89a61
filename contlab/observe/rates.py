"""Rates between two readings of a counter. None: no rate can be told, which is another thing than 0."""

from __future__ import annotations


def percent_of_time(used_before: float, used_now: float, at_before: float, at_now: float) -> float | None:
    """µs used per µs passed, in percent of one processor.

    None when no time passed, or when the counter is lower than before: it is another one of the same name.
    """
    used, passed = used_now - used_before, at_now - at_before
    return None if passed <= 0 or used < 0 else 100 * used / passed


def percent_of_count(part_before: int, part_now: int, whole_before: int, whole_now: int) -> float | None:
    """How many in a hundred of what was counted since then belong to ``part``.

    None when nothing was counted, or when a counter is lower than before.
    """
    part, whole = part_now - part_before, whole_now - whole_before
    return None if whole <= 0 or part < 0 else min(100.0, 100 * part / whole)
