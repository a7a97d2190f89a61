"""Session: what is asked next, for how long, and the way back. No clock, no disk, no screen.

Notes that are due come first, then cards, then what is new. A forgotten card comes again within the session. A cap of
reviews or minutes ends it; one may always go on.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """What is reviewed."""

    NOTE = "note"
    CARD = "card"


class Item(msgspec.Struct, frozen=True):
    """One thing to review."""

    kind: Kind
    key: str
    """A note's path in its vault; a card's number."""
    title: str
    late: int = 0
    """Days since it was due."""
    is_new: bool = False
    """Never reviewed."""

    @property
    def id(self) -> tuple[Kind, str]:
        """What makes it itself, however late it is."""
        return self.kind, self.key


class Caps(msgspec.Struct, frozen=True):
    """When a session is enough. 0: no cap."""

    reviews: int = 30
    minutes: float = 20
    new: int = 10
    """New notes, and as many new cards."""


class Session:
    """One sitting. Every method takes the time it happens at."""

    def __init__(self, items: Iterable[Item], now: datetime, caps: Caps = Caps()) -> None:  # noqa: B008 (frozen)
        self.caps = caps
        self.done: list[Item] = []
        """Reviews of this session that were not taken back, newest last."""
        self.current: Item | None = None
        self._queue = _chosen(items, caps)
        self._waiting: list[tuple[datetime, Item]] = []
        self._began, self._counted = now, 0
        self._next(now)

    @property
    def upcoming(self) -> tuple[Item, ...]:
        """The current item and what follows it, in order."""
        waiting = (item for _, item in sorted(self._waiting, key=lambda pair: pair[0]))
        return (*((self.current,) if self.current else ()), *self._queue, *waiting)

    def capped(self, now: datetime) -> str:
        """Which cap was reached, in words; empty: none."""
        if self.caps.reviews and len(self.done) - self._counted >= self.caps.reviews:
            return f"{self.caps.reviews} reviews"
        if self.caps.minutes and now - self._began >= timedelta(minutes=self.caps.minutes):
            return f"{self.caps.minutes:g} minutes"
        return ""

    def rated(self, now: datetime, again_at: datetime | None = None) -> None:
        """The current item was reviewed; ``again_at``: it comes back then, within this session."""
        if self.current is None:
            return
        self.done.append(self.current)
        if again_at is not None:
            self._waiting.append((again_at, self.current))
        self._next(now)

    def skip(self, now: datetime) -> None:
        """Later: the current item goes to the end."""
        if self.current is not None:
            self._queue.append(self.current)
            self._next(now)

    def drop(self, now: datetime) -> None:
        """The current item isn't due any more: it was reviewed elsewhere, or is gone."""
        if self.current is not None:
            self._next(now)

    def choose(self, item: Item) -> None:
        """That one now; the current one follows it."""
        self._take_out(item)
        self._put_back(item)

    def take_back(self, item: Item) -> None:
        """A review of ``item`` was taken back, of this session or of an earlier one: it is asked again, now."""
        last = next((place for place in reversed(range(len(self.done))) if self.done[place].id == item.id), None)
        if last is not None:
            del self.done[last]
            self._counted = min(self._counted, len(self.done))
        self._take_out(item)
        self._put_back(item)

    def renew(self, items: Iterable[Item], now: datetime) -> None:
        """The vault was read again: its items in place of those that were left; the current one stays, if it is due."""
        kept, self._queue = self.current, _chosen(items, self.caps)
        waiting = {item.id for _, item in self._waiting}
        self._queue = [item for item in self._queue if item.id not in waiting]
        same = next((item for item in self._queue if kept and item.id == kept.id), None)
        self.current = None
        if same is not None:
            self.choose(same)
        else:
            self._next(now)

    def go_on(self, now: datetime) -> None:
        """The cap was reached, and it is not enough: as much again."""
        self._began, self._counted = now, len(self.done)
        if self.current is None:
            self._next(now)

    def _next(self, now: datetime) -> None:
        self.current = None
        if self.capped(now):
            return
        ripe = [pair for pair in self._waiting if pair[0] <= now]
        if ripe or (not self._queue and self._waiting):  # with nothing else left there is no use in waiting
            pair = min(ripe or self._waiting, key=lambda pair: pair[0])
            self._waiting.remove(pair)
            self.current = pair[1]
        elif self._queue:
            self.current = self._queue.pop(0)

    def _take_out(self, item: Item) -> None:
        self._queue = [each for each in self._queue if each.id != item.id]
        self._waiting = [pair for pair in self._waiting if pair[1].id != item.id]

    def _put_back(self, item: Item) -> None:
        if self.current is not None and self.current.id != item.id:
            self._queue.insert(0, self.current)
        self.current = item


def _chosen(items: Iterable[Item], caps: Caps) -> list[Item]:
    """In the order of asking; of what is new only as much as the cap allows."""
    kept: dict[tuple[bool, Kind], list[Item]] = {(new, kind): [] for new in (False, True) for kind in Kind}
    for item in items:
        group = kept[item.is_new, item.kind]
        if not (item.is_new and caps.new and len(group) >= caps.new):
            group.append(item)
    return [item for group in kept.values() for item in group]
