"""Log: every review of notes and cards, in contlab's own SQLite file, outside any vault.

A note's review is written here, with the note's bytes before and after, before the note is touched, and marked as done
afterwards. So any number of reviews can be undone byte for byte, and what a SIGKILL cut short is known at the next
start. The plugin keeps no history at all.
"""

from __future__ import annotations

import fcntl
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from contlab import paths
from contlab.errors import ContlabError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS review (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('note', 'card')),
    place TEXT NOT NULL,
    subject TEXT NOT NULL,
    rating TEXT NOT NULL,
    at TEXT NOT NULL,
    day TEXT NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL,
    state TEXT NOT NULL,
    bytes_before BLOB,
    bytes_after BLOB
);
CREATE INDEX IF NOT EXISTS review_subject ON review (subject);
CREATE TABLE IF NOT EXISTS card (
    id INTEGER PRIMARY KEY,
    source TEXT NOT NULL,
    question TEXT NOT NULL,
    answer TEXT NOT NULL,
    present INTEGER NOT NULL DEFAULT 1,
    due INTEGER NOT NULL,
    memory TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS card_source ON card (source);
CREATE TABLE IF NOT EXISTS source (name TEXT PRIMARY KEY, stamp TEXT NOT NULL);
"""
VERSION = 1


class State(StrEnum):
    """How far a review has come."""

    WRITING = "writing"
    """The note is being written; found at a start, it was cut short."""
    DONE = "done"
    UNDOING = "undoing"
    UNDONE = "undone"
    ABANDONED = "abandoned"
    """Cut short, and the note holds the bytes before it, or someone else's."""


class Review(msgspec.Struct, frozen=True):
    """One row."""

    id: int
    kind: str
    """"note" or "card"."""
    place: str
    """A note's vault; a card's source."""
    subject: str
    """A note's path in its vault; a card's id."""
    rating: str
    at: str
    """UTC, ISO 8601."""
    day: date
    """The review day, as the person counts it."""
    before: str
    """The schedule before, as JSON; ``null`` for a note's first review."""
    after: str
    state: State


class Log:
    """The open log. One process writes at a time: wrap changes of notes in ``locked``."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or paths.data() / "review.sqlite3"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.db = sqlite3.connect(self.path, isolation_level=None, timeout=10)
            self.db.execute("PRAGMA synchronous = FULL")
            self._migrate()
        except (sqlite3.DatabaseError, OSError) as error:
            raise ContlabError(
                f"the review log can't be opened: {self.path}: {error}",
                "Move that file aside to begin a new log; the notes themselves hold their schedules.",
            ) from error

    def _migrate(self) -> None:
        (version,) = self.db.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise sqlite3.DatabaseError(f"it is of version {version}, newer than this contlab knows ({VERSION})")
        if version < VERSION:
            self.db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock that keeps two contlabs from rating at once; it goes with the process."""
        with self.path.with_suffix(".lock").open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def begin(
        self, vault: str, path: str, rating: str, day: date, schedules: tuple[str, str], data: tuple[bytes, bytes]
    ) -> int:
        """Keep a note's review, with its bytes (before, after); durable when this returns. The review's id."""
        return self._insert("note", vault, path, rating, day, schedules, State.WRITING, data)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of what is written within, or nothing."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def add_card_review(self, source: str, card: int, rating: str, day: date, memories: tuple[str, str]) -> int:
        """Keep a card's review; the card's own row is the caller's, in the same transaction."""
        return self._insert("card", source, str(card), rating, day, memories, State.DONE, None)

    def _insert(
        self,
        kind: str,
        place: str,
        subject: str,
        rating: str,
        day: date,
        schedules: tuple[str, str],
        state: State,
        data: tuple[bytes, bytes] | None,
    ) -> int:
        packed = tuple(map(zlib.compress, data)) if data else (None, None)
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        row = (kind, place, subject, rating, now, day.isoformat(), *schedules, state, *packed)
        cursor = self.db.execute(
            "INSERT INTO review (kind, place, subject, rating, at, day, before, after, state, bytes_before,"
            " bytes_after) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def mark(self, review: int, state: State) -> None:
        """Say how far a review has come."""
        self.db.execute("UPDATE review SET state = ? WHERE id = ?", (state, review))

    def begin_undo(self, review: int, data: tuple[bytes, bytes]) -> None:
        """A note's review is about to be undone; ``data`` are the bytes it gets back and those it has now."""
        before, after = map(zlib.compress, data)
        self.db.execute(
            "UPDATE review SET state = 'undoing', bytes_before = ?, bytes_after = ? WHERE id = ?",
            (before, after, review),
        )

    def data(self, review: int) -> tuple[bytes, bytes]:
        """A note's bytes before and after a review."""
        before, after = self.db.execute(
            "SELECT bytes_before, bytes_after FROM review WHERE id = ?", (review,)
        ).fetchone()
        return zlib.decompress(before), zlib.decompress(after)

    def unfinished(self) -> list[Review]:
        """What was cut short, oldest first."""
        return self._select("state IN ('writing', 'undoing') ORDER BY id")

    def last(self) -> Review | None:
        """The newest review that is not undone."""
        return next(iter(self._select("state = 'done' ORDER BY id DESC LIMIT 1")), None)

    def history(self, kind: str = "", subject: str = "") -> list[Review]:
        """Reviews that count, oldest first: of notes or cards or both, of one subject or all."""
        where = "state = 'done' AND ? IN ('', kind) AND ? IN ('', subject) ORDER BY id"
        return self._select(where, kind, subject)

    def _select(self, where: str, *values: object) -> list[Review]:
        fields = Review.__struct_fields__
        rows = self.db.execute(f"SELECT {', '.join(fields)} FROM review WHERE {where}", values)
        return [msgspec.convert(dict(zip(fields, row, strict=True)), Review) for row in rows]
