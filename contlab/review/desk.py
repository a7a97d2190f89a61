"""Desk: a vault and the cards on the table, for a screen. Its methods wait for the disk: call them in a thread.

Each call opens the log anew, and a review is durable when ``rate`` returns: nothing is lost whatever ends the screen.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec

from contlab.review import file, graph, queue, rating
from contlab.review.context import context_of
from contlab.review.deck import Deck
from contlab.review.links import Lessons
from contlab.review.log import Log
from contlab.review.look import Look, Sync, day_of, look
from contlab.review.mojibake import repair
from contlab.review.osr import Rating
from contlab.review.queue import Queue
from contlab.review.session import Item, Kind
from contlab.review.settings import Settings
from contlab.review.shown import Shown, show_card, show_note
from contlab.review.undo import undo_last
from contlab.review.vault import Entry, Vault

SOON = timedelta(hours=1)
"""A card that is due again this soon comes back within the session."""


class Table(msgspec.Struct, frozen=True):
    """The whole, in numbers."""

    vault: str
    """Its folder; empty: none."""
    on: date
    notes: int
    due: int
    overdue: int
    new: int
    cards: int
    load: float
    """Reviews a day."""
    forecast: dict[date, int]
    decks: dict[str, queue.DeckCount]
    broken: tuple[tuple[str, str], ...]
    """Notes that can't be scheduled or read, and why."""


class Rated(msgspec.Struct, frozen=True):
    """A review that was written."""

    words: str
    """What became of it."""
    again_at: datetime | None = None
    """It comes back then, within this session."""
    edited: bool = False
    """The note was edited since it was shown; the edit was kept."""


class TakenBack(msgspec.Struct, frozen=True):
    """A review that was undone."""

    words: str
    item: Item | None
    """None: it was of another vault."""


