"""What the run prints, as it comes, with its control characters made visible."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.content import Content
from textual.reactive import var

from contlab.tui.text import safe
from contlab.tui.units import size
from contlab.tui.widgets.panel import Following, Row

LINES = 500
"""Rows kept in sight; older ones scroll out for good."""


class Output(Following):
    """The end of the output; it follows unless one scrolls up."""

    DEFAULT_CSS = "Output { max-height: 100%; }"
    TITLE = "Output"
    HELP: ClassVar[str] = "What the command printed, both streams. Control characters are shown, not obeyed."

    text: var[str] = var("")
    dropped: var[int] = var(0)
    """Characters that came before and were forgotten."""

    def watch_text(self) -> None:
        """More output."""
        self.redraw()

    def watch_dropped(self) -> None:
        """Older output was forgotten."""
        self.border_subtitle = Content(f"{size(self.dropped)} before this not kept") if self.dropped else None

    def rows(self, width: int) -> Sequence[Row]:
        """The last lines, folded at the width."""
        lines = self.text.replace("\r\n", "\n").split("\n")
        if lines[-1] == "":
            lines.pop()
        folded: list[Row] = []
        for line in reversed(lines[-LINES:]):
            shown = safe(line[-LINES * width :].expandtabs(8))
            pieces = shown.fold(width) if shown.cell_length > width else [shown]
            folded[:0] = pieces
            if len(folded) >= LINES:
                break
        return folded[-LINES:]

    def built(self) -> None:
        """As high as there are lines, within its style's bounds."""
        self.styles.height = len(self._rows) + 2
        super().built()
