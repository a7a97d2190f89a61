"""A container's cgroup: memory, cpu and pids against their limits, pressure, and whose limit bites."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from textual.content import Content
from textual.reactive import var

from contlab.observe.snapshot import (
    CgroupSample,
    CpuSample,
    GuestSample,
    IoSample,
    MemorySample,
    PidsSample,
    Pressure,
    Unavailable,
)
from contlab.tui.text import safe, wrap
from contlab.tui.units import processors, size
from contlab.tui.widgets.graph import alarm, bar, sparkline
from contlab.tui.widgets.panel import Panel, Row, unavailable
from contlab.tui.widgets.told import told

MIB = 1 << 20
EVEN = 100
"""The cpu.weight of whoever was given none."""

_MEMORY = (
    ("memory.current", "memory.limit", "memory.share", "memory.oom_kills"),
    ("memory.anon", "memory.file", "memory.kernel"),
    (),
    ("memory.history", "memory.peak"),
)
_MACHINE = (("guest.memory", "guest.oom_kills"), (), ("guest.history",))
"""The fields of the rows below each other."""


class Cgroup(Panel):
    """Gauges on a fixed scale from 0 to the limit."""

    TITLE = "Limits · cgroup"
    HELP: ClassVar[str] = (
        "What the container uses of what it may use; ┃ is the limit. Memory is █ anon (the program's own), ▓ file "
        "(page cache) and ▒ kernel. The line below it is the last minutes, from 0 to the limit. A guest has no cgroup "
        "of ours inside: its limit is the RAM that it was given, and looking into it keeps its processor busy. By "
        "hand: `cat /proc/PID/cgroup` names the directories below /sys/fs/cgroup."
    )

    cgroup: var[CgroupSample | Unavailable] = var(Unavailable("nothing was sampled yet"))
    history: var[tuple[float, ...]] = var(())
    """Bytes of memory, the newest last."""
    guest: var[GuestSample | Unavailable | None] = var(None)
    """The machine itself, where it is a virtual one."""

    def watch_cgroup(self) -> None:
        """Another sample."""
        self.redraw()

    def watch_guest(self, guest: GuestSample | Unavailable | None) -> None:
        """Another sample of the machine."""
        self.border_title = Content(self.TITLE if guest is None else "Limits · the machine's own")
        self.redraw()

    def watch_history(self) -> None:
        """Time went on."""
        self.redraw()

    def rows(self, width: int) -> Sequence[Row]:
        """Memory, cpu, pids, pressure, and whose limit it is."""
        sample = self.cgroup
        self.border_subtitle = None
        if isinstance(sample, Unavailable):
            return unavailable(sample.reason, width)
        if isinstance(self.guest, GuestSample):
            self.border_subtitle = Content("in the guest")
            return [
                *told(_machine(self.guest, self.history, width), self.guest, *_MACHINE),
                *told(_processor(sample.cpu, width), sample, ("guest.cpu",)),
                *told(_outside(self.guest, width), self.guest, (), ("guest.given", "guest.taken")),
            ]
        self.border_subtitle = Content(f"cgroup {sample.version}")
        marks = self.marks("cgroup")
        return [
            *told(_frozen(sample), sample, ("frozen",)),
            *told(_memory(sample.memory, self.history, width, marks), sample, *_MEMORY),
            *told(_high(sample.memory), sample, ("memory.high", "memory.high_events")),
            *told(_cpu(sample.cpu, width, marks), sample, ("cpu.percent", "cpu.quota", "cpu.throttled")),
            *told(_weight(sample.cpu), sample, ("cpu.weight",)),
            *told(_pids(sample.pids, width, marks), sample, ("pids.current", "pids.limit", "pids.refused")),
            *told(_io(sample), sample, ("io.disks",)),
            *told(_pressure(sample), sample, ("pressure.memory", "pressure.cpu")),
            *told(_biting(sample), sample, ("biting",)),
        ]


def _named(name: str, width: int, left: Content, right: Content) -> Content:
    """``name  left ......... right``."""
    head = Content.assemble((f"{name:<7}", "bold"), left)
    gap = width - head.cell_length - right.cell_length
    return Content.assemble(head, " " * max(1, gap), right)


def _count(word: str, value: int | Unavailable, mark: str = " ") -> Content:
    if isinstance(value, Unavailable):
        return Content.styled(f"{word} not told", "$foreground-muted")
    return Content.assemble(
        (mark.strip(), "$accent bold"), (f"{word} {value}", "$error bold" if value else "$foreground-muted")
    )


def _memory(
    memory: MemorySample | Unavailable, history: tuple[float, ...], width: int, marks: dict[str, str]
) -> Iterator[Content]:
    if isinstance(memory, Unavailable):
        yield _missing("memory", memory)
        return
    # Without a limit there is no fixed scale: twice the most that was seen leaves room to grow.
    limit = float(memory.limit or 2 * max(memory.current, *(int(value) for value in history), 1))
    share = memory.current / limit if memory.limit else 0.0
    used = Content.assemble(
        (size(memory.current), f"{alarm(share)} bold"),
        f" of {size(memory.limit)}" if memory.limit else " · no limit",
        (f" · {share:.0%}" if memory.limit and width >= 48 else "", "$foreground-muted"),
    )
    kills = _count("OOM kills", memory.oom_kills, marks.get("memory.oom_kills", " "))
    yield _named("memory", width, used, kills)
    kinds = [("anon", memory.anon, "█"), ("file", memory.file, "▓"), ("kernel", memory.kernel, "▒")]
    known = [(name, value, letter) for name, value, letter in kinds if isinstance(value, int)]
    parts = [(float(value), letter, alarm(share)) for _, value, letter in known]
    yield bar(parts or [(float(memory.current), "█", alarm(share))], limit, width, bool(memory.limit))
    legend = "  ".join(f"{letter} {name} {value / MIB:.1f}" for name, value, letter in known) + " MiB"
    yield Content.styled(legend if known else "█ all kinds together", "$foreground-muted")
    peak = f"peak {size(memory.peak)}" if isinstance(memory.peak, int) else ""
    room = width - len(peak) - 1
    yield Content.assemble((sparkline(history, limit, room), "$secondary"), (f" {peak}", "$foreground-muted"))


def _frozen(sample: CgroupSample) -> Iterator[Content]:
    if sample.frozen is True:
        yield Content.styled("❄ frozen: every process of it is stopped where it was", "$warning bold")


def _high(memory: MemorySample | Unavailable) -> Iterator[Content]:
    """memory.high, where one is set: from there on it is slowed down, and not killed."""
    if isinstance(memory, MemorySample) and memory.high is not None:
        times = f", {memory.high_events} times so far" if isinstance(memory.high_events, int) else ""
        style = "$warning bold" if memory.current >= memory.high else "$foreground-muted"
        yield Content.styled(f"       slowed down from {size(memory.high)} on{times}", style)


def _weight(cpu: CpuSample | Unavailable) -> Iterator[Content]:
    if isinstance(cpu, CpuSample) and isinstance(cpu.weight, int) and cpu.weight != EVEN:
        yield Content.styled(
            f"       weight {cpu.weight} beside others' {EVEN}, when they contend", "$foreground-muted"
        )


def _io(sample: CgroupSample) -> Iterator[Content]:
    """What went to disks and came from them, once anything did or a limit waits for it."""
    io = sample.io
    if isinstance(io, IoSample) and (io.reads or io.writes or any(key.startswith("io ") for key in sample.biting)):
        parts = [(io.read_bytes, "read", io.reads), (io.written_bytes, "written", io.writes)]
        said = "  ".join(f"{size(count)} {word} in {times}" for count, word, times in parts)
        yield Content.assemble((f"{'io':<7}", "bold"), said)


def _machine(guest: GuestSample, history: tuple[float, ...], width: int) -> Iterator[Content]:
    """A guest's memory, as its kernel counts: what it has is its limit."""
    if isinstance(guest.total, Unavailable) or isinstance(guest.available, Unavailable):
        yield _missing("memory", guest.total if isinstance(guest.total, Unavailable) else Unavailable("not told"))
        return
    used, limit = guest.total - guest.available, float(guest.total)
    style = alarm(used / limit if limit else 0.0)
    said = Content.assemble((size(used), f"{style} bold"), f" of {size(guest.total)}")
    yield _named("memory", width, said, _count("OOM kills", guest.oom_kills))
    yield bar([(float(used), "█", style)], limit, width)
    yield Content.styled(sparkline(history, limit, width), "$secondary")