class Desk:
    """Holds what was found at the last ``open``, kept up to date by what is done here."""

    def __init__(
        self, vault: Vault | None, sync: Sync, lessons: Lessons, *, on: date | None = None, log: Path | None = None
    ) -> None:
        self.vault, self.on = vault, on
        self._sync, self._lessons, self._log = sync, lessons, log
        self._entries: dict[str, Entry] = {}
        self._ranks: dict[str, float] = {}
        self._unreadable: tuple[tuple[str, str], ...] = ()
        self._cards = 0

    @property
    def settings(self) -> Settings:
        """The vault's."""
        return self.vault.settings if self.vault else Settings()

    @property
    def day(self) -> date:
        """The review day."""
        return day_of(self.settings, self.on)

    def now(self) -> datetime:
        """The time; on a given day, this hour of that day."""
        now = datetime.now(UTC)
        return datetime.combine(self.on, now.timetz()) if self.on else now

    def open(self) -> tuple[Item, ...]:
        """Look at everything; what there is to review."""
        with Log(self._log) as log:
            found = look(log, self.vault, self.on, self._sync)
        self._entries = {entry.path: entry for entry in found.scan.entries}
        self._ranks, self._unreadable, self._cards = found.ranks, found.scan.unreadable, len(found.cards)
        return tuple(_items(found))

    def table(self) -> Table:
        """As things stand now."""
        found = self._queue()
        broken = tuple((repair(entry.path), entry.broken) for entry in found.broken)
        return Table(
            vault=_homely(self.vault.root) if self.vault else "",
            on=found.on,
            notes=len(self._entries),
            due=len(found.due),
            overdue=sum(_late(entry, found.on) > 0 for entry in found.due),
            new=len(found.new),
            cards=self._cards,
            load=found.load,
            forecast=found.forecast(14),
            decks=dict(found.decks),
            broken=(*broken, *self._unreadable),
        )

    def show(self, item: Item) -> Shown:
        """Read it now. ``NoteRefusal`` when a note can't be read."""
        if item.kind is Kind.CARD:
            with Log(self._log) as log:
                deck = self._deck(log)
                return show_card(item, deck.card(int(item.key)), deck, self.now(), self._lessons)
        assert self.vault is not None
        path = self.vault.root / item.key
        data = file.read(path)
        self._renew(item.key)
        context = context_of(self._entries[item.key], self._entries.values(), self.settings, self.day)
        return show_note(item, path, data, context, self._lessons)

    def is_due(self, item: Item) -> bool:
        """Whether it is still to be reviewed; a note that was reviewed elsewhere is not."""
        entry = self._entries.get(item.key)
        if item.kind is Kind.CARD or entry is None:
            return item.kind is Kind.CARD
        return not entry.broken and (entry.schedule is None or entry.schedule.due <= self.day)

    def has_changed(self, shown: Shown) -> bool:
        """A note's file holds other bytes by now."""
        try:
            return shown.path is not None and shown.path.read_bytes() != shown.data
        except OSError:
            return True

    def rate(self, shown: Shown, grade: Rating) -> Rated:
        """Review it. ``NoteRefusal`` when it was reviewed elsewhere since it was shown, or can't be written."""
        with Log(self._log) as log:
            if shown.card is not None:
                return self._rate_card(log, shown, grade)
            assert self.vault is not None
            assert shown.path is not None
            name = shown.item.key
            self._renew(name)
            context = context_of(self._entries[name], self._entries.values(), self.settings, self.day)
            made = rating.rate(log, self.vault.root, shown.path, grade, context, shown.data)
        self._renew(name)
        return Rated(f"{shown.item.title}: {grade}, due {made.schedule.due}", edited=made.before != shown.data)

    def _rate_card(self, log: Log, shown: Shown, grade: Rating) -> Rated:
        assert shown.card is not None
        now = self.now()
        card = self._deck(log).rate(shown.card.id, grade, now, self.day, shown.card.memory)
        is_soon = card.due_at - now < SOON
        self._cards -= not is_soon
        return Rated(f"{shown.item.title}: {grade}", again_at=card.due_at if is_soon else None)

    def undo(self) -> TakenBack | None:
        """Take back the newest review of all that stand in the log; None: there is none."""
        with Log(self._log) as log:
            undone = undo_last(log)
            if undone is None:
                return None
            review = undone.review
            if review.kind == "card":
                card = self._deck(log).card(int(review.subject))
                self._cards += 1
                item = Item(Kind.CARD, review.subject, _line(card.question), is_new=card.is_new)
                return TakenBack(f"{item.title}: {review.rating}", item)
        words = f"{repair(review.subject)}: {review.rating}"
        if self.vault is None or review.place != str(self.vault.root):
            return TakenBack(f"{words}, in {review.place}", None)
        self._renew(review.subject)
        return TakenBack(words, _item(self._entries[review.subject], self.day))

    def about(self, name: str) -> str:
        """What there is to say of the note that a wiki-link names."""
        wanted = Entry(path="\0.md", size=0, mtime=0, inode=0, schedule=None, broken="", decks=(), ignored=False,
                       has_cards=False, links=(name,))  # fmt: skip
        found = graph.resolve((*self._entries.values(), wanted)).get("\0.md")
        if not found:
            return f"{name}: no such note in this vault"
        entry = self._entries[next(iter(found))]
        due = f"due {entry.schedule.due}" if entry.schedule else "not scheduled"
        return f"{repair(entry.path)}: {due}"

    def _queue(self) -> Queue:
        return queue.build(self._entries.values(), self.settings, self.day, self._ranks)

    def _deck(self, log: Log) -> Deck:
        return Deck(log, self.settings.fsrs_desired_retention)

    def _renew(self, name: str) -> None:
        assert self.vault is not None
        path = self.vault.root / name
        file.read(path)  # says in words what is wrong with it
        self._entries[name] = self.vault.entry(path)


def _items(found: Look) -> list[Item]:
    notes = [_item(entry, found.queue.on) for entry in (*found.queue.due, *found.queue.new)]
    cards = [Item(Kind.CARD, str(card.id), _line(card.question), is_new=card.is_new) for card in found.cards]
    return notes + cards


def _item(entry: Entry, on: date) -> Item:
    title = repair(entry.path.rpartition("/")[2]).removesuffix(".md")
    return Item(Kind.NOTE, entry.path, title, max(0, _late(entry, on)), entry.schedule is None)


def _late(entry: Entry, on: date) -> int:
    return (on - entry.schedule.due).days if entry.schedule else 0


def _homely(path: Path) -> str:
    return f"~/{path.relative_to(Path.home())}" if path.is_relative_to(Path.home()) else str(path)


def _line(text: str) -> str:
    return " ".join(text.replace("**", "").split())
