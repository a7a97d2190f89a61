"""Queue: what is due, what is new, what comes later, and how the load lies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, timedelta

import msgspec

from contlab.review.note import Schedule
from contlab.review.settings import Settings
from contlab.review.vault import Entry

NO_TAG = "(scheduled, no review tag)"
"""The deck of notes that are scheduled but carry none of the tags to review: the plugin passes them over."""

_DECAY = -0.1542
_FACTOR = 0.9 ** (1 / _DECAY) - 1


class DeckCount(msgspec.Struct, frozen=True):
    """One deck's notes. A note with two decks' tags counts in both."""

    due: int
    """On the day and before it, so with the overdue."""
    overdue: int
    new: int
    total: int


class Queue(msgspec.Struct, frozen=True):
    """A vault's notes on one day."""

    on: date
    due: tuple[Entry, ...]
    """Longest overdue first; of one day, the most linked to first where the links are known."""
    new: tuple[Entry, ...]
    later: tuple[Entry, ...]
    broken: tuple[Entry, ...]
    """Their schedules can't be read: they need their owner."""
    decks: Mapping[str, DeckCount]

    @property
    def next(self) -> Entry | None:
        """The note to review now: the first that is due, else the first new one."""
        return next(iter((*self.due, *self.new)), None)

    def forecast(self, days: int = 30) -> dict[date, int]:
        """Notes that come due on each day from today; what is overdue counts today."""
        counts = {self.on + timedelta(days=day): 0 for day in range(days)}
        for entry in (*self.due, *self.later):
            if (day := max(_schedule(entry).due, self.on)) in counts:
                counts[day] += 1
        return counts

    @property
    def load(self) -> float:
        """Reviews a day, if every note came back at its present interval."""
        return sum(1 / max(1, _schedule(entry).interval) for entry in (*self.due, *self.later))


def build(entries: Iterable[Entry], settings: Settings, on: date, ranks: Mapping[str, float] | None = None) -> Queue:
    """Sort a vault's notes for the day ``on``. ``ranks`` (``graph.page_rank``) order notes of the same day."""
    ranks = ranks or {}
    due: list[Entry] = []
    new: list[Entry] = []
    later: list[Entry] = []
    broken: list[Entry] = []
    for entry in entries:
        if entry.broken and (entry.decks or settings.include_scheduled) and not entry.ignored:
            broken.append(entry)
        elif not decks_of(entry, settings) or entry.broken:
            continue
        elif entry.schedule is None:
            new.append(entry)
        elif entry.schedule.due <= on:
            due.append(entry)
        else:
            later.append(entry)

    def order(entry: Entry) -> tuple[date, float, str]:
        return (entry.schedule.due if entry.schedule else date.max, -ranks.get(entry.path, 0), entry.path)

    due, new, later = (sorted(group, key=order) for group in (due, new, later))
    decks = _count((due, new, later), settings, on)
    return Queue(on, tuple(due), tuple(new), tuple(later), tuple(broken), decks)


def decks_of(entry: Entry, settings: Settings) -> tuple[str, ...]:
    """The decks a note is reviewed in; none: it is not reviewable."""
    if entry.ignored:
        return ()
    return entry.decks or ((NO_TAG,) if entry.schedule and settings.include_scheduled else ())


def histogram(entries: Iterable[Entry], on: date, rated: Entry) -> dict[int, int]:
    """How many notes are due in N days (negative: overdue), for load balancing.

    As in the plugin a note counts once for each of its decks. Notes without a review tag, which the plugin passes
    over, count only where such a note is rated: so both programs reach the same day.
    """
    counts: Counter[int] = Counter()
    for entry in entries:
        if entry.schedule and not entry.ignored:
            counts[(entry.schedule.due - on).days] += len(entry.decks) or (0 if rated.decks else 1)
    return {day: count for day, count in counts.items() if count}


def recall(schedule: Schedule, on: date) -> float:
    """How likely the note is remembered on a day, 0 to 1: FSRS's forgetting curve, an estimate only.

    The interval is taken for the stability: the days until recall falls to 90 %.
    """
    stability = max(schedule.interval, 0.001)
    elapsed = max(0, schedule.interval + (on - schedule.due).days)
    return float((1 + _FACTOR * elapsed / stability) ** _DECAY)


def _schedule(entry: Entry) -> Schedule:
    assert entry.schedule is not None
    return entry.schedule


def _count(groups: tuple[list[Entry], list[Entry], list[Entry]], settings: Settings, on: date) -> dict[str, DeckCount]:
    due, new, _ = (Counter(deck for entry in group for deck in decks_of(entry, settings)) for group in groups)
    overdue = Counter(deck for e in groups[0] if _schedule(e).due < on for deck in decks_of(e, settings))
    total = Counter(deck for group in groups for entry in group for deck in decks_of(entry, settings))
    return {deck: DeckCount(due[deck], overdue[deck], new[deck], count) for deck, count in sorted(total.items())}
