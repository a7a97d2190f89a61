"""Snapshot: what one container looked like at one moment, whatever the source (host, guest or recording).

Frozen, compared by value: a slice that did not change is equal to its predecessor, and nothing repaints.
What a source cannot give is an ``Unavailable`` with the reason in words, never a zero.
"""

from __future__ import annotations

from typing import Literal

import msgspec


class Slice(msgspec.Struct, frozen=True, tag=str.lower):
    """Base of everything in a snapshot: tagged, so that a recording says what each value is."""


class Unavailable(Slice, frozen=True):
    """A value this host does not give, and why."""

    reason: str


NOT_READ = Unavailable("not read")
"""For what recordings of older contlabs lack."""


class PidView(Slice, frozen=True):
    """One process, seen from outside and from inside."""

    pid: int
    """As the observer's PID namespace counts (the host, or the guest)."""
    inside: int
    """As its own PID namespace counts: the last number of NSpid in /proc/PID/status."""
    ppid: int
    """The parent, counted as ``pid`` is; 0 when it is out of sight."""
    comm: str
    """Kernel text: up to 15 bytes the process may set itself; undecodable bytes as ``\\xNN``."""
    state: str
    """One letter of proc_pid_stat(5): R running, S sleeping, D in the kernel, T stopped, Z zombie, ..."""
    command: str = ""
    """argv joined by spaces; "" for a kernel thread or a zombie."""
    uid: int = 0
    """Real user id, as the observer counts."""
    threads: int = 1
    rss: int = 0
    """Resident bytes."""
    cpu_percent: float | None = None
    """Of one processor, since the previous snapshot; None in the first."""


class Mount(Slice, frozen=True):
    """One line of /proc/PID/mountinfo, as proc_pid_mountinfo(5) names its fields."""

    mount_id: int
    parent_id: int
    device: str
    """"major:minor"."""
    root: str
    """The directory of the file system that is its root here."""
    mount_point: str
    """Relative to the process's root; octal escapes resolved."""
    options: str
    propagation: str
    """"private", "shared:N", "master:N", "unbindable", or several joined by a space."""
    fs_type: str
    source: str
    super_options: str
    covered: bool = False
    """A later mount lies on the same mount point."""


class MountTree(Slice, frozen=True):
    """A process's mounts in the kernel's order."""

    mounts: tuple[Mount, ...] = ()
    not_on_host: frozenset[int] = frozenset()
    """mount_ids that the observer's own mount namespace does not have."""


class NamespaceLink(Slice, frozen=True):
    """One link of /proc/PID/ns."""

    kind: str
    inode: int
    own: bool
    """It differs from the observer's own."""


class IdMapLine(Slice, frozen=True):
    """One line of uid_map: inside, outside, length."""

    inside: int
    outside: int
    length: int


class NamespaceSet(Slice, frozen=True):
    """Which namespaces the target has, in the order of ``runtime.spec.Namespace``."""

    links: tuple[NamespaceLink, ...] = ()
    uid_map: tuple[IdMapLine, ...] = ()
    root: str = "/"
    """What /proc/PID/root points to: the root directory as the observer sees it."""
    hostname: str | None = None
    """Its uts namespace's nodename; None when the source can't tell."""

    def own(self, kind: str) -> bool:
        """Whether it has this kind to itself; False when it isn't known."""
        return any(link.own for link in self.links if link.kind == kind)


class Pressure(Slice, frozen=True):
    """One line pair of a PSI file: share of time lost, % averaged over 10 s; total in µs."""

    some_avg10: float
    full_avg10: float
    some_total: int
    full_total: int


class MemorySample(Slice, frozen=True):
    """The memory controller; bytes and counts."""

    current: int
    limit: int | None
    """None: no limit ("max")."""
    anon: int | Unavailable
    file: int | Unavailable
    kernel: int | Unavailable
    peak: int | Unavailable
    oom_events: int | Unavailable
    """Times the limit was hit with nothing to reclaim (memory.events oom; v1: memory.failcnt is another thing)."""
    oom_kills: int | Unavailable
    """Processes the OOM killer took here."""
    high: int | None = None
    """The limit beyond which it is slowed down (memory.high); None: no such limit."""
    high_events: int | Unavailable = NOT_READ
    """Times it was slowed down and reclaimed from."""
    swap: int | Unavailable = NOT_READ
    """Bytes on swap."""
    oom_group: bool | Unavailable = NOT_READ
    """The OOM killer takes all of it, or none."""


