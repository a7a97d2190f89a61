"""Which panes share a place, by the room there is. Names are those of the page bar; ids those of the widgets."""

from __future__ import annotations

NAMES = {
    "lesson": "Lesson",
    "processes": "Processes",
    "namespaces": "Namespaces",
    "cgroup": "Limits",
    "mounts": "Mounts",
    "operations": "Syscalls",
    "network": "Network",
    "events": "Events",
    "vm": "VM",
}
EVIDENCE = ("processes", "namespaces", "cgroup", "mounts", "operations", "network", "events")
GAUGES = ("processes", "namespaces", "cgroup")
"""Always in sight where there is room for them; the other panels share what is left."""

MEDIUM, LARGE, TALL = 120, 180, 34
"""Columns from which lesson, evidence and VM stand side by side; columns and rows from which all panels do."""


def pages(width: int, height: int) -> tuple[str, ...]:
    """The pages that take turns in a terminal of this size; none where everything is in sight."""
    if width < MEDIUM:
        return tuple(NAMES)
    if height < TALL:
        return EVIDENCE
    return () if width >= LARGE else tuple(page for page in EVIDENCE if page not in GAUGES)


def settle(page: str, choice: tuple[str, ...]) -> str:
    """The page to show: the one before, where it is still among the choice."""
    return page if page in choice or not choice else choice[0]
