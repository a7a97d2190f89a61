"""Mistake: what is wrong in a lesson file, where, and the nearest word that would be right."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from contlab.errors import LessonError


class Mistake(msgspec.Struct, frozen=True):
    """One thing that an author has to change."""

    path: str
    line: int
    """From 1; 0 when the file itself is the trouble."""
    message: str
    nearest: str = ""
    """The valid word closest to the wrong one; "" when none is close."""

    def __str__(self) -> str:
        where = f"{self.path}:{self.line}" if self.line else self.path
        return f"{where}: {self.message}" + (f"; did you mean `{self.nearest}`?" if self.nearest else "")


class BrokenLesson(LessonError):
    """A lesson file has mistakes, each of them named."""

    def __init__(self, mistakes: tuple[Mistake, ...]) -> None:
        path = mistakes[0].path
        super().__init__("\n".join(map(str, mistakes)), f"Mend the file, then: contlab lessons check {path}")
        self.mistakes = mistakes


class Mistakes:
    """Collects the mistakes of one file, so that an author sees all of them at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._found: list[Mistake] = []

    def add(self, line: int, message: str, near: str = "") -> None:
        """One more; said twice of the same line, it counts once."""
        mistake = Mistake(str(self.path), line, message, near)
        if mistake not in self._found:
            self._found.append(mistake)

    def unknown(self, line: int, what: str, word: str, words: Iterable[str]) -> None:
        """``word`` is no valid ``what``: names the nearest of ``words``, or all of them when none is near."""
        choices = sorted(words)
        near = nearest(word, choices)
        listed = "" if near or not choices else f"; there are: {', '.join(choices)}"
        self.add(line, f"unknown {what} `{word}`{listed}", near)

    @property
    def found(self) -> tuple[Mistake, ...]:
        """All of them in the file's order."""
        return tuple(sorted(self._found, key=lambda mistake: mistake.line))

    def raise_any(self) -> None:
        """BrokenLesson when there is one."""
        if self._found:
            raise BrokenLesson(self.found)


def nearest(word: str, words: Iterable[str]) -> str:
    """The word most like ``word``; "" when none is like it."""
    close = difflib.get_close_matches(word, list(words), n=1, cutoff=0.6)
    return close[0] if close else ""