class CpuSample(Slice, frozen=True):
    """The cpu controller; µs and counts, rates since the previous snapshot."""

    usage_us: int
    quota: float | None
    """Processors; None: no limit."""
    periods: int | Unavailable
    throttled_periods: int | Unavailable
    throttled_us: int | Unavailable
    percent: float | None = None
    """Of one processor."""
    throttled_percent: float | None = None
    """Share of periods in which it had to wait."""
    weight: int | Unavailable = NOT_READ
    """Share beside its siblings when they contend, 100 being even."""


class PidsSample(Slice, frozen=True):
    """The pids controller; tasks."""

    current: int
    limit: int | None
    refused: int | Unavailable
    """Forks refused by the limit (pids.events max)."""


class IoSample(Slice, frozen=True):
    """The io controller; bytes and operations since the cgroup was made, all disks together."""

    read_bytes: int
    written_bytes: int
    reads: int
    writes: int


class CgroupSample(Slice, frozen=True):
    """A cgroup's gauges, the same on v1, v2 and hybrid hosts."""

    version: Literal["v1", "v2", "hybrid", "none"]
    path: str
    """Its directory on the host; "" when there is none."""
    memory: MemorySample | Unavailable
    cpu: CpuSample | Unavailable
    pids: PidsSample | Unavailable
    pressure_memory: Pressure | Unavailable = NOT_READ
    pressure_cpu: Pressure | Unavailable = NOT_READ
    biting: dict[str, str] = {}
    """Controller -> the directory of the ancestor (or itself) whose limit is the smallest one in force; also
    "memory.high", and "io DISK KEY" for each of io.max's keys."""
    pressure_io: Pressure | Unavailable = NOT_READ
    io: IoSample | Unavailable = NOT_READ
    frozen: bool | Unavailable = NOT_READ
    """All its processes are stopped where they were."""
    directories: dict[str, str] = {}
    """Controller -> the directory whose files were read, v2's own under ""; recordings of older contlabs lack it."""


class Link(Slice, frozen=True):
    """One network interface."""

    name: str
    up: bool
    addresses: tuple[str, ...] = ()
    rx_bytes: int = 0
    tx_bytes: int = 0
    peer: str = ""
    """Where the other end of its cable is, in words; "" when it has none, or nobody knows."""
    cut: bool = False
    """The cable is pulled out at the other end: the interface is up but hears nothing."""


class NetworkView(Slice, frozen=True):
    """The interfaces of the target's net namespace, from its own /proc/PID/net."""

    links: tuple[Link, ...] = ()


class GuestSample(Slice, frozen=True, kw_only=True):
    """What a snapshot of a virtual machine has besides: the machine itself, from inside and from the host."""

    accelerator: Literal["kvm", "tcg"]
    """"tcg": emulated, which is not what a virtual machine costs."""
    boot_seconds: float
    """Host's clock, from the request to the agent's first words."""
    memory: int
    """Bytes of RAM that it was given."""
    taken: int | Unavailable
    """Bytes of the host's memory that its QEMU takes now (proportional set size)."""
    total: int | Unavailable
    """MemTotal of its own /proc/meminfo, bytes."""
    available: int | Unavailable
    """MemAvailable there, bytes."""
    oom_kills: int | Unavailable
    """Processes that its own kernel's OOM killer took (oom_kill of its /proc/vmstat)."""
    ended: str = ""
    """How it ended, in words; "" while it runs."""
    panicked: bool = False
    """Its kernel gave up."""


class Booting(Unavailable, frozen=True):
    """A guest that isn't up yet."""

    seconds: float = 0.0
    """Host's clock, since it was asked for."""
    stage: str = ""
    """How far it is, in words."""


class Snapshot(Slice, frozen=True, kw_only=True):
    """One target at one moment."""

    target: str
    """The container's or guest's name."""
    at: float
    """CLOCK_MONOTONIC, µs."""
    alive: bool = True
    """Its first process exists."""
    kernel: str = ""
    """uname -r of the kernel it runs on."""
    processes: tuple[PidView, ...] | Unavailable = ()
    mounts: MountTree | Unavailable = MountTree()
    namespaces: NamespaceSet | Unavailable = NamespaceSet()
    cgroup: CgroupSample | Unavailable = Unavailable("no cgroup")
    network: NetworkView | Unavailable = NetworkView()
    guest: GuestSample | Booting | Unavailable | None = None
    """None: it is no virtual machine. Booting: it is one that isn't there yet; Unavailable: one that isn't there, and
    why."""


EMPTY = Snapshot(target="", at=0.0, alive=False)
"""The null object: nothing was sampled yet."""
