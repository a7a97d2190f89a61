"""ContainerSpec: what is isolated, what is not, and the limits. Plain data, validated as it is decoded.

The same struct is a lesson's ``toml container`` block, what ``contlab spawn``'s options build, and what the
client sends to the supervisor.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec
from msgspec import UNSET, UnsetType


class Namespace(StrEnum):
    """The eight kinds of namespaces(7), spelled as the links in ``/proc/PID/ns``."""

    MNT = "mnt"
    PID = "pid"
    NET = "net"
    UTS = "uts"
    IPC = "ipc"
    USER = "user"
    CGROUP = "cgroup"
    TIME = "time"


ALL_NAMESPACES = frozenset(Namespace)


class RootMethod(StrEnum):
    """How the container gets its root directory."""

    HOST = "host"
    """It keeps the host's."""
    CHROOT = "chroot"
    """chroot(2): only path lookup changes; root inside can climb out."""
    PIVOT_ROOT = "pivot_root"
    """pivot_root(2): the old root is unmounted, there is nothing to climb to. Needs its own mnt namespace."""


class Bind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A host directory or file shown inside (mount --bind)."""

    source: str
    target: str
    read_only: bool = False


class Tmpfs(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A memory file system mounted inside, limited to ``size`` bytes."""

    target: str
    size: int = 16 << 20


class IoLimit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The most that may pass between the cgroup and one disk each second; ``None`` leaves the kernel's own ("max")."""

    device: str
    """The whole disk, not a partition: a block device's path, or its number ("254:0")."""
    rbps: int | None = None
    """Bytes read (io.max; v1 blkio.throttle.*)."""
    wbps: int | None = None
    """Bytes written. v1 counts only what bypasses the page cache."""
    riops: int | None = None
    """Read operations."""
    wiops: int | None = None
    """Write operations."""


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ceilings of one cgroup, and its share; ``None`` leaves the kernel's own ("max").

    ``UNSET`` says nothing: a container that is in no group has DEFAULT_LIMITS then, and a group "max".
    """

    memory: int | UnsetType | None = UNSET
    """Bytes (memory.max; v1 memory.limit_in_bytes)."""
    cpus: float | None = None
    """Processors, 0.5 being half of one (cpu.max over a period of 100 ms; v1 cpu.cfs_quota_us)."""
    pids: int | UnsetType | None = UNSET
    """Tasks, threads counted (pids.max)."""
    memory_high: int | None = None
    """Bytes beyond which it is slowed down and reclaimed from, but not killed (memory.high; v1 has no such thing)."""
    swap: int | None = None
    """Bytes of swap beside ``memory`` (memory.swap.max; v1 memory.memsw.limit_in_bytes holds the sum); ``None``: none
    where ``memory`` is limited, so that swap does not soften it."""
    cpu_weight: int | None = None
    """Share of contended processors beside its siblings, 1 to 10000, theirs being 100 (cpu.weight; v1 cpu.shares)."""
    io: tuple[IoLimit, ...] = ()
    oom_group: bool = False
    """The OOM killer takes all of the cgroup's processes, or none (memory.oom.group; v1 has no such thing)."""

    def __bool__(self) -> bool:
        return self != _UNLIMITED


_UNLIMITED = Limits()

DEFAULT_LIMITS = Limits(memory=512 << 20, pids=512)
"""What a container may take where nothing is said. Memory: its writable layer (plan.SCRATCH_SIZE) is charged to it, and
twice that leaves as much again. Tasks: a bomb of so many leaves enough of the host's (pid_max is 32768) to stop it."""


class IdMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of user_namespaces(7)'s uid_map and gid_map."""

    inside: int = 0
    outside: int = 100_000
    length: int = 65_536


IdMaps = IdMap | tuple[IdMap, ...]
"""One line, or several (340 at most, user_namespaces(7))."""


