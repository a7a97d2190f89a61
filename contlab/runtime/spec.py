"""ContainerSpec: what is isolated, what is not, and the limits. Plain data, validated as it is decoded.

The same struct is a lesson's ``toml container`` block, what ``contlab spawn``'s options build, and what the
client sends to the supervisor.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


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


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Ceilings of one cgroup; ``None`` leaves the kernel's own ("max")."""

    memory: int | None = None
    """Bytes (memory.max; v1 memory.limit_in_bytes)."""
    cpus: float | None = None
    """Processors, 0.5 being half of one (cpu.max over a period of 100 ms; v1 cpu.cfs_quota_us)."""
    pids: int | None = None
    """Tasks, threads counted (pids.max)."""

    def __bool__(self) -> bool:
        return (self.memory, self.cpus, self.pids) != (None, None, None)


class IdMap(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of user_namespaces(7)'s uid_map and gid_map."""

    inside: int = 0
    outside: int = 100_000
    length: int = 65_536


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
    id_map: IdMap = IdMap()
    """Used with its own user namespace."""
    user: int | None = None
    """The uid and gid that the command runs as, counted inside; ``None``: root inside."""
    no_new_privs: bool = True
    capabilities: frozenset[str] | None = None
    """Capabilities kept, as in capabilities(7) ("CAP_KILL"); ``None`` keeps the default set, see plan.py."""
    all_capabilities: bool = False
    """Keep all that the starter has: a protection off, shown as such."""
    mask_proc: bool = True
    """Hide the /proc files that speak for the whole machine (kcore, sysrq-trigger, ...)."""

    def own(self, kind: Namespace) -> bool:
        """Whether the container has this kind of namespace to itself."""
        return kind in self.namespaces
