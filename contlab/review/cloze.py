"""Clozes: words hidden in a paragraph, in the plugin's patterns, e.g. ``==[123;;]answer[;;hint]==``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

_TOKEN = re.compile(r"\[(?P<before>[^\[\]]*)(?P<name>123|hint)(?P<after>[^\[\]]*)\]|(?P<answer>answer)")
HIDDEN = "[...]"


class _Cloze(msgspec.Struct, frozen=True):
    start: int
    end: int
    answer: str
    hint: str
    sequence: str
    """Empty; a number: the card that asks it; or letters, one a card: a(sk), h(ide), s(how)."""

    def role(self, card: int, number: int) -> str:
        """What becomes of it on a card (from 0), where ``number`` is its place in the paragraph: a, h or s."""
        if self.sequence.isalpha():
            return self.sequence[card] if card < len(self.sequence) else "s"
        asked = int(self.sequence) - 1 if self.sequence else number
        return "a" if asked == card else "s"

    def shown(self, role: str) -> str:
        """Its text on a card's front."""
        if role == "s":
            return self.answer
        return f"[{self.hint}]" if role == "a" and self.hint else HIDDEN


class Clozes:
    """The settings' patterns, compiled."""

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = [re.compile(_expression(pattern)) for pattern in patterns if "answer" in pattern]

    def has_any(self, line: str) -> bool:
        """Whether a line hides something."""
        return any(pattern.search(line) for pattern in self._patterns)

    def cards(self, paragraph: str) -> Iterator[tuple[str, str]]:
        """A paragraph's cards: what is shown, and what was hidden. In the plugin's order: by pattern, then by place."""
        clozes = self._find(paragraph)
        if any(cloze.sequence.isalpha() for cloze in clozes):
            clozes = [cloze for cloze in clozes if cloze.sequence.isalpha()]
            count = max(len(cloze.sequence) for cloze in clozes)
        elif any(cloze.sequence for cloze in clozes):
            clozes = [cloze for cloze in clozes if cloze.sequence]
            count = max(int(cloze.sequence) for cloze in clozes)
        else:
            count = len(clozes)
        for card in range(count):
            roles = [(cloze, cloze.role(card, number)) for number, cloze in enumerate(clozes)]
            if answer := " · ".join(cloze.answer for cloze, role in roles if role == "a"):
                yield _front(paragraph, roles), answer

    def _find(self, paragraph: str) -> list[_Cloze]:
        found: list[_Cloze] = []
        for pattern in self._patterns:
            for match in pattern.finditer(paragraph):
                if not any(cloze.start < match.end() and match.start() < cloze.end for cloze in found):
                    parts = match.groupdict(default="")
                    found.append(
                        _Cloze(*match.span(), parts["answer"], parts.get("hint", ""), parts.get("sequence", ""))
                    )
        return found


def _front(paragraph: str, roles: list[tuple[_Cloze, str]]) -> str:
    for cloze, role in sorted(roles, key=lambda item: -item[0].start):
        paragraph = paragraph[: cloze.start] + cloze.shown(role) + paragraph[cloze.end :]
    return paragraph


def _expression(pattern: str) -> str:
    """A pattern as a regular expression with the groups answer, sequence and hint."""
    expression, done = "", 0
    for token in _TOKEN.finditer(pattern):
        expression += re.escape(pattern[done : token.start()])
        if token["answer"]:
            expression += r"(?P<answer>.+?)"
        else:
            inner = r"(?P<sequence>[1-9]\d?|[ahs]+)" if token["name"] == "123" else r"(?P<hint>.+?)"
            expression += f"(?:{re.escape(token['before'])}{inner}{re.escape(token['after'])})?"
        done = token.end()
    return expression + re.escape(pattern[done:])
