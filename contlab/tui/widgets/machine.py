"""The other column: what a virtual machine would have done for the same job, and where each figure comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.content import Content
from textual.reactive import reactive

from contlab.tui.text import cell, hang, safe, wrap
from contlab.tui.units import duration
from contlab.tui.widgets.panel import Panel, Row
from contlab.vm.row import Row as Comparison

_NAMES = 10


class Machine(Panel):
    """VM and container, row by row; ``model: SOURCE`` under each, ``measured here`` where it was."""

    TITLE = "Virtual machine"
    HELP: ClassVar[str] = (
        "What a virtual machine costs for what the container does here. `model` figures are computed from published "
        "measurements, named under each row; `measured here` ones come from this host, in this run."
    )

    ready_us: reactive[float] = reactive(0.0)
    kernel: reactive[str] = reactive("")

    def __init__(
        self, comparison: tuple[Comparison, ...], *, id: str | None = None, classes: str | None = None
    ) -> None:
        super().__init__(id=id, classes=classes)
        self.comparison = comparison

    def watch_ready_us(self) -> None:
        """Another container's birth."""
        self.redraw()

    def watch_kernel(self) -> None:
        """The container's kernel became known."""
        self.redraw()

    def rows(self, width: int) -> Sequence[Row]:
        """Four lines a row, and a blank one."""
        rows: list[Row] = []
        for row in self.comparison:
            rows += self._comparison(row, width)
        return rows or [Content.styled("nothing to compare with yet", "$foreground-muted italic")]

    def _comparison(self, row: Comparison, width: int) -> list[Content]:
        container = row.container
        if row.key == "boot" and self.ready_us:
            container = f"{duration(self.ready_us)} · measured here"
        if row.key == "kernel" and self.kernel:
            container = f"{self.kernel}, the host's"
        lines = [*wrap(safe(row.label, "bold"), width), *_figure("VM", row.vm, "$secondary", width)]
        if container is not None:
            lines += _figure("container", container, "$success", width)
        stamp = f"{row.kind}: {row.source}, {row.year}"
        return [*lines, *wrap(safe(stamp, "$foreground-muted italic"), width), Content("")]


def _figure(name: str, value: str, style: str, width: int) -> list[Content]:
    return hang(cell(name, _NAMES, "$foreground-muted"), safe(value, style), width)
