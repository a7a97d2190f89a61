"""The birth of a container: every kernel operation, how long it took, and the command that does it by hand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from textual.content import Content
from textual.reactive import var

from contlab.runtime.events import OperationDone
from contlab.tui.text import cell
from contlab.tui.units import duration
from contlab.tui.widgets.panel import Panel, Row, Told

_TIME = 8
_KEYS = ("operation.what", "operation.place", "operation.time", "operation.bar")


class Operations(Panel):
    """A waterfall: each syscall's place on the time axis, from the request to the running command."""

    TITLE = "Syscalls"
    HELP: ClassVar[str] = (
        "What contlab asked the kernel for, in order, and how long each took; the bar shows when. `host` is done by "
        "the supervisor outside, `in` by the child that becomes the container. Press c for the commands that do the "
        "same by hand. A guest's are those that start its QEMU; what it does inside no host sees."
    )

    operations: var[tuple[OperationDone, ...]] = var(())
    by_hand: var[bool] = var(False)
    """Show the shell command in the place of the description."""

    def watch_operations(self) -> None:
        """One more operation, or another container's."""
        self.redraw()

    def watch_by_hand(self) -> None:
        """Descriptions or commands."""
        self.border_title = Content("Syscalls · by hand" if self.by_hand else self.TITLE)
        self.redraw()

    def rows(self, width: int) -> Sequence[Row]:
        """One row an operation, the last one's end being the whole."""
        done = self.operations
        if not done:
            self.border_subtitle = None
            return [Content.styled("no container was made yet", "$foreground-muted italic")]
        begin = min(operation.at - operation.microseconds for operation in done)
        whole = max(max(operation.at for operation in done) - begin, 1.0)
        self.border_subtitle = Content(f"{len(done)} operations in {duration(whole)}")
        lanes = 0 if self.by_hand and width < 60 else max(6, width // 6)
        return [
            Told(
                partial(_row, operation, begin, whole, width, lanes, self.by_hand),
                operation,
                (*_KEYS, "operation.refused") if operation.errno else _KEYS,
                operation.index,
            )
            for operation in done
        ]


def _row(operation: OperationDone, begin: float, whole: float, width: int, lanes: int, by_hand: bool) -> Content:
    failed = bool(operation.errno)
    words = (operation.shell or "# no command does this alone") if by_hand else operation.describe
    if failed:
        words = f"{words}: {operation.error or f'errno {operation.errno}'}"
    room = max(8, width - 7 - _TIME - lanes - (1 if lanes else 0))
    return Content.assemble(
        ("✗ " if failed else "  ", "$error bold"),
        (f"{'host' if operation.side == 'host' else 'in':<5}", "$foreground-muted"),
        cell(words, room, "$error" if failed else "$secondary" if by_hand else ""),
        cell(duration(operation.microseconds), _TIME, "$foreground-muted", right=True),
        " " if lanes else "",
        (_lane(operation, begin, whole, lanes), "$primary"),
    )


def _lane(operation: OperationDone, begin: float, whole: float, width: int) -> str:
    """The operation's stretch of the time axis; at least one cell."""
    if not width:
        return ""
    start = min(width - 1, int((operation.at - operation.microseconds - begin) / whole * width))
    length = max(1, min(width - start, round(operation.microseconds / whole * width)))
    return " " * start + ("█" if operation.microseconds / whole * width >= 0.5 else "▏") * length