def _processor(cpu: CpuSample | Unavailable, width: int) -> Iterator[Content]:
    """A guest's processor time: nobody inside gives it a quota."""
    if isinstance(cpu, Unavailable):
        yield _missing("cpu", cpu)
        return
    percent = cpu.percent or 0.0
    busy = "–" if cpu.percent is None else f"{percent:.0f} %"
    yield _named("cpu", width, Content.assemble((busy, "$success bold"), " of a processor"), Content(""))
    yield bar([(percent, "█", "$success")], 100.0, width, limited=False)


def _outside(guest: GuestSample, width: int) -> Iterator[Content]:
    """What the host has to do with it."""
    taken = guest.taken.reason if isinstance(guest.taken, Unavailable) else f"its QEMU takes {size(guest.taken)}"
    said = f"Nothing limits it inside but its RAM: it was given {size(guest.memory)}. On the host {taken}."
    yield Content("")
    yield from wrap(safe(said, "$foreground-muted"), width)


def _cpu(cpu: CpuSample | Unavailable, width: int, marks: dict[str, str]) -> Iterator[Content]:
    if isinstance(cpu, Unavailable):
        yield _missing("cpu", cpu)
        return
    quota = cpu.quota or 1.0
    percent = cpu.percent or 0.0
    share = percent / (quota * 100) if cpu.quota else 0.0
    used = Content.assemble(
        ("–" if cpu.percent is None else f"{percent:.0f} %", f"{alarm(share)} bold"),
        f" of {processors(quota)}" if cpu.quota else " · no quota",
    )
    waited = cpu.throttled_percent or 0.0
    mark = marks.get("cpu.throttled_periods", "").strip()
    style = "$warning bold" if waited else "$foreground-muted"
    yield _named("cpu", width, used, Content.assemble((mark, "$accent bold"), (f"throttled {waited:.0f} %", style)))
    yield bar([(percent, "█", alarm(share))], quota * 100, width, bool(cpu.quota))


