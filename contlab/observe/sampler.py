"""Sampler: a source and a target make a Snapshot. Only reads; one thread at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from contlab.linux.cgroup import Hierarchies, find_hierarchies
from contlab.linux.parse import ParseError
from contlab.linux.proc import parse_mountinfo, parse_stat
from contlab.observe.gauges import UNIFIED, GaugeReader
from contlab.observe.host import read_kernel
from contlab.observe.processes import ProcessReader, descendants, members
from contlab.observe.snapshot import PidView, Snapshot, Unavailable
from contlab.observe.source import Source, is_absent, read_or_none
from contlab.observe.views import MountReader, NamespaceReader, NetworkReader

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Target:
    """What to look at: a container (or any process)."""

    name: str
    pid: int
    """Its first process, as the source counts."""
    cgroups: dict[str, str] = field(default_factory=dict)
    """Controller -> directory, v2's under "" (as ``runtime.events.Started.cgroups``); empty: it has none of its own."""
    hostname: str | None = None
    """What a command inside said the hostname is; shown when its uts namespace is its own."""
    peers: dict[str, str] = field(default_factory=dict)
    """Interface inside -> where the other end of its cable is (as ``runtime.events.Started.peers``)."""
    cut: bool = False
    """The cables are pulled out at the other end."""


class Sampler:
    """Looks at one target again and again; rates are those since the previous look."""

    def __init__(self, source: Source, target: Target) -> None:
        self.target = target
        """May be replaced by one of the same process, when its hostname was learnt or its cable pulled."""
        self._source = source
        self._kernel = read_kernel(source)
        self._processes = ProcessReader(source)
        self._mounts = MountReader(source)
        self._namespaces = NamespaceReader(source)
        self._network = NetworkReader(source)
        self._gauges = GaugeReader(source, read_hierarchies(source))
        self._started: int | None = None
        """The first process's start, in ticks: a later process of the same number is none of ours."""

    def sample(self, now_us: float) -> Snapshot:
        """The target now; ``now_us`` is CLOCK_MONOTONIC in µs."""
        pid, cgroups, peers, cut = self.target.pid, self.target.cgroups, self.target.peers, self.target.cut
        alive = self._alive()
        gone = Unavailable(f"process {pid} has exited")
        return Snapshot(
            target=self.target.name,
            at=now_us,
            alive=alive,
            kernel=self._kernel,
            processes=self._attempt(lambda: self._read_processes(now_us, alive)),
            mounts=self._attempt(lambda: self._mounts.read(pid)) if alive else gone,
            namespaces=self._attempt(lambda: self._namespaces.read(pid, self.target.hostname)) if alive else gone,
            cgroup=self._attempt(lambda: self._gauges.read(cgroups, now_us)),
            network=self._attempt(lambda: self._network.read(pid, peers, cut)) if alive else gone,
        )

    def _alive(self) -> bool:
        """The first process exists, has not become a zombie, and is the one that was seen first."""
        raw = read_or_none(self._source, f"/proc/{self.target.pid}/stat")
        if raw is None:
            return False
        stat = parse_stat(raw)
        if self._started is None:
            self._started = stat.starttime
        return stat.starttime == self._started and stat.state not in "ZX"

    def _read_processes(self, now_us: float, alive: bool) -> tuple[PidView, ...]:
        """The members of its cgroup; without one, its first process and what descends from it."""
        target = self.target
        if target.cgroups:
            directory = target.cgroups.get(UNIFIED) or target.cgroups.get("pids") or next(iter(target.cgroups.values()))
            pids = members(self._source, directory)
        else:
            pids = descendants(self._source, target.pid) if alive else set()
        return self._processes.read(pids, target.pid, now_us)

    def _attempt(self, read: Callable[[], T]) -> T | Unavailable:
        """What can't be read is a value, in words; a program mistake is not caught."""
        try:
            return read()
        except PermissionError as error:
            return Unavailable(f"this user may not read {error.filename}")
        except OSError as error:
            if is_absent(error):
                return Unavailable(f"process {self.target.pid} has exited")
            raise
        except ParseError as error:
            return Unavailable(f"this kernel's {error}")


def read_hierarchies(source: Source) -> Hierarchies:
    """Where the source's host has its controllers."""
    mountinfo = source.read("/proc/self/mountinfo")
    unified = next((m.mount_point for m in parse_mountinfo(mountinfo) if m.filesystem_type == "cgroup2"), None)
    return find_hierarchies(
        mountinfo,
        read_or_none(source, "/proc/self/cgroup") or b"",
        read_or_none(source, "/proc/cgroups") or b"",
        None if unified is None else read_or_none(source, f"{unified}/cgroup.controllers"),
    )
