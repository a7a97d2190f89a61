"""Exchange: cards as JSON (with their memory and history), and as text that Anki imports and exports."""

from __future__ import annotations

import csv
import io
from typing import Any

import msgspec

from contlab.errors import ContlabError, ExitCode
from contlab.review.cards import Card, Draft
from contlab.review.deck import Deck, Synced

FORMAT = 1
_SEPARATORS = {"tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "colon": ":", "space": " "}


class ExportedReview(msgspec.Struct, frozen=True):
    """One review of a card."""

    at: str
    """UTC, ISO 8601."""
    rating: str


class ExportedCard(msgspec.Struct, frozen=True):
    """One card; for an import the question and the answer are enough."""

    question: str
    answer: str
    source: str = ""
    due: str = ""
    """UTC, ISO 8601; empty: never reviewed."""
    memory: dict[str, Any] = {}
    """The fsrs library's ``Card.to_dict()``."""
    reviews: tuple[ExportedReview, ...] = ()


class Export(msgspec.Struct, frozen=True):
    """The whole file."""

    cards: tuple[ExportedCard, ...]
    format: int = FORMAT


def to_json(deck: Deck) -> bytes:
    """Every card, its memory and its history."""
    histories: dict[str, list[ExportedReview]] = {}
    for review in deck.log.history("card"):
        histories.setdefault(review.subject, []).append(ExportedReview(review.at, review.rating))
    cards = tuple(_exported(card, tuple(histories.get(str(card.id), ()))) for card in deck.all())
    return msgspec.json.format(msgspec.json.encode(Export(cards)), indent=2) + b"\n"


def _exported(card: Card, reviews: tuple[ExportedReview, ...]) -> ExportedCard:
    memory = msgspec.json.decode(card.memory)
    due = "" if card.is_new else card.due_at.isoformat()
    return ExportedCard(card.question, card.answer, card.source, due, memory, reviews)


def to_anki(deck: Deck) -> str:
    """The cards that are asked, as Anki's File > Import reads them."""
    out = io.StringIO()
    out.write("#separator:tab\n#html:false\n#notetype:Basic\n#tags column:3\n")
    rows = csv.writer(out, delimiter="\t", lineterminator="\n")
    for card in deck.all():
        if card.present:
            rows.writerow((card.question, card.answer, "contlab::" + card.source.partition(":")[0]))
    return out.getvalue()


def take_in(deck: Deck, name: str, data: bytes) -> Synced:
    """Add the cards of a file called ``name``: JSON, or Anki's text. Cards that are there already stay as they are."""
    try:
        text = data.decode("utf-8-sig")
        cards = _from_json(text) if text.lstrip().startswith(("{", "[")) else _from_anki(text)
    except (UnicodeDecodeError, msgspec.DecodeError, csv.Error, ValueError) as error:
        raise _unreadable(name, str(error)) from error
    drafts = {Draft(card.source or f"import:{name}", card.question, card.answer): card for card in cards}
    before = {card.id for card in deck.all()}
    synced = deck.sync(drafts, {draft.source for draft in drafts}, drop=False)
    for card in deck.all():
        exported = drafts.get(Draft(card.source, card.question, card.answer))
        if card.id not in before and exported and exported.memory:
            try:
                deck.restore(card.id, msgspec.json.encode(exported.memory).decode())
            except (KeyError, TypeError, ValueError) as error:
                raise _unreadable(name, f"the memory of {card.question!r}: {error}") from error
    return synced


def _from_json(text: str) -> tuple[ExportedCard, ...]:
    if text.lstrip().startswith("["):
        return msgspec.json.decode(text, type=tuple[ExportedCard, ...])
    found = msgspec.json.decode(text, type=Export)
    if found.format != FORMAT:
        raise ValueError(f"format {found.format} is not {FORMAT}")
    return found.cards


def _from_anki(text: str) -> tuple[ExportedCard, ...]:
    lines, separator = text.splitlines(keepends=True), "\t"
    while lines and lines[0].startswith("#"):
        key, _, value = lines.pop(0)[1:].strip().partition(":")
        if key == "separator":
            separator = _SEPARATORS.get(value.lower(), value)
    rows = [row for row in csv.reader(lines, delimiter=separator, strict=True) if row]
    if short := next((row for row in rows if len(row) < 2), None):
        raise ValueError(f"{short[0]!r} has no answer beside it")
    return tuple(ExportedCard(row[0], row[1]) for row in rows)


def _unreadable(name: str, why: str) -> ContlabError:
    return ContlabError(
        f"{name} holds no cards that can be read: {why}",
        "It is JSON as `contlab review export` writes it, or text with a tab between question and answer.",
        exit_code=ExitCode.LESSON,
    )
