"""SM-2-OSR: the Obsidian spaced-repetition plugin's scheduler, number for number.

The order of the floating-point operations is part of the algorithm: another order gives other last digits, and a vault
shared with the plugin would drift. 400 outcomes measured from the plugin's own code are in ``tests/data/review``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec

from contlab.review.settings import Settings

EASE_STEP = 20
LOWEST_EASE = 130
"""Only Hard and Again stop here: an ease that is lower already is left alone by the others."""
LINKS_FOR_FULL_WEIGHT = 64


class Rating(StrEnum):
    """How well it was remembered. Notes have no Again."""

    AGAIN = "again"
    HARD = "hard"
    GOOD = "good"
    EASY = "easy"


class Neighbour(msgspec.Struct, frozen=True):
    """A note that this one links to, or that links to it, and whose ease is known."""

    links: int
    rank: float
    """PageRank x 10000."""
    ease: float


def js_round(number: float) -> int:
    """JavaScript's ``Math.round``: halves go up, where Python's ``round`` sends them to the even neighbour."""
    return math.floor(number + 0.5)


def interval_words(days: float) -> str:
    """An interval for people: 12 days, 1.3 months, 2.7 years; rounded as the plugin does."""
    months, years = js_round(days / 3.04375) / 10, js_round(days / 36.525) / 10
    if months < 1:
        return f"{days:g} day{'' if days == 1 else 's'}"
    number, unit = (months, "month") if years < 1 else (years, "year")
    return f"{number:g} {unit}{'' if number == 1 else 's'}"


def schedule(
    rating: Rating,
    interval: float,
    ease: float,
    overdue_days: float,
    settings: Settings,
    histogram: Mapping[int, int] | None = None,
) -> tuple[float, float]:
    """The next interval (days, at most one decimal) and ease (percent).

    ``histogram`` says how many notes are due in N days (negative: overdue); with it the day is chosen for balance. An
    early review counts as on time. The outcome is due that many days, rounded, after the day of the review.
    """
    delay = max(0, math.floor(overdue_days))
    interval = max(1, interval)
    match rating:
        case Rating.EASY:
            ease += EASE_STEP
            interval = ((interval + delay) * ease) / 100
            interval *= settings.easy_bonus
        case Rating.GOOD:
            interval = ((interval + delay / 2) * ease) / 100
        case Rating.HARD:
            ease = max(LOWEST_EASE, ease - EASE_STEP)
            interval = max(1, (interval + delay / 4) * settings.lapses_interval_change)
        case Rating.AGAIN:
            ease = max(LOWEST_EASE, ease - EASE_STEP)
            interval = 0
    if settings.load_balance and histogram is not None:
        interval = _balanced(js_round(interval), histogram)
    interval = min(interval, settings.maximum_interval)
    return js_round(interval * 10) / 10, ease


def _balanced(interval: int, histogram: Mapping[int, int]) -> int:
    """The least used day near ``interval``; nearer days are asked first, and the earlier of two."""
    if interval <= 7 or interval not in histogram:
        return interval
    if interval <= 21:
        reach = 1
    elif interval <= 180:
        reach = min(3, math.floor(0.05 * interval))
    else:
        reach = min(7, math.floor(0.025 * interval))
    best = interval
    for distance in range(1, reach + 1):
        for day in (interval - distance, interval + distance):
            if day not in histogram:
                return day
            if histogram[day] < histogram[best]:
                best = day
    return best


def first_ease(neighbours: Iterable[Neighbour], own: float | None, settings: Settings) -> int:
    """The ease a note starts its first review with: drawn to its neighbours' the more of them are known.

    ``own`` is an ease the note has already, from its flashcards.
    """
    count, weighted, weight = 0, 0.0, 0.0
    for neighbour in neighbours:
        count += neighbour.links
        weighted += neighbour.links * neighbour.rank * neighbour.ease
        weight += neighbour.links * neighbour.rank
    pull = settings.max_link_factor * min(1.0, math.log(count + 0.5) / math.log(LINKS_FOR_FULL_WEIGHT))
    others = weighted / weight if weight > 0 else settings.base_ease
    ease = (1.0 - pull) * settings.base_ease + pull * others
    return js_round(ease if own is None else (ease + own) / 2)
