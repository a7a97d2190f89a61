"""Shown: a note or a card as it lies before a person, with all that may be done to it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import msgspec

from contlab.review import note, queue, rating
from contlab.review.cards import Card
from contlab.review.deck import Deck, note_path
from contlab.review.links import Anchor, Kind, Lessons, Link, Target
from contlab.review.mojibake import repair
from contlab.review.note import Note, Schedule
from contlab.review.osr import Rating, interval_words
from contlab.review.rating import NOTE_RATINGS, Context
from contlab.review.refusal import NoteRefusal
from contlab.review.session import Item
from contlab.review.tags import property_tags


class Outcome(msgspec.Struct, frozen=True):
    """What a rating would do."""

    words: str
    """4.9 years."""
    when: str
    """2031-10-21, or an hour of today."""


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """One item on the table."""

    item: Item
    about: tuple[str, ...] = ()
    """Facts for its head: tags, due, interval, ease, memory."""
    question: str = ""
    """A card's; a note's own headings and questions are what it asks."""
    text: str = ""
    """Markdown, its encoding repaired: a note's text, a card's answer."""
    raw: str = ""
    """A note's text as it is saved, where that differs."""
    first_line: int = 1
    """The line of the file at which ``text`` begins."""
    links: tuple[Link, ...] = ()
    """Where it can be seen live."""
    outcomes: dict[Rating, Outcome] = {}
    refusal: str = ""
    """Why it can't be rated, and what mends that."""
    path: Path | None = None
    """A note's file."""
    data: bytes = b""
    """A note's bytes as shown."""
    card: Card | None = None


def show_note(item: Item, path: Path, data: bytes, context: Context, lessons: Lessons) -> Shown:
    """A note, from its bytes."""
    read = note.parse(data)
    saved = read.body.decode(errors="replace").replace("\r\n", "\n")
    text = repair(saved)
    outcomes: dict[Rating, Outcome] = {}
    refusal = ""
    try:
        for each in NOTE_RATINGS:
            new = rating.change(path, data, each, context).schedule
            outcomes[each] = Outcome(interval_words(new.interval), new.due.isoformat())
    except NoteRefusal as error:
        outcomes, refusal = {}, str(error)
    return Shown(
        item=item,
        about=tuple(_about_note(read, context.on)),
        text=text,
        raw=saved if saved != text else "",
        first_line=1 + data.count(b"\n", 0, len(data) - len(read.body)),
        links=lessons.links(data),
        outcomes=outcomes,
        refusal=refusal,
        path=path,
        data=data,
    )


def _about_note(read: Note, on: date) -> Iterator[str]:
    yield from sorted(repair(tag).removeprefix("#") for tag in property_tags(read.frontmatter))
    when = read.schedule
    if not isinstance(when, Schedule):
        yield "never reviewed"
        return
    late = (on - when.due).days
    since = f", {late} day{'' if late == 1 else 's'} late" if late > 0 else ", today" if late == 0 else ", not yet"
    yield f"due {when.due}{since}"
    yield f"every {interval_words(when.interval)}"
    yield f"ease {when.ease:g}"
    yield f"memory now ≈{queue.recall(when, on):.0%}"


def show_card(item: Item, card: Card, deck: Deck, now: datetime, lessons: Lessons) -> Shown:
    """A card from the log."""
    outcomes = {each: _outcome(due, now) for each, due in deck.outcomes(card, now).items()}
    last = "never reviewed" if card.is_new else f"due {card.due_at.astimezone():%Y-%m-%d}"
    return Shown(
        item=item,
        about=(_source(card), last),
        question=card.question,
        text=card.answer,
        links=_card_links(card, lessons),
        outcomes=outcomes,
        card=card,
    )


def _outcome(due: datetime, now: datetime) -> Outcome:
    away, local = due - now, due.astimezone()
    if away < timedelta(hours=1):
        return Outcome(f"{round(away.total_seconds() / 60)} minutes", f"{local:%H:%M}")
    days = max(1, round(away / timedelta(days=1)))
    return Outcome(interval_words(days), f"{local:%Y-%m-%d}")


def _source(card: Card) -> str:
    kind, _, place = card.source.partition(":")
    if path := note_path(card):
        return f"from the note {repair(path.stem)}"
    match kind:
        case "prediction":
            return f"a prediction that was wrong, in {place}"
        case "lesson":
            return f"from the lesson {place}"
        case _:
            return f"from {place}"


def _card_links(card: Card, lessons: Lessons) -> tuple[Link, ...]:
    kind, _, place = card.source.partition(":")
    if kind in ("lesson", "prediction"):
        lesson, _, step = place.rpartition("/")
        return (Link(Anchor(Kind.HEADING, "where this comes from", 1), (Target(lesson, step, step),)),)
    return lessons.links(f"{card.question}\n\n{card.answer}".encode())
