"""Checks: the TOML of an ``expect``, or of a choice's ``when``, as a list of comparisons."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from contlab.course.lesson import Check
from contlab.course.places import Path, Places

OPERATORS = {
    "eq": "is",
    "ne": "is not",
    "lt": "is less than",
    "le": "is at most",
    "gt": "is more than",
    "ge": "is at least",
    "contains": "contains",
    "lacks": "lacks",
    "same_as": "is the same as",
    "differs_from": "differs from",
}
"""Operator -> how it reads between a fact and a value."""

BETWEEN_FACTS = frozenset({"same_as", "differs_from"})
"""The operators whose value is another fact's name."""


def checks(table: dict[str, Any], places: Places, at: Path = ()) -> tuple[Check, ...]:
    """``tenant.pids.count = { ge = 1, le = 2 }`` is two checks; a bare value means ``eq``. In the file's order."""
    # TOML gathers the keys of one table, wherever they stood.
    return tuple(sorted(_walk(table, places, at, ()), key=lambda check: check.line))


def _walk(table: dict[str, Any], places: Places, at: Path, fact: tuple[str, ...]) -> Iterator[Check]:
    for key, value in table.items():
        here = (*at, key)
        if fact and key in OPERATORS:
            yield Check(".".join(fact), key, value, places.line(*here))
        elif isinstance(value, dict):
            yield from _walk(value, places, here, (*fact, key))
        else:
            yield Check(".".join((*fact, key)), "eq", value, places.line(*here))
