"""Scrollback: the end of what a run printed, in bounded memory however much that is."""

from __future__ import annotations

from typing import NamedTuple

LIMIT = 64 * 1024
"""Characters shown; a flood of 100 MB costs no more than this."""


class Mark(NamedTuple):
    """A stretch of all that was ever written, in characters: from the step's beginning to a moment of it."""

    begin: int = 0
    end: int = 0


class Scrollback:
    """The last ``LIMIT`` characters written since it was cleared, and how many came before them."""

    def __init__(self, keep: int = LIMIT) -> None:
        """``keep``: characters held for marks of earlier moments, at most twice as many; no fewer than ``LIMIT``."""
        self._keep = keep
        self._pieces: list[str] = []
        self._held = 0
        self._begin = self._end = 0

    def write(self, text: str) -> None:
        """Append; older text goes once twice of what is to be kept is held."""
        if not text:
            return
        self._pieces.append(text)
        self._held += len(text)
        self._end += len(text)
        if self._held > 2 * self._keep:
            self._pieces = [self._whole()[-self._keep :]]
            self._held = self._keep

    def begin_line(self) -> None:
        """End the line that was begun, if one was."""
        if self._end > self._begin and not self._pieces[-1].endswith("\n"):
            self.write("\n")

    def clear(self) -> None:
        """Another step begins."""
        self._begin = self._end

    @property
    def mark(self) -> Mark:
        """What was written up to now."""
        return Mark(self._begin, self._end)

    def at(self, mark: Mark) -> tuple[str, int]:
        """What was shown then, and how many characters of it are no longer there."""
        oldest = self._end - self._held
        first = min(mark.end, max(mark.begin, mark.end - LIMIT, oldest))
        return self._whole()[first - oldest : mark.end - oldest] if first < mark.end else "", first - mark.begin

    @property
    def text(self) -> str:
        """What is kept."""
        return self.at(self.mark)[0]

    @property
    def dropped(self) -> int:
        """Characters that were forgotten."""
        return self.at(self.mark)[1]

    def _whole(self) -> str:
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return self._pieces[0] if self._pieces else ""
