"""What the Review screen's widgets show, frozen, so that nothing equal is drawn twice. No Textual here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import msgspec

from contlab.course.lesson import Lesson
from contlab.lab.again import experiment
from contlab.review.desk import Desk, Table
from contlab.review.links import Link
from contlab.review.session import Caps, Item
from contlab.review.shown import Shown
from contlab.tui.notetext import asked_lines, markdown

NO_VAULT = """### No vault yet

Name the folder of your notes once, and it is remembered:

`contlab review ~/notes`

It may be an Obsidian vault, or any folder of Markdown files. A note is reviewed when it has a review tag
(`#review`) or a schedule of the spaced-repetition plugin. Cards of lessons you did come here without a vault, too."""


@dataclass(frozen=True, slots=True)
class Reviewing:
    """What a Review screen is given: a desk, the lessons that links lead to, and how long a session is."""

    desk: Desk
    lessons: Mapping[str, Lesson]
    caps: Caps = Caps()  # noqa: RUF009 (frozen)


class Turn(StrEnum):
    """What the person does now."""

    WAIT = "wait"
    """The vault is being read, or a review written."""
    RECALL = "recall"
    """Think; then reveal."""
    RATE = "rate"
    CAPPED = "capped"
    """Enough for one session."""
    EMPTY = "empty"
    """Nothing is left."""


class Paper(msgspec.Struct, frozen=True):
    """A note or a card as it is drawn."""

    title: str = ""
    head: tuple[str, ...] = ()
    text: str = ""
    """Markdown for ``notetext.parser``."""
    notice: str = ""


class Choice(msgspec.Struct, frozen=True):
    """A place in the note that can be run again."""

    number: int
    """From 1."""
    place: str
    """The heading, term, link or tag."""
    kind: str
    lesson: str
    step: str
    target: str
    """The title of what is run."""


class Standing(msgspec.Struct, frozen=True):
    """The top line."""

    vault: str = ""
    on: date | None = None
    done: int = 0
    left: int = 0


def choices(shown: Shown | None, lessons: Mapping[str, Lesson], *, covered: bool) -> tuple[Choice, ...]:
    """What can be run again; while the answers are covered, only what is in sight anyway."""
    if shown is None:
        return ()
    asked = asked_lines(shown.text) if covered else frozenset()
    found = []
    for number, link in enumerate(shown.links, 1):
        target = link.targets[0]
        lesson = lessons.get(target.lesson)
        if lesson is None or (covered and not _in_sight(link, shown, asked)):
            continue
        place = experiment(lesson, target.step)
        title = lesson.title if place is None else f"{lesson.steps[place].title} · {lesson.title}"
        found.append(Choice(number, link.anchor.text, link.anchor.kind, target.lesson, target.step, title))
    return tuple(found)


def _in_sight(link: Link, shown: Shown, asked: frozenset[int]) -> bool:
    return shown.card is None and (link.anchor.line < shown.first_line or _line(link, shown) in asked)


def _line(link: Link, shown: Shown) -> int:
    return link.anchor.line - shown.first_line


def paper(shown: Shown, usable: tuple[Choice, ...], *, covered: bool, raw: bool, changed: bool) -> Paper:
    """How it is drawn now."""
    notice = "the file was changed since it is shown here · R reads it again" if changed else ""
    if shown.card is not None:
        text = f"### {markdown(shown.question, {})}"
        if not covered:
            text += f"\n\n---\n\n{markdown(shown.text, {})}"
        return Paper("Card", shown.about, text, notice)
    if shown.raw and not notice:
        notice = "encoding as saved · w repairs it" if raw else "encoding repaired for display, file unchanged · w"
    marks: dict[int, tuple[tuple[str, int], ...]] = {}
    numbers = {choice.number for choice in usable}
    for number, link in enumerate(shown.links, 1):
        if number in numbers and (line := _line(link, shown)) >= 0:
            marks[line] = (*marks.get(line, ()), (link.anchor.text, number))
    text = shown.raw if raw and shown.raw else shown.text
    return Paper(shown.item.title, shown.about, markdown(text, marks, covered=covered), notice)


def row(item: Item) -> tuple[str, str]:
    """An item's mark and what is said of when it was due."""
    if item.is_new:
        return ("?" if item.kind == "card" else "+"), "new"
    if item.kind == "card":
        return "?", "card"
    return ("!" if item.late else "·"), f"{item.late} d late" if item.late else "today"


def empty(turn: Turn, table: Table, done: int) -> Paper:
    """What is said where no item is shown; ``done``: reviews of this session."""
    if turn is Turn.WAIT:
        return Paper("One moment", (), "Looking at your notes…")
    if turn is Turn.CAPPED:
        rest = "What is left stays due. Memory likes many short sessions."
        return Paper("Enough for now", (), f"### Enough for now\n\n{rest}")
    if not table.vault and not done:
        return Paper("Review", (), NO_VAULT)
    coming = [f"- {day:%A %d %B}: **{count}**" for day, count in table.forecast.items() if count]
    soon = "\n".join(["Next:", "", *coming[:5]]) if coming else "No note comes due in the next two weeks."
    title = "### Done for today" if done else "### Nothing is due"
    return Paper("Review", (), f"{title}\n\n{soon}")
