"""Links: from a note's headings, terms, tags and wiki-links to the lessons and steps where each can be seen live.

Nothing is listed by hand: a lesson that is added is found by its title, its headings, its goals, the notes it names and
the words it sets in bold or in code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum

import msgspec

from contlab.review import note, tags
from contlab.review.lessons import LessonLike, ProseBlock
from contlab.review.mojibake import repair

_HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t#]*$", re.MULTILINE)
_BOLD = re.compile(r"\*\*([^*\n]{2,60}?)\*\*|__([^_\n]{2,60}?)__")
_CODE = re.compile(r"(?<!`)`([^`\n]{2,40})`(?!`)")
_WIKI = re.compile(r"\[\[([^\]|#\n]*)(?:#([^\]|\n]*))?(?:\|([^\]\n]*))?\]\]")
_FENCED = re.compile(r"^(```+|~~~+).*?(?:^\1[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_WORD = re.compile(r"[^\W_]+(?:[-'’.][^\W_]+)*")
_SMALL_WORDS = """a an and are as at be but by can do does for from has have how i if in into is it its mean means
not of on one or our so that the their then this to was what when where which who why will with you your"""
_SMALL = frozenset(_SMALL_WORDS.split())
NEARER = 1.2
"""A step weighs this much more than its whole lesson."""
MOST = 3
"""Targets offered for one place in a note."""


class Kind(StrEnum):
    """What a place in a note is."""

    HEADING = "heading"
    TERM = "term"
    LINK = "link"
    TAG = "tag"


class Anchor(msgspec.Struct, frozen=True):
    """A place in a note that may lead to a lesson."""

    kind: Kind
    text: str
    line: int
    """In the file, from 1; a tag's is that of the note's beginning."""


class Target(msgspec.Struct, frozen=True):
    """A lesson, or one of its steps."""

    lesson: str
    step: str
    """The step's slug; empty: the lesson as a whole."""
    title: str


class Link(msgspec.Struct, frozen=True):
    """Where a place in a note leads, the nearest first."""

    anchor: Anchor
    targets: tuple[Target, ...]


class _Subject(msgspec.Struct, frozen=True):
    words: frozenset[str]
    weight: float
    target: Target


def words(text: str) -> frozenset[str]:
    """The words that carry a text's meaning, in a form that one and many share."""
    found = (word.lower().removesuffix("'s").removesuffix("’s") for word in _WORD.findall(text))
    return frozenset(_singular(word) for word in found if word not in _SMALL)


def _singular(word: str) -> str:
    if word.endswith("sses"):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def anchors(data: bytes) -> tuple[Anchor, ...]:
    """A note's headings, bold terms, wiki-links and tags, in the order of its lines; each text once."""
    read = note.parse(data)
    text = repair(data.decode(errors="replace"))
    body = repair(read.body.decode(errors="replace"))
    before = text.count("\n") - body.count("\n")
    found = [Anchor(Kind.TAG, tag, 1) for tag in sorted(map(repair, tags.property_tags(read.frontmatter)))]
    found += [Anchor(kind, each, line + before) for kind, each, line in _places(body)]
    unique: dict[tuple[Kind, str], Anchor] = {}
    for anchor in found:
        unique.setdefault((anchor.kind, anchor.text), anchor)
    return tuple(sorted(unique.values(), key=lambda anchor: (anchor.line, anchor.kind != Kind.HEADING)))


def _places(body: str) -> Iterator[tuple[Kind, str, int]]:
    prose = _FENCED.sub(lambda block: "\n" * block[0].count("\n"), body)
    for kind, pattern in ((Kind.HEADING, _HEADING), (Kind.TERM, _BOLD), (Kind.LINK, _WIKI)):
        for found in pattern.finditer(prose):
            text = found[3] or found[1] or found[2] if kind is Kind.LINK else next(filter(None, found.groups()))
            if text and text.strip():
                yield kind, _plain(text), prose.count("\n", 0, found.start()) + 1


def _plain(text: str) -> str:
    """Without the marks of wiki-links, bold and code."""
    return re.sub(r"[*`]|__", "", _WIKI.sub(lambda link: link[3] or link[1] or link[2] or "", text)).strip()


class Lessons:
    """What the lessons are about, for looking up."""

    def __init__(self, lessons: Iterable[LessonLike]) -> None:
        self._subjects = [subject for lesson in lessons for subject in _subjects(lesson)]

    def find(self, text: str) -> tuple[Target, ...]:
        """The lessons and steps that ``text`` is about, the nearest first; one step of each lesson."""
        asked = words(text)
        best: dict[str, tuple[float, Target]] = {}
        for subject in self._subjects:
            if asked and asked <= subject.words:
                score = subject.weight * len(asked) / len(subject.words)
                if score > best.get(subject.target.lesson, (0.0, subject.target))[0]:
                    best[subject.target.lesson] = (score, subject.target)
        ranked = sorted(best.values(), key=lambda item: -item[0])
        return tuple(target for _, target in ranked[:MOST])

    def links(self, data: bytes) -> tuple[Link, ...]:
        """The places of a note for which a lesson exists."""
        found = (Link(anchor, self.find(anchor.text)) for anchor in anchors(data))
        return tuple(link for link in found if link.targets)


def _subjects(lesson: LessonLike) -> Iterator[_Subject]:
    whole = Target(lesson.id, "", lesson.title)
    for weight, texts in ((4, lesson.notes), (3, [lesson.title]), (1, lesson.goals)):
        yield from (_Subject(words(text), weight, whole) for text in texts)
    yield from _terms(lesson.intro, whole)
    for step in lesson.steps:
        target = Target(lesson.id, step.slug, step.title)
        yield _Subject(words(step.title), 3 * NEARER, target)
        yield from _terms(step.blocks, target)


def _terms(blocks: Iterable[object], target: Target) -> Iterator[_Subject]:
    """Headings, then bold words, then code: what a text itself calls important."""
    for block in blocks:
        if isinstance(block, ProseBlock):
            for weight, pattern in ((3, _HEADING), (2, _BOLD), (1, _CODE)):
                for found in pattern.finditer(block.text):
                    nearer = NEARER if target.step else 1
                    yield _Subject(words(next(filter(None, found.groups()))), weight * nearer, target)
