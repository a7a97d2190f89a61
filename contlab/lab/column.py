"""Column: what the Learn screen says of virtual machines: the guest that runs, measured, and the model for the rest.

Pure: snapshots in, lines out. Each line says where its figures are from: ``measured here``, ``in the guest``, or
``model: SOURCE``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum

import msgspec

from contlab.lab.compare import INSIDE, MEASURED
from contlab.lab.compare_rows import stamp
from contlab.linux.sizes import format_duration, format_size
from contlab.observe.snapshot import (
    EMPTY,
    Booting,
    CgroupSample,
    GuestSample,
    MemorySample,
    PidView,
    Snapshot,
    Unavailable,
)
from contlab.vm.row import Row

THERE = "measured there"
"""What ``measured here`` becomes in a recording."""

FIRST = 3
"""Processes of a guest that are named."""

_EMULATED = "TCG: its processor is emulated; its times aren't what virtualisation costs."
_KVM = "KVM: the processor itself runs it."

_SAID = {"boot": "start", "kernel": "kernel", "memory.idle": "memory taken", "memory.usable": "memory inside",
         "memory.hog": "OOM killer", "crash": "crash"}  # fmt: skip
"""Key of a model's row -> label of the measured line that takes its place."""


class State(StrEnum):
    """How a guest is."""

    NONE = "none"
    """The lesson has no guest."""
    ABSENT = "not there"
    BOOTING = "booting"
    UP = "up"
    SILENT = "does not answer"
    ENDED = "ended"


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """A VM's figure, and a container's beside it."""

    label: str
    vm: str
    tag: str
    """Where the VM's figure is from."""
    container: str | None = None
    container_tag: str = ""
    """Where the container's is from, in a modelled line whose container was measured."""
    explanation: str = ""
    """Of a modelled line: what it means and why it is so."""
    conditions: str = ""
    """Under which its figures were measured by whoever published them."""


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """All that is said. Names and words may hold kernel text: never markup."""

    guest: str = ""
    """Its name; "" when the lesson has none."""
    state: State = State.NONE
    words: str = ""
    """How it is: how far it has booted, how it ended, why it isn't there."""
    accelerator: str = ""
    others: tuple[str, ...] = ()
    """How the other guests are, a sentence each."""
    beside: str = ""
    """The container that the measured lines are about, and where its figures are from."""
    first: tuple[tuple[int, str], ...] = ()
    """PID and name of its first processes."""
    measured: tuple[Line, ...] = ()
    modelled: tuple[Line, ...] = ()
    recorded: bool = False


NOTHING = Column()
"""The null object: nothing is known, not even a model."""


def guests(snapshots: Mapping[str, Snapshot]) -> tuple[str, ...]:
    """The names of those that are virtual machines, booted or not."""
    return tuple(name for name, snapshot in snapshots.items() if snapshot.guest is not None)


def state(snapshot: Snapshot) -> State:
    """How it is."""
    match snapshot.guest:
        case None:
            return State.NONE
        case Booting():
            return State.BOOTING
        case Unavailable():
            return State.ABSENT
        case GuestSample() if not snapshot.alive:
            return State.ENDED
        case _:
            return State.SILENT if isinstance(snapshot.processes, Unavailable) else State.UP


def words(name: str, snapshot: Snapshot) -> str:
    """The same, in words: "booting for 1.5 s: its kernel starts"."""
    guest = snapshot.guest
    if isinstance(guest, Booting):
        return f"booting for {guest.seconds:.1f} s" + (f": {guest.stage}" if guest.stage else "")
    if isinstance(guest, Unavailable):
        return guest.reason.removeprefix(f"the guest {name} ")
    if guest is None:
        return ""
    if not snapshot.alive:
        return guest.ended.removeprefix(f"the guest {name} ") or "ended"
    return "up" if state(snapshot) is State.UP else "up, but it does not answer"


def column(
    snapshots: Mapping[str, Snapshot],
    model: Sequence[Row],
    *,
    guest: str = "",
    container: str = "",
    ready_us: float = 0.0,
    recorded: bool = False,
) -> Column:
    """What is said of ``guest`` beside ``container``, which was ready ``ready_us`` µs after it was asked for."""
    beside = _Beside(snapshots.get(container, EMPTY), ready_us, THERE if recorded else MEASURED)
    shown = snapshots.get(guest, EMPTY)
    sample = shown.guest
    known = isinstance(sample, GuestSample)
    measured = tuple(_measured(shown, sample, beside)) if isinstance(sample, GuestSample) else ()
    lasting = sample.accelerator == "tcg" if isinstance(sample, GuestSample) else False
    taken = {line.label for line in measured}
    return Column(
        guest=guest,
        state=state(shown),
        words=words(guest, shown),
        accelerator="" if not known else _EMULATED if lasting else _KVM,
        others=tuple(f"{name}: {words(name, snapshots[name])}" for name in guests(snapshots) if name != guest),
        beside=f"{container}, {beside.tag}" if measured and container else "",
        first=() if isinstance(shown.processes, Unavailable) or not known else _first(shown.processes),
        measured=measured,
        # An emulated guest's start says nothing of a real one's: the cited figure stays beside it.
        modelled=tuple(
            _modelled(row, beside)
            for row in model
            if _SAID.get(row.key) not in taken or (row.key == "boot" and lasting)
        ),
        recorded=recorded,
    )


