"""Told: a row that knows which fields it shows, so that the glossary can say what they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec
from textual.content import Content

Row = Content | Callable[[], Content]
"""A row, or what makes it when it comes into sight."""


class Told(msgspec.Struct, frozen=True):
    """What makes a row, and the glossary's keys of its fields. A row that goes on below it needs none of its own."""

    draw: Row
    subject: object
    """What they are fields of, as the glossary takes it."""
    keys: tuple[str, ...]
    name: object = None
    """What is the same in the next sample's row of the same thing, as a PID is; None: its place is."""

    def __call__(self) -> Content:
        """The row."""
        return self.draw() if callable(self.draw) else self.draw


def told(lines: Iterable[Row], subject: object, *keys: tuple[str, ...], name: object = None) -> list[Row]:
    """One thing in several rows, each with its keys; those left without go on from the one above."""
    rows = list(lines)
    given = (*keys, *((),) * len(rows))
    return [Told(row, subject, own, name or own) if own else row for row, own in zip(rows, given, strict=False)]