class TimeOffsets(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Seconds added to clocks in an own time namespace, time_namespaces(7); negative ones set a clock back."""

    monotonic: int = 0
    """CLOCK_MONOTONIC."""
    boottime: int = 0
    """CLOCK_BOOTTIME, and with it uptime(1)."""

    def __bool__(self) -> bool:
        return bool(self.monotonic or self.boottime)


NO_OFFSETS = TimeOffsets()

NO_NETWORK, HOST_NETWORK = "none", "host"
"""The two words of ``ContainerSpec.network`` that name no network."""


class ContainerSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One container. Says nothing: the default container of DESIGN section 2."""

    command: tuple[str, ...] = ("/bin/sh",)
    namespaces: frozenset[Namespace] = ALL_NAMESPACES
    """The kinds it has of its own; the others it shares with the host."""
    root: RootMethod = RootMethod.PIVOT_ROOT
    rootfs: str = "busybox"
    """A recipe's name in rootfs-fixtures/, or an absolute path to a directory to use as it is."""
    read_only: bool = False
    """Root file system mounted read-only: no writable layer on top."""
    binds: tuple[Bind, ...] = ()
    tmpfs: tuple[Tmpfs, ...] = ()
    files: dict[str, str] = {}
    """Files written into the new root before the command starts: path inside -> text."""
    hostname: str | None = None
    """Set in its own uts namespace; without one, left alone."""
    environment: dict[str, str] = {}
    workdir: str = "/"
    limits: Limits = Limits()
    group: str | None = None
    """The name of a group (a parent cgroup with limits of its own) that it lives in."""
    id_map: IdMaps = IdMap()
    """Used with its own user namespace: uids, and gids where ``gid_map`` says nothing else."""
    gid_map: IdMaps | None = None
    """Used with its own user namespace; ``None``: as ``id_map``."""
    time_offsets: TimeOffsets = NO_OFFSETS
    """Used with its own time namespace."""
    network: str = NO_NETWORK
    """"none": its own net namespace has lo alone (without one of its own, the interfaces are the host's); "host": no
    net namespace of its own, whatever ``namespaces`` says; any other word: the network that it is plugged into."""
    address: str | None = None
    """Its IPv4 address there, e.g. "10.77.1.9/24" ("/24" may be left out); ``None``: the next free one."""
    user: int | None = None
    """The uid and gid that the command runs as, counted inside; ``None``: root inside."""
    seccomp: bool = True
    """Refuse system calls that speak to the whole machine or make namespaces and mounts: linux.seccomp.DENIED."""
    seccomp_allow: frozenset[str] = frozenset()
    """Those of them that are let through, e.g. "unshare"."""
    no_new_privs: bool = True
    capabilities: frozenset[str] | None = None
    """Capabilities kept, as in capabilities(7) ("CAP_KILL"); ``None`` keeps the default set, see plan.py."""
    all_capabilities: bool = False
    """Keep all that the starter has: a protection off, shown as such."""
    mask_proc: bool = True
    """Hide what in /proc and /sys speaks for the whole machine (kcore, sysrq-trigger, ...), and let the rest of it be
    read only."""
    rlimits: bool = True
    """Resource limits of its own (core dumps, open files, ...); else those of who makes it."""

    def own(self, kind: Namespace) -> bool:
        """Whether the container has this kind of namespace to itself."""
        return kind in self.namespaces and not (kind is Namespace.NET and self.network == HOST_NETWORK)

    @property
    def default_limits(self) -> Limits:
        """What holds where ``limits`` says nothing: in a group it is the group's that hold."""
        return DEFAULT_LIMITS if self.group is None else _UNLIMITED

    @property
    def uid_lines(self) -> tuple[IdMap, ...]:
        """The lines of uid_map."""
        return (self.id_map,) if isinstance(self.id_map, IdMap) else self.id_map

    @property
    def gid_lines(self) -> tuple[IdMap, ...]:
        """The lines of gid_map."""
        if self.gid_map is None:
            return self.uid_lines
        return (self.gid_map,) if isinstance(self.gid_map, IdMap) else self.gid_map

    @property
    def joins(self) -> str:
        """The network that it is plugged into; "" when there is none."""
        return "" if self.network in (NO_NETWORK, HOST_NETWORK) else self.network
