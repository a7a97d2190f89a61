"""Questions: what a note asks, read from its text and never written.

The plugin's syntaxes: ``question::answer``, ``one side:::other side``, lines above and below a ``?`` or a ``??``, and
clozes (``==hidden==``). And a line of one's own thinking, as in "🤔 What does **X** mean?", with what stands below it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import StrEnum

import msgspec

from contlab.review.cloze import Clozes
from contlab.review.settings import Settings

_SCHEDULE = re.compile(r"[ \t]*<!--SR:.*?-->|^> \[!sr\|card-metadata\].*\n(?:>.*\n?)*", re.MULTILINE)
"""Where the plugin keeps a card's schedule: no part of the card."""
_COMMENT = re.compile(r"<!--(?!SR:).*?(?:-->|\Z)", re.DOTALL)
_FENCE = re.compile(r"(```+|~~~+)")
_THOUGHT = re.compile(r"^(?:[-*>][ \t]+)?🤔[ \t]*(.+\?)[ \t\u00a0]*$")
_THOUGHT_ENDS = re.compile(r"^(?:#{1,6}[ \t]|(?:[-*>][ \t]+)?🤔|-{3,}[ \t]*$)")


class Kind(StrEnum):
    """How it is written."""

    INLINE = "inline"
    LINES = "lines"
    CLOZE = "cloze"
    THOUGHT = "thought"


class Question(msgspec.Struct, frozen=True):
    """One card's two sides."""

    kind: Kind
    question: str
    answer: str
    line: int
    """Where it begins, from 1."""


def thoughts(text: str) -> Iterator[Question]:
    """The 🤔 lines of a note's text (repaired), each with what stands below it until the next heading or 🤔."""
    lines = text.splitlines()
    for at, line in enumerate(lines):
        if found := _THOUGHT.match(line.strip()):
            ends = (n for n in range(at + 1, len(lines)) if _THOUGHT_ENDS.match(lines[n].strip()))
            answer = "\n".join(each.strip("\u00a0") for each in lines[at + 1 : next(ends, len(lines))]).strip()
            if answer:
                yield Question(Kind.THOUGHT, found[1], answer, at + 1)


def questions(text: str, settings: Settings) -> Iterator[Question]:
    """The questions in the plugin's syntaxes, in the order of the text (without its properties)."""
    clozes = Clozes(settings.cloze_patterns)
    for block in _blocks(_hide_comments(text).split("\n"), settings, clozes):
        content = _SCHEDULE.sub("", block.text).strip("\n")
        if block.kind is Kind.CLOZE:
            for front, back in clozes.cards(content):
                yield Question(Kind.CLOZE, front, back, block.line)
            continue
        front, back = _sides(content, block)
        if front and back and block.kind:
            yield Question(block.kind, front, back, block.line)
            if block.is_reversed:
                yield Question(block.kind, back, front, block.line)


class _Block(msgspec.Struct):
    """The lines of one card, as they are collected."""

    line: int
    text: str = ""
    kind: Kind | None = None
    separator: str = ""
    is_reversed: bool = False


def _hide_comments(text: str) -> str:
    """Comments emptied, so that line numbers stay."""
    return _COMMENT.sub(lambda comment: "\n" * comment[0].count("\n"), text)


def _sides(content: str, block: _Block) -> tuple[str, str]:
    if block.kind is Kind.INLINE:
        front, _, back = content.partition(block.separator)
        return front.strip(), back.strip()
    lines = content.split("\n")
    at = next((n for n, line in enumerate(lines) if line.strip() == block.separator), len(lines))
    return "\n".join(lines[:at]).strip(), "\n".join(lines[at + 1 :]).strip()


def _blocks(lines: list[str], settings: Settings, clozes: Clozes) -> Iterator[_Block]:
    """Cut the lines into cards, as the plugin's parser does."""
    end_marker = settings.multiline_card_end_marker
    lines_separators = {settings.multiline_card_separator: False, settings.multiline_reversed_card_separator: True}
    block, at = _Block(1), 0
    while at < len(lines):
        line, stripped = lines[at], lines[at].strip()
        if (not stripped and (not end_marker or block.kind is None)) or (end_marker and stripped == end_marker):
            if block.kind:
                yield block
            block = _Block(at + 2)
        elif inline := _inline_separator(line, settings):
            separator, is_reversed = inline
            yield _Block(at + 1, line, Kind.INLINE, separator, is_reversed)
            block = _Block(at + 2)
        elif stripped in lines_separators and block.text:
            block.kind, block.separator, block.is_reversed = Kind.LINES, stripped, lines_separators[stripped]
            block.text += f"\n{line}"
        elif fence := _FENCE.match(line):
            close = next((n for n in range(at + 1, len(lines)) if lines[n].startswith(fence[1])), len(lines) - 1)
            block.text = "\n".join([*([block.text] if block.text else []), *lines[at : close + 1]])
            at = close
        else:
            block.text = f"{block.text}\n{line}" if block.text else line
            if block.kind is None and clozes.has_any(line):
                block.kind = Kind.CLOZE
        at += 1
    if block.kind:
        yield block


def _inline_separator(line: str, settings: Settings) -> tuple[str, bool] | None:
    """The separator that makes a line a card, and whether it asks both ways; none inside inline code."""
    choices = [(settings.single_line_card_separator, False), (settings.single_line_reversed_card_separator, True)]
    for separator, is_reversed in sorted(choices, key=lambda choice: -len(choice[0])):
        before, found, after = line.partition(separator) if separator else (line, "", "")
        if found and not (before.count("`") % 2 and after.count("`") % 2):
            return separator, is_reversed
    return None
