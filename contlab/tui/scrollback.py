"""Scrollback: the end of what a run printed, in bounded memory however much that is."""

from __future__ import annotations

LIMIT = 64 * 1024
"""Characters kept; a flood of 100 MB costs no more than this."""


class Scrollback:
    """The last ``LIMIT`` characters written, and how many came before them."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._held = 0
        self.dropped = 0
        """Characters that were forgotten."""

    def write(self, text: str) -> None:
        """Append; older text goes once twice the limit is held."""
        self._pieces.append(text)
        self._held += len(text)
        if self._held > 2 * LIMIT:
            self._trim()

    def begin_line(self) -> None:
        """End the line that was begun, if one was."""
        if self._pieces and self._pieces[-1] and not self._pieces[-1].endswith("\n"):
            self.write("\n")

    def clear(self) -> None:
        """Forget everything: another step begins."""
        self._pieces.clear()
        self._held = self.dropped = 0

    @property
    def text(self) -> str:
        """What is kept."""
        if len(self._pieces) > 1 or self._held > LIMIT:
            self._trim()
        return self._pieces[0] if self._pieces else ""

    def _trim(self) -> None:
        kept = "".join(self._pieces)[-LIMIT:]
        self.dropped += self._held - len(kept)
        self._pieces, self._held = [kept], len(kept)
