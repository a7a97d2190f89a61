"""Look: one look at a vault and the cards: what there is on a day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time

import msgspec

from contlab.review import graph, queue
from contlab.review.cards import Card
from contlab.review.deck import Deck
from contlab.review.log import Log
from contlab.review.queue import Queue
from contlab.review.rating import recover
from contlab.review.settings import Settings
from contlab.review.vault import Scan, Vault, scan

Sync = Callable[[Deck], object]
"""Takes in cards from elsewhere: ``lab.remember`` has the lessons'."""


class Look(msgspec.Struct, frozen=True):
    """What was found."""

    vault: Vault | None
    """None: no vault, only cards."""
    scan: Scan
    ranks: dict[str, float]
    """PageRank of the notes: ``graph.page_rank``."""
    queue: Queue
    cards: tuple[Card, ...]
    """To ask, those reviewed before first."""


def look(log: Log, vault: Vault | None, on: date | None, sync: Sync) -> Look:
    """Look now, or as if it were the day ``on``; finishes first what a SIGKILL cut short."""
    with log.locked():
        recover(log)
    settings = vault.settings if vault else Settings()
    found = scan(vault, want_links=True) if vault else Scan(())
    deck = Deck(log, settings.fsrs_desired_retention)
    if vault is not None:
        deck.sync_vault(vault, found.entries)
    sync(deck)
    ranks = graph.page_rank(graph.resolve(found.entries))
    day = day_of(settings, on)
    # A given day stands for its end: all that comes due on it.
    now = datetime.combine(day, time.max, UTC) if on else datetime.now(UTC)
    return Look(vault, found, ranks, queue.build(found.entries, settings, day, ranks), tuple(deck.due(now)))


def day_of(settings: Settings, on: date | None) -> date:
    """The day that was given, else the review day now."""
    return on or settings.today(datetime.now())
