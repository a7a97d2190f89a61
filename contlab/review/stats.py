"""Stats: how reviewing goes, from the log and the queue."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta

import msgspec

from contlab.review.log import Log
from contlab.review.osr import Rating


class Stats(msgspec.Struct, frozen=True):
    """Reviews that were not undone."""

    reviews: int
    by_rating: dict[str, int]
    retention: float | None
    """The share of reviews of what was known before that were not Again or Hard, 0 to 1; None without any."""
    by_day: dict[date, int]
    """Each of the last ``days`` days."""
    streak: int
    """Days in a row with a review, up to today or yesterday."""


def gather(log: Log, today: date, days: int = 30) -> Stats:
    """Over the last ``days`` days."""
    first = today - timedelta(days=days - 1)
    history = log.history()
    recent = [review for review in history if first <= review.day <= today]
    known = [review for review in recent if review.before != "null" and '"last_review": null' not in review.before]
    remembered = sum(review.rating in (Rating.GOOD, Rating.EASY) for review in known)
    counts = Counter(review.day for review in recent)
    reviewed = {review.day for review in history}
    last = today if today in reviewed else today - timedelta(days=1)
    streak = 0
    while last - timedelta(days=streak) in reviewed:
        streak += 1
    return Stats(
        reviews=len(recent),
        by_rating={rating.value: sum(review.rating == rating for review in recent) for rating in Rating},
        retention=remembered / len(known) if known else None,
        by_day={first + timedelta(days=day): counts[first + timedelta(days=day)] for day in range(days)},
        streak=streak,
    )