def _pids(pids: PidsSample | Unavailable, width: int, marks: dict[str, str]) -> Iterator[Content]:
    if isinstance(pids, Unavailable):
        yield _missing("pids", pids)
        return
    share = pids.current / pids.limit if pids.limit else 0.0
    used = Content.assemble(
        (str(pids.current), f"{alarm(share)} bold"), f" of {pids.limit}" if pids.limit else " · no limit"
    )
    yield _named("pids", width, used, _count("refused", pids.refused, marks.get("pids.refused", " ")))


def _pressure(sample: CgroupSample) -> Iterator[Content]:
    """Share of the last 10 s in which some task waited."""
    told = [
        f"{name} {pressure.some_avg10:.1f} %"
        for name, pressure in (("memory", sample.pressure_memory), ("cpu", sample.pressure_cpu))
        if isinstance(pressure, Pressure)
    ]
    if told:
        yield Content.assemble(("waiting for  ", "$foreground-muted"), ("  ".join(told), ""))
    elif isinstance(sample.pressure_memory, Unavailable) and sample.pressure_memory.reason:
        yield Content.assemble(
            ("pressure  ", "$foreground-muted"), safe(sample.pressure_memory.reason, "$foreground-muted italic")
        )


def _biting(sample: CgroupSample) -> Iterator[Content]:
    """Whose limits are in force; on v1 one group has a directory for each controller, so names are compared."""
    own = [controller for controller, path in sample.biting.items() if _group(path) == _group(sample.path)]
    above = {controller: _group(path) for controller, path in sample.biting.items() if controller not in own}
    said = [Content.assemble(("its own limit  ", "$foreground-muted"), ", ".join(own))] if own else []
    if above:
        names = safe(" " + ", ".join(dict.fromkeys(above.values())), "$foreground-muted")
        said.append(Content.assemble(("parent's  ", "$foreground-muted"), ", ".join(above), names))
    if said:
        yield Content("  ").join(said)


def _group(path: str) -> str:
    return path.rstrip("/").rsplit("/", 1)[-1]


def _missing(name: str, value: Unavailable) -> Content:
    return Content.assemble((f"{name:<7}", "bold"), safe(value.reason, "$foreground-muted italic"))
