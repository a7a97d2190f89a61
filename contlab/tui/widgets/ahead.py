"""Ahead: what comes due in the next days, the load, the decks, and what can't be scheduled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import ClassVar

from textual.content import Content
from textual.reactive import var

from contlab.review.desk import Table
from contlab.tui.notetext import steady
from contlab.tui.text import cell, hang
from contlab.tui.widgets.panel import Panel, Row

NOTHING = Table("", date.min, 0, 0, 0, 0, 0, 0.0, {}, {}, ())
_LABEL = 11
_COUNT = 6
_DAYS = 10


class Ahead(Panel):
    """One row a day, then the rest."""

    TITLE = "Ahead"
    HELP: ClassVar[str] = (
        "How many notes come due on each day; what is overdue counts today. Load: the reviews a day that the present\n"
        "intervals come to. Decks are your review tags. Broken notes are left alone until you mend them."
    )

    table: var[Table] = var(NOTHING)

    def watch_table(self) -> None:
        """Something was reviewed."""
        self.redraw()

    def rows(self, width: int) -> Sequence[Row]:
        """Days, load, decks, broken notes."""
        table = self.table
        if not table.forecast:
            return []
        rows = [*_broken(table, width), *_days(table, width)]
        rows.append(Content(f"{'load':<{_LABEL}}{table.load:.1f} a day"))
        rows += _decks(table, width)
        self.border_subtitle = Content(f"{len(table.broken)} broken") if table.broken else None
        return rows


def _days(table: Table, width: int) -> Iterator[Content]:
    most = max(1, *table.forecast.values())
    room = max(4, width - _LABEL - _COUNT)
    for place, (day, count) in enumerate(list(table.forecast.items())[:_DAYS]):
        name = "today" if place == 0 else f"{day:%a %d %b}"
        bar = "█" * round(count * room / most) or ("▏" if count else "")
        style = "$accent" if place == 0 else "$primary"
        yield Content.assemble((f"{name:<{_LABEL}}", "$foreground-muted"), (bar, style), f" {count or '·'}")


def _decks(table: Table, width: int) -> Iterator[Content]:
    for name, deck in table.decks.items():
        said = f"{deck.due} due, {deck.new} new, {deck.total} in all"
        yield Content("")
        yield cell(Content.styled(steady(name), "bold"), width)
        yield Content.styled(f"  {said}", "$foreground-muted")


def _broken(table: Table, width: int) -> Iterator[Content]:
    if not table.broken:
        return
    yield Content.styled("Broken, left alone", "bold $error")
    for path, why in table.broken:
        yield from hang(
            Content.styled("✗ ", "$error"), Content.assemble((steady(path), "bold"), f": {steady(why)}"), width
        )
    yield Content("")
