"""Cards: one question and its answer, where it comes from, and how it stays itself when its text is edited.

Cards come from lessons, from predictions that were wrong, from the questions in notes, and from imports. A lesson or a
note is only read: when and how well a card was remembered stands in contlab's own log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from difflib import SequenceMatcher

import msgspec

from contlab.review import note
from contlab.review.lessons import LessonLike, asking_blocks
from contlab.review.mojibake import repair
from contlab.review.questions import questions, thoughts
from contlab.review.settings import Settings

ALIKE = 0.6
"""From this likeness (0 to 1) on a question counts as the edited form of another of the same source."""


class Draft(msgspec.Struct, frozen=True):
    """A card as its source has it now."""

    source: str
    """``lesson:ID/STEP``, ``prediction:ID/STEP``, ``note:PATH`` or ``import:NAME``."""
    question: str
    answer: str


class Card(msgspec.Struct, frozen=True):
    """A card in the log."""

    id: int
    source: str
    question: str
    answer: str
    present: bool
    """False: its source has it no more; it isn't asked, and comes back with its history."""
    due: int
    """Seconds since the epoch; 0: never reviewed, so due from the start."""
    memory: str
    """The state of the fsrs library's ``Card``, as JSON."""

    @property
    def is_new(self) -> bool:
        """Never reviewed."""
        return self.due == 0

    @property
    def due_at(self) -> datetime:
        """``due`` as a time (UTC)."""
        return datetime.fromtimestamp(self.due, UTC)


def from_lesson(lesson: LessonLike) -> Iterator[Draft]:
    """The cards that a lesson's ``card`` blocks hold."""
    for step in lesson.steps:
        for block in asking_blocks(step):
            yield Draft(f"lesson:{lesson.id}/{step.slug}", block.question.strip(), block.answer.strip())


def from_prediction(lesson: str, step: str, question: str, right: str, because: str) -> Draft:
    """The card of a prediction that was wrong: ``right`` is what the kernel did, ``because`` the reason."""
    answer = "\n\n".join(part.strip() for part in (right, because) if part.strip())
    return Draft(f"prediction:{lesson}/{step}", question.strip(), answer)


def from_note(source: str, data: bytes, settings: Settings, *, has_cards: bool) -> Iterator[Draft]:
    """The questions of a note: the plugin's syntaxes only where it ``has_cards`` (a flashcard tag), as there."""
    body = repair(note.parse(data).body.decode(errors="replace").replace("\r\n", "\n"))
    found = [*thoughts(body), *(questions(body, settings) if has_cards else ())]
    for question in sorted(found, key=lambda each: each.line):
        yield Draft(source, question.question, question.answer)


def match(old: Sequence[Card], new: Iterable[Draft]) -> Iterator[tuple[Card | None, Draft | None]]:
    """Which card is which draft: an edited question, and a question that moved, keep their card and its history.

    In this order: the same source and question; the same source and a similar question, or the same answer; the same
    question and answer in another source. (card, None): gone; (None, draft): new.
    """
    cards, drafts = list(old), list(new)
    yield from _take_equal(cards, drafts, lambda each: (each.source, each.question))
    yield from _take_alike(cards, drafts)
    yield from _take_equal(cards, drafts, lambda each: (each.question, each.answer))
    yield from ((card, None) for card in cards)
    yield from ((None, draft) for draft in drafts)


def _take_equal(
    cards: list[Card], drafts: list[Draft], key: Callable[[Card | Draft], tuple[str, str]]
) -> Iterator[tuple[Card, Draft]]:
    """Take out of the lists the pairs with the same key, in order."""
    waiting: dict[tuple[str, str], list[Card]] = {}
    for card in reversed(cards):
        waiting.setdefault(key(card), []).append(card)
    pairs = [(same.pop(), draft) for draft in drafts if (same := waiting.get(key(draft)))]
    _take_out(cards, drafts, pairs)
    yield from pairs


def _take_alike(cards: list[Card], drafts: list[Draft]) -> Iterator[tuple[Card, Draft]]:
    """Take out of the lists the pairs of one source that are likely the same card, edited; the likeliest first."""
    by_source: dict[str, list[Draft]] = {}
    for draft in drafts:
        by_source.setdefault(draft.source, []).append(draft)
    scored = [(_likeness(card, draft), card, draft) for card in cards for draft in by_source.get(card.source, ())]
    pairs: list[tuple[Card, Draft]] = []
    seen: set[int] = set()
    for likeness, card, draft in sorted(scored, key=lambda item: -item[0]):
        if likeness >= ALIKE and not seen & {id(card), id(draft)}:
            seen |= {id(card), id(draft)}
            pairs.append((card, draft))
    _take_out(cards, drafts, pairs)
    yield from pairs


def _take_out(cards: list[Card], drafts: list[Draft], pairs: list[tuple[Card, Draft]]) -> None:
    taken = {id(each) for pair in pairs for each in pair}
    cards[:] = [card for card in cards if id(card) not in taken]
    drafts[:] = [draft for draft in drafts if id(draft) not in taken]


def _likeness(card: Card, draft: Draft) -> float:
    likeness = SequenceMatcher(None, card.question, draft.question, autojunk=False).ratio()
    return max(likeness, ALIKE if card.answer == draft.answer else 0)