class _Beside:
    """The container that a guest is compared with."""

    def __init__(self, snapshot: Snapshot, ready_us: float, tag: str) -> None:
        self.snapshot, self.tag = snapshot, tag
        self.kernel = f"{snapshot.kernel}, the host's" if snapshot.kernel else None
        self.ready = format_duration(ready_us) if ready_us else None

    @property
    def memory(self) -> MemorySample | None:
        """Its cgroup's, where that is known."""
        group = self.snapshot.cgroup
        return group.memory if isinstance(group, CgroupSample) and isinstance(group.memory, MemorySample) else None

    @property
    def processes(self) -> str | None:
        """How many it has."""
        seen = self.snapshot.processes
        if isinstance(seen, Unavailable) or not self.snapshot.alive:
            return None
        return f"{len(seen)}, {len(_threads(seen)) or 'no'} kernel threads"

    def line(self, label: str, vm: str, container: str | None, tag: str = "") -> Line:
        """A measured line; ``tag``: where the VM's figure is from, if not from this host."""
        return Line(label=label, vm=vm, tag=tag or self.tag, container=container)


def _measured(shown: Snapshot, guest: GuestSample, beside: _Beside) -> Iterator[Line]:
    if shown.kernel:
        yield beside.line("kernel", f"{shown.kernel}, its own", beside.kernel, INSIDE)
    yield beside.line("start", format_duration(guest.boot_seconds * 1e6), beside.ready)
    yield _taken(guest, beside)
    if isinstance(guest.total, int) and isinstance(guest.available, int):
        free = f"{format_size(guest.available)} of {format_size(guest.total)} free"
        yield beside.line("memory inside", free, None, INSIDE)
    if shown.processes and not isinstance(shown.processes, Unavailable):
        count = len(_threads(shown.processes))
        yield beside.line("processes", f"{len(shown.processes)}, {count} kernel threads", beside.processes, INSIDE)
    if isinstance(guest.oom_kills, int) and guest.oom_kills:
        memory = beside.memory
        spared = None if memory is None or isinstance(memory.oom_kills, Unavailable) else f"killed {memory.oom_kills}"
        yield beside.line("OOM killer", f"its own; killed {guest.oom_kills}", spared, INSIDE)
    if guest.panicked:
        yield beside.line("crash", "took this guest", "goes on" if beside.snapshot.alive else "is gone, too")


def _taken(guest: GuestSample, beside: _Beside) -> Line:
    given = format_size(guest.memory)
    if guest.ended:
        vm = f"nothing now; it had {given}"
    elif isinstance(guest.taken, Unavailable):
        vm = f"{given} given; {guest.taken.reason}"
    else:
        vm = f"{format_size(guest.taken)}, for {given} given"
    memory = beside.memory
    return beside.line("memory taken", vm, None if memory is None else f"{format_size(memory.current)} charged")


def _modelled(row: Row, beside: _Beside) -> Line:
    measured = {"boot": beside.ready, "kernel": beside.kernel}.get(row.key)
    return Line(
        label=row.label,
        vm=row.vm,
        tag=stamp(row),
        container=measured or row.container,
        container_tag=beside.tag if measured else "",
        explanation=row.explanation,
        conditions=row.conditions,
    )


def _threads(processes: Sequence[PidView]) -> list[PidView]:
    """Kernel threads have no command line; neither have zombies."""
    return [process for process in processes if not process.command and process.state != "Z"]


def _first(processes: Sequence[PidView]) -> tuple[tuple[int, str], ...]:
    """The first programs, and the first of the kernel's threads for all of them."""
    threads = sorted(_threads(processes), key=lambda process: process.pid)
    own = {process.pid for process in threads}
    named = [(process.pid, process.comm) for process in processes if process.pid not in own]
    told = sorted(named)[: FIRST - 1]
    if threads:
        more = f" +{len(threads) - 1} more" if len(threads) > 1 else ""
        told.append((threads[0].pid, f"[{threads[0].comm}]{more}"))
    return tuple(sorted(told))
