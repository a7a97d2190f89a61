"""The other column: the virtual machine that was booted beside the container, measured; and the model for the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from textual.content import Content
from textual.reactive import var

from contlab.lab.column import NOTHING, Column, Line, State
from contlab.lab.glossary import key_of
from contlab.tui.text import cell, hang, safe, wrap
from contlab.tui.widgets.panel import Panel, Row
from contlab.tui.widgets.told import told

_NAMES = 10
_WIDE = 64
"""From this width on both figures stand on one line."""

_LOOKS = {
    State.UP: ("●", "$success"),
    State.BOOTING: ("◌", "$accent"),
    State.SILENT: ("◍", "$warning"),
    State.ENDED: ("✗", "$error"),
    State.ABSENT: ("–", "$warning"),
}


class Machine(Panel):
    """How the guest is, its first processes, its figures beside a container's; then what only a model knows."""

    TITLE = "Virtual machine"
    HELP: ClassVar[str] = (
        "The guest that was booted beside the container, and what it costs for what the container does. Each figure "
        "says where it is from: `measured here` by this host, in this run; `in the guest`, from its own /proc; "
        "`model`, computed from published measurements, which are named. By hand: `contlab vm run -- uname -r`; "
        "`contlab compare`."
    )

    column: var[Column] = var(NOTHING)

    def watch_column(self) -> None:
        """Another sample, guest or container."""
        shown = self.column
        self.border_title = Content(f"{self.TITLE} · {shown.guest}" if shown.guest else self.TITLE)
        source = "measured" if shown.measured else "model" if shown.modelled else ""
        self.border_subtitle = Content("RECORDED" if shown.recorded and shown.measured else source)
        self.redraw()

    def rows(self, width: int) -> Sequence[Row]:
        """Top down."""
        shown = self.column
        rows: list[Row] = told(_head(shown, width), shown, ("machine.state",))
        rows += told(_first(shown, width), shown, ("machine.first",))
        if shown.beside:
            rows += hang(cell("container", _NAMES, "$foreground-muted"), safe(shown.beside, "$foreground-muted"), width)
        for line in shown.measured:
            rows += told(_measured(line, width), line, (key_of(line),), name=line.label)
        if shown.modelled:
            rows += _divider(shown, width)
        for line in shown.modelled:
            rows += told(_modelled(line, width), line, (key_of(line),), name=line.label)
        return rows or [Content.styled("nothing to compare with yet", "$foreground-muted italic")]


def _head(shown: Column, width: int) -> Iterator[Content]:
    """How the guest is, and how the others are."""
    if shown.state is State.NONE:
        return
    if shown.recorded:
        yield Content.assemble((" RECORDED ", "bold reverse $warning"), (" elsewhere", "$foreground-muted"))
    mark, style = _LOOKS[shown.state]
    name = Content.assemble((f"{mark} ", style), safe(shown.guest, "bold"), " ")
    yield from wrap(Content.assemble(name, safe(shown.words, style)), width)
    if shown.accelerator:
        yield from wrap(safe(shown.accelerator, "$foreground-muted"), width)
    for other in shown.others:
        yield from hang(Content.styled("+ ", "$foreground-muted"), safe(other, "$foreground-muted"), width)
    yield Content("")


def _first(shown: Column, width: int) -> Iterator[Content]:
    """PID and name of its first processes; on one line where there is room."""
    if not shown.first:
        return
    line = Content.assemble(("PID", "$foreground-muted"))
    for pid, name in shown.first:
        line = Content.assemble(line, (f"  {pid} ", "$success"), safe(name))
    if width >= _WIDE and line.cell_length + 14 <= width:
        yield _ends(line, "in the guest", width)
        yield Content("")
        return
    yield _ends(Content.styled("  PID  command", "$foreground-muted"), "in the guest", width)
    for pid, name in shown.first:
        yield Content.assemble((f"{pid:>5}  ", "$success"), safe(name))
    yield Content("")


def _measured(line: Line, width: int) -> Iterator[Content]:
    """Label and stamp, and below them both figures; side by side where there is room."""
    yield _ends(safe(line.label, "bold"), line.tag, width)
    container = None if line.container is None else safe(line.container, "$success")
    half = width // 2
    left = Content.assemble(cell("VM", _NAMES - 6, "$foreground-muted"), safe(line.vm, "$secondary"))
    right = Content("")
    if container is not None:
        right = Content.assemble(cell("container", _NAMES, "$foreground-muted"), container)
    if width >= _WIDE and left.cell_length < half and right.cell_length <= width - half:
        yield Content.assemble(cell(left, half), right)
        return
    yield from _figure("VM", safe(line.vm, "$secondary"), width)
    if container is not None:
        yield from _figure("container", container, width)


def _modelled(line: Line, width: int) -> Iterator[Content]:
    """Label, figures, source, and a blank line."""
    yield from wrap(safe(line.label, "bold"), width)
    yield from _figure("VM", safe(line.vm, "$secondary"), width)
    if line.container is not None:
        yield from _figure("container", _with_tag(line.container, line.container_tag), width)
    yield from wrap(safe(line.tag, "$foreground-muted italic"), width)
    yield Content("")


def _divider(shown: Column, width: int) -> Iterator[Content]:
    """Where the model begins, when there is, or should be, something measured beside it."""
    if shown.state is State.NONE:
        return
    said = {
        State.ABSENT: "So what follows is a MODEL of one: computed from figures that others published.",
        State.BOOTING: "Until it is up, a MODEL: computed from figures that others published.",
    }.get(shown.state, "")
    if said:
        yield from wrap(Content.styled(said, "$warning"), width)
    else:
        title = "─ model "
        yield Content("")
        yield Content.assemble((title + "─" * max(0, width - len(title)), "$foreground-muted"))
    yield Content("")


def _with_tag(value: str, tag: str) -> Content:
    return Content.assemble(safe(value, "$success"), (f" · {tag}" if tag else "", "$foreground-muted"))


def _figure(name: str, value: Content, width: int) -> list[Content]:
    """Name and value; a word that is too long for the column, as kernels' names are, moves to the left."""
    longest = max((len(word) for word in value.plain.split()), default=0)
    names = _NAMES if longest <= width - _NAMES else len(name) + 1
    return hang(cell(name, names, "$foreground-muted"), value, width)


def _ends(left: Content, tag: str, width: int) -> Content:
    """``left`` and the stamp, at both ends of a row."""
    gap = max(1, width - left.cell_length - len(tag))
    return Content.assemble(left, " " * gap, (tag, "$foreground-muted italic"))
