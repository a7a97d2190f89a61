"""Hosts as files: cgroup trees of v1, v2 and both, as plain directories below a temporary one."""

from __future__ import annotations

from pathlib import Path

from contlab.linux.hierarchies import Hierarchies, Hierarchy, Mode, Version

CONTROLLERS = ("memory", "cpu", "cpuacct", "pids", "freezer")


def cgroup(directory: Path, controllers: str = "", passed_on: str = "", procs: str = "", root: bool = False) -> Path:
    """One v2 cgroup's files; the true root is the one without cgroup.type."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "cgroup.controllers").write_text(controllers)
    (directory / "cgroup.subtree_control").write_text(passed_on)
    (directory / "cgroup.procs").write_text(procs)
    if not root:
        (directory / "cgroup.type").write_text("domain\n")
    return directory


def v1(top: Path) -> Hierarchies:
    """A hierarchy for each controller, but cpu and cpuacct share one, as systemd mounts them."""
    places = {name: top / ("cpu,cpuacct" if name.startswith("cpu") else name) for name in CONTROLLERS}
    for place in places.values():
        place.mkdir(exist_ok=True)
    trees = {name: Hierarchy(Version.V1, str(place), str(place)) for name, place in places.items()}
    return Hierarchies(Mode.V1, trees)


def v2(top: Path) -> Hierarchies:
    """A booted kernel without systemd: we are in the root cgroup, and nothing is passed on yet."""
    cgroup(top, "cpuset cpu io memory pids\n", "", "1\n7\n", root=True)
    unified = Hierarchy(Version.V2, str(top), str(top))
    return Hierarchies(Mode.V2, dict.fromkeys(("cpu", "memory", "pids"), unified), unified)


def hybrid(top: Path) -> Hierarchies:
    """All controllers on v1, and a v2 tree without any beside them."""
    unified = cgroup(top / "unified", root=True)
    return Hierarchies(Mode.HYBRID, v1(top).controllers, Hierarchy(Version.V2, str(unified), str(unified)))
