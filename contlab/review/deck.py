"""Deck: all cards, scheduled by the fsrs library and kept in the log with every review."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import fsrs
import msgspec

from contlab.errors import ContlabError, ExitCode
from contlab.review import queue
from contlab.review.cards import Card, Draft, from_note, match
from contlab.review.log import Log, Review, State
from contlab.review.osr import Rating
from contlab.review.refusal import NoteRefusal, Reason
from contlab.review.vault import Entry, Vault

AGAIN_AFTER = timedelta(minutes=10)
"""What was forgotten is asked again this soon."""


class Synced(msgspec.Struct, frozen=True):
    """What a sync changed."""

    added: int = 0
    edited: int = 0
    gone: int = 0


class Deck:
    """The cards in a log."""

    def __init__(self, log: Log, desired_retention: float = 0.9) -> None:
        self.log = log
        # Without fuzz: the outcome shown on a button is the outcome.
        steps = (AGAIN_AFTER,)
        self._scheduler = fsrs.Scheduler(
            desired_retention=desired_retention, learning_steps=steps, relearning_steps=steps, enable_fuzzing=False
        )

    def all(self) -> list[Card]:
        """Every card, also those that are gone from their sources."""
        return self._select("1 ORDER BY id")

    def card(self, number: int) -> Card:
        """One card; ContlabError when there is none of that number."""
        if found := self._select("id = ?", number):
            return found[0]
        raise ContlabError(f"there is no card {number}", "See: contlab review export", exit_code=ExitCode.USAGE)

    def due(self, now: datetime) -> list[Card]:
        """The cards to ask at ``now``: those reviewed before by their due time, then the new ones."""
        cards = self._select("present AND due <= ? ORDER BY due, id", int(now.timestamp()))
        return sorted(cards, key=lambda card: card.is_new)

    def sync(self, drafts: Iterable[Draft], sources: Iterable[str], *, drop: bool = True) -> Synced:
        """Take in what ``sources`` hold now; edited cards keep their history.

        ``drop``: cards that are not in ``drafts`` are gone from their sources, and no longer asked.
        """
        with self.log.transaction():
            return self._sync(drafts, set(sources), drop)

    def _sync(self, drafts: Iterable[Draft], sources: set[str], drop: bool = True) -> Synced:
        added = edited = gone = 0
        old = [card for card in self.all() if card.source in sources or not card.present]
        for card, draft in match(old, drafts):
            if draft is None:
                assert card is not None
                if card.present and drop:
                    self.log.db.execute("UPDATE card SET present = 0 WHERE id = ?", (card.id,))
                    gone += 1
            elif card is None:
                self._add(draft)
                added += 1
            elif (card.source, card.question, card.answer, card.present) != (*msgspec.structs.astuple(draft), True):
                self.log.db.execute(
                    "UPDATE card SET source = ?, question = ?, answer = ?, present = 1 WHERE id = ?",
                    (*msgspec.structs.astuple(draft), card.id),
                )
                edited += 1
        return Synced(added, edited, gone)

    def _add(self, draft: Draft) -> None:
        cursor = self.log.db.execute(
            "INSERT INTO card (source, question, answer, due, memory) VALUES (?, ?, ?, 0, '')",
            msgspec.structs.astuple(draft),
        )
        assert cursor.lastrowid is not None
        new = fsrs.Card(card_id=cursor.lastrowid, due=datetime.now(UTC))  # without an id it sleeps to make one
        self._remember(cursor.lastrowid, new.to_json())

    def sync_vault(self, vault: Vault, entries: Iterable[Entry]) -> Synced:
        """Take in the questions of a vault's reviewable notes; only notes changed since the last time are read."""
        prefix = f"note:{vault.root}/"
        wanted = {
            prefix + entry.path: entry for entry in entries if entry.has_cards or queue.decks_of(entry, vault.settings)
        }
        rows = self.log.db.execute("SELECT name, stamp FROM source WHERE substr(name, 1, ?) = ?", (len(prefix), prefix))
        stamps = dict(rows.fetchall())
        changed = {name: entry for name, entry in wanted.items() if stamps.get(name) != _stamp(entry)}
        gone = stamps.keys() - wanted.keys()
        drafts: list[Draft] = []
        for name, entry in changed.items():
            data = (vault.root / entry.path).read_bytes()
            drafts += from_note(name, data, vault.settings, has_cards=entry.has_cards)
        with self.log.transaction():
            synced = self._sync(drafts, changed.keys() | gone)
            self.log.db.executemany("DELETE FROM source WHERE name = ?", [(name,) for name in gone])
            self.log.db.executemany(
                "INSERT OR REPLACE INTO source VALUES (?, ?)", [(n, _stamp(e)) for n, e in changed.items()]
            )
        return synced

    def outcomes(self, card: Card, now: datetime) -> dict[Rating, datetime]:
        """When the card would come back, for each rating."""
        return {rating: self._reviewed(card, rating, now).due for rating in Rating}

    def _reviewed(self, card: Card, rating: Rating, now: datetime) -> fsrs.Card:
        # The library takes no time zone but this very object.
        at = now.astimezone(UTC)
        reviewed, _ = self._scheduler.review_card(
            fsrs.Card.from_json(card.memory), fsrs.Rating[rating.name.capitalize()], at
        )
        return reviewed

    def rate(self, number: int, rating: Rating, now: datetime, day: date, shown: str | None = None) -> Card:
        """Keep a review of a card and when it comes back.

        ``shown``: the card's memory as the person saw it; ``NoteRefusal`` when it was reviewed since.
        """
        with self.log.transaction():
            card = self.card(number)
            if shown is not None and card.memory != shown:
                raise NoteRefusal(
                    Reason.REVIEWED_ELSEWHERE,
                    "this card was reviewed in another contlab since it was shown; nothing was written",
                    "Go on with the next.",
                )
            after = self._reviewed(card, rating, now)
            memory = after.to_json()
            self.log.add_card_review(card.source, number, rating, day, (card.memory, memory))
            self._remember(number, memory)
        return self.card(number)

    def undo(self, review: Review) -> Card:
        """Give a card back the memory it had before its last review."""
        number = int(review.subject)
        with self.log.transaction():
            last = self.log.history("card", review.subject)
            if not last or last[-1].id != review.id:
                raise ContlabError(
                    "a later review of this card stands in the way", "Take that back first: contlab undo"
                )
            self._remember(number, review.before)
            self.log.mark(review.id, State.UNDONE)
        return self.card(number)

    def restore(self, number: int, memory: str) -> None:
        """Give a card that was never reviewed here the memory it had elsewhere; ``ValueError`` when that is none."""
        own = msgspec.json.encode({**msgspec.json.decode(memory), "card_id": number}).decode()
        self._remember(number, fsrs.Card.from_json(own).to_json())

    def _remember(self, number: int, memory: str) -> None:
        card = fsrs.Card.from_json(memory)
        due = int(card.due.timestamp()) if card.last_review else 0
        self.log.db.execute("UPDATE card SET memory = ?, due = ? WHERE id = ?", (memory, due, number))

    def _select(self, where: str, *values: object) -> list[Card]:
        fields = Card.__struct_fields__
        rows = self.log.db.execute(f"SELECT {', '.join(fields)} FROM card WHERE {where}", values)
        return [msgspec.convert(dict(zip(fields, row, strict=True)), Card, strict=False) for row in rows]


def note_path(card: Card) -> Path | None:
    """The note a card comes from."""
    kind, _, place = card.source.partition(":")
    return Path(place) if kind == "note" else None


def _stamp(entry: Entry) -> str:
    return f"{entry.mtime} {entry.size} {entry.inode}"
