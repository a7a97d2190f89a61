"""Undo: the last review taken back, of a note or a card, as often as there are any."""

from __future__ import annotations

from pathlib import Path

import msgspec

from contlab.review import rating
from contlab.review.deck import Deck
from contlab.review.log import Log, Review


class Undone(msgspec.Struct, frozen=True):
    """What was taken back."""

    review: Review
    what: str
    """The note's path, or the card's question."""


def undo_last(log: Log) -> Undone | None:
    """Take the newest review back; None when there is none. ``NoteRefusal`` when a note has moved on since."""
    if (review := log.last()) is None:
        return None
    if review.kind == "card":
        return Undone(review, Deck(log).undo(review).question)
    rating.undo(log, review)
    return Undone(review, str(Path(review.place) / review.subject))
