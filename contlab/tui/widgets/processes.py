"""The processes of a container: the same tree counted from inside and from outside."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from typing import ClassVar

from textual.content import Content
from textual.reactive import var

from contlab.observe.snapshot import PidView, Unavailable
from contlab.tui.text import cell, safe
from contlab.tui.units import size
from contlab.tui.widgets.panel import Panel, Row, Told, tally, unavailable

_WIDE = 60
"""From this width on there is room for memory and processor time."""


class Processes(Panel):
    """inside | outside | state | command, as a tree; PID 1 is marked."""

    TITLE = "Processes"
    HELP: ClassVar[str] = (
        "Every process in the container, numbered twice: as it counts itself (inside) and as the host does (outside). "
        "A guest's have one number: the host doesn't know them. Names in [ ] are its kernel's threads.\n"
        "`+` is new since the step began. By hand: `ps -e`, inside and outside; `lsns -t pid`."
    )

    processes: var[tuple[PidView, ...] | Unavailable] = var(())

    def watch_processes(self) -> None:
        """Another sample."""
        self.redraw()

    def rows(self, width: int) -> Sequence[Row]:
        """A heading, then one row a process."""
        self.border_subtitle = None
        if isinstance(self.processes, Unavailable):
            return unavailable(self.processes.reason, width)
        if not self.processes:
            return [Content.styled("no process: the container is not running", "$foreground-muted italic")]
        marks, guest = self.marks("processes"), self.in_guest
        where = f"in the guest: {len(self.processes)}" if guest else ""
        self.border_subtitle = Content("  ".join(part for part in (tally(marks), where) if part))
        numbers = f"{'PID':>8}" if guest else f"{'inside':>8}{'outside':>9}"
        gauges = f" {'memory':>9} {'cpu %':>6}" if width >= _WIDE else ""
        own = guest or any(process.inside != process.pid for process in self.processes)
        rows: list[Row] = [Content.styled(f"{numbers} S{gauges}  command", "$foreground-muted")]
        numbered = ("process.pid",) if guest else ("process.inside", "process.pid")
        each = (*numbered, "process.state", "process.memory", "process.cpu")  # those without room, too
        keys = {True: (*each, "process.command"), False: (*each, "process.comm")}
        rows += [
            Told(
                partial(_row, process, stem, marks.get(str(process.pid), " "), width, own, not guest),
                process,
                keys[bool(process.command)] + _first(process, own),
                process.pid,
            )
            for process, stem in tree(self.processes)
        ]
        return rows


def tree(processes: Sequence[PidView]) -> Iterator[tuple[PidView, str]]:
    """Each process with the lines that join it to its parent, parents first, in the order of PIDs."""
    known = {process.pid for process in processes}
    children: defaultdict[int, list[PidView]] = defaultdict(list)
    for process in sorted(processes, key=lambda process: process.pid):
        children[process.ppid if process.ppid in known and process.ppid != process.pid else 0].append(process)
    pending = [(process, "", "") for process in reversed(children[0])]
    while pending:
        process, stem, below = pending.pop()
        yield process, stem
        young = children[process.pid] if process.pid else []
        for place, child in enumerate(reversed(young)):
            last = place == 0
            pending.append((child, below + ("└ " if last else "├ "), below + ("  " if last else "│ ")))


def _first(process: PidView, own: bool) -> tuple[str, ...]:
    """The key that goes with the first process of a namespace of their own."""
    return ("process.first",) if own and process.inside == 1 else ()


def _row(process: PidView, stem: str, mark: str, width: int, own: bool, outside: bool) -> Content:
    first = bool(_first(process, own))
    name = safe(process.command or f"[{process.comm}]", "bold" if first else "")
    gauges = Content("")
    if width >= _WIDE:
        busy = "–" if process.cpu_percent is None else f"{process.cpu_percent:.0f}"
        gauges = Content.styled(f" {size(process.rss):>9} {busy:>6}", "$foreground-muted")
    row = Content.assemble(
        (mark, "$accent bold"),
        (f"{process.inside:>7}", "$success bold" if first else "$success"),
        cell(str(process.pid), 9, "$foreground-muted", right=True) if outside else "",
        (f" {process.state}", "$warning bold" if process.state in "DZ" else "$foreground-muted"),
        gauges,
        "  ",
        (stem, "$foreground-muted"),
        name,
    )
    if not first:
        return row
    told = Content.styled("  ← PID 1", "$success")
    return Content.assemble(row.truncate(max(0, width - told.cell_length), ellipsis=True), told)
