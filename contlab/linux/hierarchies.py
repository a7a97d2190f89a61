"""Where the cgroup controllers of this host live: one v2 tree, one v1 tree each, or some here and some there."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from posixpath import join, normpath

from contlab.linux.mountinfo import MountInfo, parse_mountinfo
from contlab.linux.parse import ParseError, number, rows, text

CONTROLLERS = ("cpu", "cpuacct", "cpuset", "freezer", "hugetlb", "io", "memory", "pids")
"""The controllers contlab speaks of, in v2's spelling ("io" is v1's "blkio"); cpuacct exists on v1 only."""

_V1_NAMES = {"blkio": "io"}
_CORE = frozenset({"cpuacct", "freezer"})
"""On v2 these are no controllers: cpu accounts by itself and every cgroup can be frozen."""


class Version(StrEnum):
    """Which of the two interfaces a hierarchy speaks."""

    V1 = "v1"
    V2 = "v2"


class Mode(StrEnum):
    """What a host mounts, cgroups(7)."""

    V1 = "v1"
    V2 = "v2"
    HYBRID = "hybrid"
    """Both: a controller is on one of them, never on two."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class CgroupSubsystem:
    """One line of /proc/cgroups, cgroups(7)."""

    subsys_name: str
    hierarchy: int
    """0: on the v2 hierarchy, or on none."""
    num_cgroups: int
    enabled: bool
    """False when the kernel was booted with ``cgroup_disable=``."""


@dataclass(frozen=True, slots=True)
class CgroupMembership:
    """One line of /proc/PID/cgroup, cgroups(7)."""

    hierarchy_ID: int
    """0 for v2."""
    controller_list: tuple[str, ...]
    """Empty for v2; ``name=...`` for a v1 hierarchy without controllers."""
    cgroup_path: str
    """Relative to the hierarchy's root, as the reader's cgroup namespace shows it."""


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One mounted tree of cgroups."""

    version: Version
    mount_point: str
    own: str
    """The directory of the reader's own cgroup; the mount point when its own lies outside of what is mounted."""


@dataclass(frozen=True, slots=True)
class Hierarchies:
    """Where each controller lives. Build it with ``find_hierarchies``."""

    mode: Mode = Mode.NONE
    controllers: dict[str, Hierarchy] = field(default_factory=dict)
    """Controller, in v2's spelling -> the tree it is on. Disabled and unmounted ones are not in it."""
    unified: Hierarchy | None = None
    """The v2 tree, on hybrid hosts too: pressure, cgroup.kill and cgroup.freeze work there without controllers."""

    def of(self, controller: str) -> Hierarchy | None:
        """The tree that has ``controller``, or None."""
        return self.controllers.get(controller)


def parse_proc_cgroups(raw: bytes) -> tuple[CgroupSubsystem, ...]:
    """/proc/cgroups: the controllers compiled into the kernel."""
    found = []
    for line in rows(raw):
        if line.startswith(b"#"):
            continue
        try:
            name, *numbers = line.split()
            hierarchy, num_cgroups, enabled = (number("cgroups", value) for value in numbers)
        except ValueError as error:
            raise ParseError("cgroups", f"line {text(line)!r}: {error}") from None
        found.append(CgroupSubsystem(text(name), hierarchy, num_cgroups, bool(enabled)))
    return tuple(found)


def parse_cgroup(raw: bytes) -> tuple[CgroupMembership, ...]:
    """/proc/PID/cgroup: the cgroups a process is in. A path may hold colons."""
    found = []
    for line in rows(raw):
        try:
            hierarchy, controllers, path = line.split(b":", 2)
        except ValueError:
            raise ParseError("cgroup", f"expected ID:controllers:path, found {text(line)!r}") from None
        names = tuple(text(name) for name in controllers.split(b",") if name)
        found.append(CgroupMembership(number("cgroup", hierarchy), names, text(path)))
    return tuple(found)


def find_hierarchies(
    mountinfo: bytes, self_cgroup: bytes, proc_cgroups: bytes, cgroup_controllers: bytes | None = None
) -> Hierarchies:
    """Where each controller lives, from the bytes of /proc/self/mountinfo, /proc/self/cgroup and /proc/cgroups.

    ``cgroup_controllers`` is the file of that name at the v2 mount point, the kernel's own word on what the v2 tree
    offers; without it, an enabled controller with hierarchy 0 is taken to be there when a v2 tree is mounted.
    """
    mounts = parse_mountinfo(mountinfo)
    paths = {membership.controller_list: membership.cgroup_path for membership in parse_cgroup(self_cgroup)}
    on_v1: dict[str, Hierarchy] = {}
    for names, path in paths.items():
        if names and (tree := _v1_tree(mounts, names, path)):
            on_v1 |= {_V1_NAMES.get(name, name): tree for name in names if not name.startswith("name=")}
    unified = _tree(Version.V2, [m for m in mounts if m.filesystem_type == "cgroup2"], paths.get((), "/"))
    on_v2: dict[str, Hierarchy] = {}
    if unified:
        on_v2 = dict.fromkeys(_v2_controllers(proc_cgroups, cgroup_controllers) - on_v1.keys(), unified)
    mode = {
        (False, False): Mode.NONE,
        (True, False): Mode.V1,
        (False, True): Mode.V2,
        (True, True): Mode.HYBRID,
    }[bool(on_v1), unified is not None]
    found = on_v1 | on_v2
    return Hierarchies(mode, {name: found[name] for name in CONTROLLERS if name in found}, unified)


def _v1_tree(mounts: tuple[MountInfo, ...], names: tuple[str, ...], path: str) -> Hierarchy | None:
    wanted = set(names)
    fitting = [m for m in mounts if m.filesystem_type == "cgroup" and wanted <= set(m.super_options.split(","))]
    return _tree(Version.V1, fitting, path)


def _tree(version: Version, mounts: list[MountInfo], path: str) -> Hierarchy | None:
    """The mount that shows ``path``, best the one that shows the whole hierarchy."""
    for mount in sorted(mounts, key=lambda mount: len(mount.root)):
        if mount.root == "/" or path == mount.root or path.startswith(mount.root + "/"):
            below = path if mount.root == "/" else path[len(mount.root) :]
            # "/../x": the own cgroup lies above the root of the cgroup namespace, so it isn't visible here.
            inside = below.strip("/") and not below.startswith("/..")
            own = normpath(join(mount.mount_point, below.lstrip("/"))) if inside else mount.mount_point
            return Hierarchy(version, mount.mount_point, own)
    return Hierarchy(version, mounts[0].mount_point, mounts[0].mount_point) if mounts else None


def _v2_controllers(proc_cgroups: bytes, cgroup_controllers: bytes | None) -> set[str]:
    if cgroup_controllers is not None:
        names = {text(name) for name in cgroup_controllers.split()}
    else:
        listed = parse_proc_cgroups(proc_cgroups)
        names = {_V1_NAMES.get(s.subsys_name, s.subsys_name) for s in listed if s.hierarchy == 0 and s.enabled}
    return names & set(CONTROLLERS) - _CORE
