"""Rating: one note, one review: read again, schedule, keep the old bytes, write; and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import msgspec

from contlab.review import file, note
from contlab.review.log import Log, Review, State
from contlab.review.note import BrokenSchedule, Note, Schedule
from contlab.review.osr import Rating, js_round, schedule
from contlab.review.refusal import NoteRefusal, Reason
from contlab.review.settings import Settings

NOTE_RATINGS = (Rating.HARD, Rating.GOOD, Rating.EASY)


class Context(msgspec.Struct, frozen=True):
    """What a rating depends on besides the note itself."""

    on: date
    """The review day."""
    settings: Settings = Settings()
    histogram: Mapping[int, int] | None = None
    """How many notes are due in N days: ``queue.histogram``."""
    first_ease: int | None = None
    """For a note never reviewed: ``osr.first_ease`` of its neighbours; None: the base ease."""


class Change(msgspec.Struct, frozen=True):
    """A rating's effect on a note, written or not."""

    path: Path
    rating: Rating
    schedule: Schedule
    before: bytes
    after: bytes
    was: Schedule | None


def outcome(rated: Note, rating: Rating, context: Context) -> Schedule:
    """When the note would come back; ``NoteRefusal`` where its schedule can't be read."""
    settings, was = context.settings, rated.schedule
    if isinstance(was, BrokenSchedule):
        raise NoteRefusal(
            Reason.BROKEN_SCHEDULE,
            f"the note's schedule can't be read: {was.why}",
            "Mend the three sr- lines by hand, or delete them to start the note anew.",
        )
    if was is None:
        first = settings.base_ease if context.first_ease is None else context.first_ease
        interval, ease = schedule(rating, 1, first, 0, settings, context.histogram)
    else:
        overdue = (context.on - was.due).days
        interval, ease = schedule(rating, was.interval, was.ease, overdue, settings, context.histogram)
    days = js_round(interval)
    try:
        return Schedule(context.on + timedelta(days=days), days, js_round(ease))
    except OverflowError as error:
        raise NoteRefusal(
            Reason.OUT_OF_RANGE,
            f"{days} days from {context.on} is beyond the calendar's last day",
            "Lower the plugin's maximum interval.",
        ) from error


def change(path: Path, data: bytes, rating: Rating, context: Context) -> Change:
    """What rating the note with these bytes would do; nothing is written."""
    if context.settings.data_store != "NOTES":
        raise NoteRefusal(
            Reason.OTHER_STORE,
            f"the plugin keeps this vault's schedules in {context.settings.data_store!r}, not in the notes",
            "Rate in Obsidian, or set the plugin's data storage to notes.",
        )
    if rating not in NOTE_RATINGS:
        raise NoteRefusal(Reason.NOT_REVIEWABLE, "notes have no Again", "Rate a note hard, good or easy.")
    rated = note.parse(data)
    if isinstance(rated.schedule, BrokenSchedule):
        note.reschedule(rated, context.on, 1, 1)  # refuses, with the nearest reason
    new = outcome(rated, rating, context)
    after = note.reschedule(rated, new.due, int(new.interval), int(new.ease))
    assert not isinstance(rated.schedule, BrokenSchedule)
    return Change(path, rating, new, data, after, rated.schedule)


def rate(log: Log, vault: Path, path: Path, rating: Rating, context: Context, shown: bytes) -> Change:
    """Rate a note and write it. ``shown`` are its bytes as the person saw them.

    The file is read again: edits made since are kept, but where its schedule moved, in Obsidian or in another
    contlab, the rating is refused: the interval would be multiplied twice.
    """
    with log.locked():
        recover(log)
        data = file.read(path)
        seen, now = note.parse(shown).schedule, note.parse(data).schedule
        if seen != now:
            until = f": it is due {now.due}" if isinstance(now, Schedule) else ""
            raise NoteRefusal(
                Reason.REVIEWED_ELSEWHERE,
                f"{path.name} was already reviewed elsewhere since it was shown{until}; nothing was written",
                "Look at it again; rate it only if it is due.",
            )
        made = change(path, data, rating, context)
        schedules = (msgspec.json.encode(made.was).decode(), msgspec.json.encode(made.schedule).decode())
        name = path.relative_to(vault).as_posix()
        review = log.begin(str(vault), name, rating, context.on, schedules, (made.before, made.after))
        try:
            file.replace(path, made.before, made.after)
        except NoteRefusal:
            log.mark(review, State.ABANDONED)
            raise
        log.mark(review, State.DONE)
        return made


def undo(log: Log, review: Review) -> bytes:
    """Give a note back the bytes it had before ``review``, and return them.

    Where only other parts of the note changed since, the three values alone go back.
    """
    with log.locked():
        recover(log)
        path = Path(review.place) / review.subject
        before, after = log.data(review.id)
        found = file.read(path)
        back = before if found == after else _values_back(path, review, found)
        log.begin_undo(review.id, (back, found))
        try:
            file.replace(path, found, back)
        except NoteRefusal:
            log.mark(review.id, State.DONE)
            raise
        log.mark(review.id, State.UNDONE)
        return back


def _values_back(path: Path, review: Review, found: bytes) -> bytes:
    old = msgspec.json.decode(review.before, type=Schedule | None)
    new = msgspec.json.decode(review.after, type=Schedule)
    if note.parse(found).schedule != new or old is None:
        raise NoteRefusal(
            Reason.CHANGED_SINCE,
            f"{path.name} has another schedule by now than this review gave it; it was left alone",
            "Take the newest review of it back first, or set its three sr- lines by hand.",
        )
    return note.reschedule(note.parse(found), old.due, int(old.interval), int(old.ease))


def recover(log: Log) -> list[Review]:
    """Finish what a SIGKILL cut short: every note it concerns holds its old or its new bytes, and the log says which.

    Returns the reviews that were found unfinished.
    """
    unfinished = log.unfinished()
    for review in unfinished:
        path = Path(review.place) / review.subject
        before, after = log.data(review.id)
        undoing = review.state is State.UNDOING
        old, new = (after, before) if undoing else (before, after)
        file.remains(path, new).unlink(missing_ok=True)
        try:
            found = path.read_bytes()
        except OSError:
            found = b""
        if file.is_torn(found, old, new):
            file.replace(path, found, old)
            found = old
        arrived = note.parse(found).schedule == note.parse(new).schedule
        stopped, ended = (State.DONE, State.UNDONE) if undoing else (State.ABANDONED, State.DONE)
        log.mark(review.id, ended if arrived else stopped)
    return unfinished
