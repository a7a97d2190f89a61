"""Happening: one sentence of the events panel."""

from __future__ import annotations

import msgspec

KEPT = 200
"""Sentences kept."""


class Happening(msgspec.Struct, frozen=True):
    """What happened, when and in which container; raw text, drawn with ``safe``."""

    at: float
    """µs since the lesson was opened."""
    container: str
    text: str
    grave: bool = False
    """Something was refused or killed."""
