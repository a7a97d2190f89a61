"""Evidence: everything the lab has told so far, by container, in bounded memory. No Textual here."""

from __future__ import annotations

import re
from collections import deque

from contlab.lab.column import State, state
from contlab.observe.diff import Change, changes
from contlab.observe.snapshot import EMPTY, CgroupSample, CpuSample, GuestSample, MemorySample, Snapshot
from contlab.runtime.events import AnyEvent, Exited, Failed, OperationDone, Started
from contlab.tui.happening import KEPT, Happening
from contlab.tui.sentences import of_guest, of_qemu, sentence

HISTORY = 240
"""Samples kept per container."""
OPERATIONS = 200
"""Operations kept per container; a plan has some dozens."""


class Evidence:
    """The newest snapshot of each container, how the step began, and what happened."""

    def __init__(self) -> None:
        self.snapshots: dict[str, Snapshot] = {}
        self.happenings: deque[Happening] = deque(maxlen=KEPT)
        self.ready_us: dict[str, float] = {}
        """Container -> µs from the request to its running command."""
        self.unprotected: dict[str, tuple[str, ...]] = {}
        """Container -> the protections that it is without, in words."""
        self.said = 0
        """Sentences so far, also those that the panel keeps no more."""
        self._base: dict[str, Snapshot] = {}
        self._memory: dict[str, deque[float]] = {}
        self._operations: dict[str, deque[OperationDone]] = {}
        self._zero: float | None = None

    def copy(self) -> Evidence:
        """The same, to go on from by itself. What is kept is shared: it never changes."""
        other = Evidence()
        other.snapshots, other.happenings = self.snapshots, self.happenings.copy()
        other.ready_us, other.unprotected = dict(self.ready_us), dict(self.unprotected)
        other.said, other._base, other._zero = self.said, dict(self._base), self._zero
        other._memory = {name: kept.copy() for name, kept in self._memory.items()}
        other._operations = {name: kept.copy() for name, kept in self._operations.items()}
        return other

    def begin_step(self) -> None:
        """What is now is what later samples are compared with; a container that is new then begins with its first."""
        self._base = dict(self.snapshots)

    def sampled(self, snapshots: dict[str, Snapshot]) -> None:
        """All containers at a later moment."""
        for name, snapshot in snapshots.items():
            self._start(snapshot.at)
            self._note_guest(name, self.snapshots.get(name, EMPTY), snapshot)
            self._note_counters(name, self.snapshots.get(name, EMPTY), snapshot)
            self._base.setdefault(name, snapshot)
            self._memory.setdefault(name, deque(maxlen=HISTORY)).append(_used(snapshot))
        self.snapshots = dict(snapshots)

    def again(self, times: int = 1) -> None:
        """So many samples more, which show nothing new: only the graphs go on."""
        for name, snapshot in self.snapshots.items():
            self._memory[name].extend([_used(snapshot)] * times)

    def happened(self, event: AnyEvent) -> None:
        """One event."""
        self._start(event.at)
        guest = self._guest_of(event.container)
        if isinstance(event, OperationDone):
            kept = self._operations.setdefault(event.container, deque(maxlen=OPERATIONS))
            if kept and event.index <= kept[-1].index:
                kept.clear()
            kept.append(event)
        if isinstance(event, Started):
            self.ready_us[event.container] = event.ready_us
            self.unprotected[event.container] = event.unprotected
        if text := of_qemu(event) if guest else sentence(event):
            grave = isinstance(event, Failed | OperationDone) or (isinstance(event, Exited) and event.oom_killed)
            self._say(event.at, guest or event.container, text, grave)

    def trouble(self, message: str) -> None:
        """Something went wrong outside a call; it happened when the last thing did."""
        last = self.happenings[-1].at if self.happenings else 0.0
        self._add(Happening(last, "contlab", message, True))

    def since(self, at: float) -> float:
        """µs since the lesson was opened, of a moment in CLOCK_MONOTONIC's µs."""
        return at - (self._zero or 0.0)

    def changes(self, name: str) -> tuple[Change, ...]:
        """What differs from the step's beginning in one container."""
        if name not in self.snapshots:
            return ()
        return changes(self._base.get(name, EMPTY), self.snapshots[name])

    def memory(self, name: str) -> tuple[float, ...]:
        """Bytes used, one value a sample."""
        return tuple(self._memory.get(name, ()))

    def operations(self, name: str) -> tuple[OperationDone, ...]:
        """The operations of a container's latest birth; a guest's are those of its QEMU, the host's part in it."""
        born = next((each for each in reversed(self._operations) if self._guest_of(each) == name), name)
        return tuple(self._operations.get(born, ()))

    def _guest_of(self, container: str) -> str:
        """The guest whose QEMU the supervisor runs under this name; "" for a container of the lesson."""
        found = _QEMU.fullmatch(container)
        snapshot = self.snapshots.get(found[1], EMPTY) if found else EMPTY
        return snapshot.target if snapshot.guest is not None else ""

    def _start(self, at: float) -> None:
        if self._zero is None:
            self._zero = at

    def _say(self, at: float, container: str, text: str, grave: bool) -> None:
        self._add(Happening(self.since(at), container, text, grave))

    def _add(self, happening: Happening) -> None:
        self.happenings.append(happening)
        self.said += 1

    def _note_guest(self, name: str, old: Snapshot, new: Snapshot) -> None:
        """A guest came up, or isn't there any more."""
        if text := of_guest(old, new):
            self._say(new.at, name, text, state(new) in (State.ENDED, State.ABSENT))
        kills = [each.guest.oom_kills for each in (old, new) if isinstance(each.guest, GuestSample)]
        if len(kills) == 2 and all(isinstance(count, int) for count in kills) and kills[0] != kills[1] and new.alive:
            self._say(new.at, name, f"its own kernel is out of memory and has killed: {kills[1]} so far", True)

    def _note_counters(self, name: str, old: Snapshot, new: Snapshot) -> None:
        """What the kernel only counts becomes a sentence when the count rises; throttling, when it begins."""
        for change in changes(old, new):
            if change.key in _GRAVE or (change.key == "cpu.throttled_periods" and not _throttled(old)):
                self._say(new.at, name, change.text, change.key in _GRAVE)


_QEMU = re.compile(r"vm-(.+?)(?:-\d+)?")
"""How ``lab.guest_starter`` names a guest's QEMU, attempts after the first being counted."""

_GRAVE = ("memory.oom_kills", "pids.refused")


def _used(snapshot: Snapshot) -> float:
    """Bytes of memory: a guest's by its own kernel's count, a container's by its cgroup's; 0 when that isn't known."""
    guest, group = snapshot.guest, snapshot.cgroup
    if isinstance(guest, GuestSample):
        known = isinstance(guest.total, int) and isinstance(guest.available, int)
        return float(guest.total - guest.available) if known else 0.0  # type: ignore[operator]
    memory = group.memory if isinstance(group, CgroupSample) else None
    return float(memory.current) if isinstance(memory, MemorySample) else 0.0


def _throttled(snapshot: Snapshot) -> bool:
    group = snapshot.cgroup
    cpu = group.cpu if isinstance(group, CgroupSample) else None
    return isinstance(cpu, CpuSample) and bool(cpu.throttled_percent)
