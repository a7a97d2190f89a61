"""Where a container's cgroup goes, and how it is taken away: v1, v2 and hybrid hosts through one interface."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from contlab.errors import CgroupError, LessonError
from contlab.linux.cgroup import (
    LIMITS,
    Hierarchies,
    Hierarchy,
    Version,
    find_hierarchies,
    freeze,
    limit_writes,
    pids_of,
    swap_writes,
)
from contlab.runtime.operation import EnableControllers, MakeCgroup, Operation, SetLimit
from contlab.runtime.spec import Limits

GAUGES = ("memory", "cpu", "cpuacct", "pids", "freezer")
"""The controllers every container gets, limited or not: for the gauges, and on v1 to be frozen and killed at once."""

UNIFIED = ""
"""The key of the v2 directory in a ``dict`` of cgroup directories."""


def read_hierarchies() -> Hierarchies:
    """Where this host's controllers are."""
    unified = next((p for p in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup") if os.path.exists(f"{p}/cgroup.procs")), "")
    return find_hierarchies(
        _read("/proc/self/mountinfo"),
        _read("/proc/self/cgroup"),
        _read("/proc/cgroups"),
        _read(f"{unified}/cgroup.controllers") if unified else None,
    )


@dataclass(frozen=True, slots=True)
class CgroupPlan:
    """How one cgroup comes to be."""

    make: tuple[Operation, ...] = ()
    """Directories and limits, in order."""
    directories: dict[str, str] = field(default_factory=dict)
    """Controller -> its directory; the v2 one under ``UNIFIED``."""
    born_in: str = ""
    """The v2 directory that clone3 can put the child into."""
    join: tuple[tuple[str, str], ...] = ()
    """The v1 directories that the child is moved into, each with its hierarchy's name."""
    missing: dict[str, str] = field(default_factory=dict)
    """Limit or "cgroup" -> why this host doesn't give it."""


def plan_cgroup(
    hierarchies: Hierarchies, name: str, limits: Limits, parent: Mapping[str, str], *, for_children: bool = False
) -> CgroupPlan:
    """Plan the cgroup ``name`` under ``parent``'s directories (under our own cgroup where it has none).

    ``for_children``: it will hold cgroups, not processes, so on v2 its controllers are passed on.
    """
    _refuse_nonsense(limits)
    make: list[Operation] = []
    directories: dict[str, str] = {}
    missing: dict[str, str] = {}
    wanted = [c for c in GAUGES if hierarchies.of(c)]
    on_v2 = tuple(c for c in wanted if _version(hierarchies, c) is Version.V2)
    if (unified := hierarchies.unified) is not None:
        base, enable = (parent[UNIFIED], ()) if UNIFIED in parent else _v2_base(unified, on_v2)
        if base:
            directory = f"{base}/{name}"
            if enable:
                make.append(EnableControllers(base, enable))
            make.append(MakeCgroup(directory, "v2"))
            if for_children and on_v2:
                make.append(EnableControllers(directory, on_v2))
            directories = {UNIFIED: directory} | dict.fromkeys(on_v2, directory)
        else:
            missing["cgroup"] = f"no cgroup above {unified.own} passes on {', '.join(on_v2) or 'anything'} to us"
    for controller in wanted:
        tree = hierarchies.of(controller)
        if tree is None or tree.version is Version.V2:
            continue
        base = parent.get(controller) or tree.own
        if not os.access(base, os.W_OK):
            missing[controller] = f"{base} is not writable for this user"
            continue
        directory = f"{base}/{name}"
        if directory not in directories.values():
            make.append(MakeCgroup(directory, controller))
        directories[controller] = directory
    for limit, writes in _limits(hierarchies, limits, directories, missing):
        controller = LIMITS[_version(hierarchies, limit)][limit].controller
        make.extend(SetLimit(f"{directories[controller]}/{f}", v.decode(), optional) for f, v, optional in writes)
    born_in = directories.get(UNIFIED, "")
    first = {d: c for c, d in reversed(directories.items()) if d != born_in}
    join = tuple((directory, tree) for directory, tree in reversed(first.items()))
    return CgroupPlan(tuple(make), directories, born_in, join, missing)


def _refuse_nonsense(limits: Limits) -> None:
    for limit, least in (("memory", 4096), ("cpus", 0.01), ("pids", 1)):
        value = getattr(limits, limit)
        if value is not None and not (least <= value < math.inf):
            raise LessonError(f"a {limit} limit of {value} lets nothing run", f"Give {least} or more, or leave it out.")


def require(limits: Limits, missing: Mapping[str, str]) -> None:
    """CgroupError when a limit was asked for that this host does not give: no limit is ignored in silence."""
    for limit in ("memory", "cpus", "pids"):
        if getattr(limits, limit) is not None and (reason := missing.get(limit)):
            raise CgroupError(
                f"the {limit} limit can't be set: {reason}",
                "Run `contlab doctor` to see what this host's cgroups allow, or leave the limit out.",
            )


def _version(hierarchies: Hierarchies, name: str) -> Version:
    tree = hierarchies.of({"cpus": "cpu"}.get(name, name))
    return tree.version if tree else Version.V2


def _limits(
    hierarchies: Hierarchies, limits: Limits, directories: Mapping[str, str], missing: dict[str, str]
) -> Iterator[tuple[str, list[tuple[str, bytes, bool]]]]:
    for limit in ("memory", "cpus", "pids"):
        value = getattr(limits, limit)
        version = _version(hierarchies, limit)
        controller = LIMITS[version][limit].controller
        if value is None:
            continue
        if controller not in directories:
            why = f"this host has no {controller} controller (not in /proc/cgroups, or disabled at boot)"
            missing.setdefault(limit, missing.get(controller) or missing.get("cgroup") or why)
            continue
        writes = [(file, text, False) for file, text in limit_writes(version, limit, value)]
        if limit == "memory":
            writes += [(file, text, True) for file, text in swap_writes(version, value)]
        yield limit, writes


def _v2_base(tree: Hierarchy, needed: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The nearest directory, from our own cgroup up, whose children can have the controllers; what to enable there.

    "No internal processes": a cgroup that holds processes can't pass on controllers, save the true root, which is
    the one without cgroup.type.
    """
    directory = tree.own
    while True:
        available = set(_read(f"{directory}/cgroup.controllers").decode().split())
        enabled = set(_read(f"{directory}/cgroup.subtree_control").decode().split())
        enable = tuple(c for c in needed if c not in enabled)
        free = not os.path.exists(f"{directory}/cgroup.type") or not _read(f"{directory}/cgroup.procs").strip()
        if os.access(directory, os.W_OK) and set(needed) <= available and (not enable or free):
            return directory, enable
        if directory == tree.mount_point or len(directory) <= 1:
            return "", ()
        directory = os.path.dirname(directory)


def members(directories: Mapping[str, str]) -> set[int]:
    """Every process in any of the cgroup's directories and below them."""
    found: set[int] = set()
    for top in dict.fromkeys(directories.values()):
        for directory, _, _ in os.walk(top):
            found.update(pids_of("cgroup.procs", _read(f"{directory}/cgroup.procs")))
    return found


def kill_all(directories: Mapping[str, str]) -> None:
    """SIGKILL every member. cgroup.kill (Linux 5.14) takes them at once; else they are frozen first, so that a
    fork bomb can't outrun the loop."""
    unified = directories.get(UNIFIED, "")
    if unified and _write(f"{unified}/cgroup.kill", b"1") and not members(directories):
        return
    freezer = next((d for d in directories.values() if os.path.exists(f"{d}/freezer.state")), "")
    if freezer:
        _freeze(freezer, True)
    for pid in members(directories):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    # A frozen process (v1) dies only once it is thawed; whoever froze it may have done so further down.
    for directory, _, _ in os.walk(freezer) if freezer else ():
        _freeze(directory, False)


def _freeze(directory: str, frozen: bool) -> None:
    file, text = freeze(Version.V1, frozen)
    _write(f"{directory}/{file}", text)


def remove(
    directories: Mapping[str, str], deadline: float = 5.0, reap: Callable[[], None] = lambda: None
) -> tuple[str, ...]:
    """Kill what is in the cgroup and rmdir it, children first; returns what was removed.

    rmdir is EBUSY until the last member is gone, before Linux 5.2 zombies included, so ``reap`` is called between
    tries. CgroupError after ``deadline`` seconds.
    """
    removed: list[str] = []
    end = time.monotonic() + deadline
    pause = 0.0005
    while True:
        busy = _remove_once(directories, removed)
        if not busy:
            return tuple(removed)
        if time.monotonic() > end:
            raise CgroupError(
                f"the cgroup {busy} can't be removed: processes {sorted(members(directories))} in it don't die",
                "They wait inside the kernel (state D in `ps`); run `contlab doctor --clean` later.",
            )
        kill_all(directories)
        reap()
        time.sleep(pause)
        pause = min(pause * 2, 0.05)


def _remove_once(directories: Mapping[str, str], removed: list[str]) -> str:
    busy = ""
    for top in dict.fromkeys(directories.values()):
        for directory, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(directory)
                removed.append(directory)
            except FileNotFoundError:
                continue
            except OSError as error:
                if error.errno not in (errno.EBUSY, errno.ENOTEMPTY):
                    raise CgroupError(f"the cgroup {directory} can't be removed: {error.strerror}") from None
                busy = directory
    return busy


def oom_kills(directories: Mapping[str, str]) -> int:
    """How many processes the OOM killer took in this cgroup so far (memory.events; v1 memory.oom_control)."""
    directory = directories.get("memory", "")
    for name in ("memory.events", "memory.oom_control"):
        for line in _read(f"{directory}/{name}").splitlines() if directory else ():
            key, _, value = line.partition(b" ")
            if key == b"oom_kill":
                return int(value)
    return 0


def _read(path: str) -> bytes:
    """A kernel file's bytes; none where it is missing or its cgroup has just gone (ENODEV)."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except (FileNotFoundError, PermissionError):
        return b""
    except OSError as error:
        if error.errno in (errno.ENODEV, errno.EOPNOTSUPP):  # just removed; threaded, so that it has no cgroup.procs
            return b""
        raise


def _write(path: str, text: bytes) -> bool:
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.write(fd, text) == len(text)
    except OSError:
        return False
    finally:
        os.close(fd)
