"""What happened, one plain sentence each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.content import Content
from textual.reactive import var

from contlab.tui.happening import Happening
from contlab.tui.text import hang, safe
from contlab.tui.units import clock
from contlab.tui.widgets.panel import Following, Row
from contlab.tui.widgets.told import told


class Events(Following):
    """The newest at the bottom; it stays there unless one scrolls up."""

    TITLE = "Events"
    HELP: ClassVar[str] = (
        "What happened, in order: containers that started and ended, what the kernel refused, whom it killed. "
        "Times count from the opening of the lesson (minutes:seconds)."
    )

    happenings: var[tuple[Happening, ...]] = var(())

    def watch_happenings(self) -> None:
        """One more."""
        self.redraw()

    def rows(self, width: int) -> Sequence[Row]:
        """Time, container, sentence; long ones wrap."""
        if not self.happenings:
            return [Content.styled("nothing has happened yet", "$foreground-muted italic")]
        rows: list[Row] = []
        for happening in self.happenings:
            rows += told(_sentence(happening, width), happening, ("event.time", "event.sentence"), name=happening)
        return rows


def _sentence(happening: Happening, width: int) -> list[Content]:
    time = Content.styled(f"{clock(happening.at):>6} ", "$foreground-muted")
    said = Content.assemble(
        ("✗ " if happening.grave else "", "$error bold"),
        safe(happening.container, "bold"),
        " ",
        safe(happening.text, "$error" if happening.grave else ""),
    )
    return hang(time, said, width)
