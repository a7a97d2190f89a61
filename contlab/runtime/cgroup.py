"""Where a container's cgroup goes, and how it is taken away: v1, v2 and hybrid hosts through one interface."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from contlab.errors import CgroupError
from contlab.linux.cgroup import Hierarchies, Hierarchy, Version, find_hierarchies, freeze, pids_of
from contlab.runtime.delegation import Base, find_base
from contlab.runtime.limits import asked, filled, refuse_nonsense, set_limits
from contlab.runtime.operation import EnableControllers, MakeCgroup, Operation
from contlab.runtime.spec import Limits

GAUGES = ("memory", "cpu", "cpuacct", "pids", "freezer")
"""The controllers every container gets, limited or not: for the gauges, and on v1 to be frozen and killed at once."""

_NO_LIMITS = Limits()

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
    hierarchies: Hierarchies,
    name: str,
    limits: Limits,
    parent: Mapping[str, str],
    *,
    defaults: Limits = _NO_LIMITS,
    for_children: bool = False,
) -> CgroupPlan:
    """Plan the cgroup ``name`` under ``parent``'s directories (under our own cgroup where it has none).

    ``defaults``: the memory and pids limits where ``limits`` says nothing of them. ``for_children``: it will hold
    cgroups, not processes, so on v2 its controllers are passed on.
    """
    refuse_nonsense(limits)
    make: list[Operation] = []
    directories: dict[str, str] = {}
    missing: dict[str, str] = {}
    wanted = [c for c in (*GAUGES, *(("io",) if limits.io else ())) if hierarchies.of(c)]
    on_v2 = tuple(c for c in wanted if _version(hierarchies, c) is Version.V2)
    if (unified := hierarchies.unified) is not None:
        on_v2, at = _v2_place(unified, on_v2, parent, for_children and hierarchies.of("io") == unified)
        if at.directory:
            missing |= dict.fromkeys(at.lacking, at.why)
            on_v2 = tuple(c for c in on_v2 if c not in at.lacking)
            directory = f"{at.directory}/{name}"
            if at.enable:
                make.append(EnableControllers(at.directory, at.enable))
            make.append(MakeCgroup(directory, "v2"))
            if for_children and on_v2:
                make.append(EnableControllers(directory, on_v2))
            directories = {UNIFIED: directory} | dict.fromkeys(on_v2, directory)
        else:
            missing["cgroup"] = f"from {unified.own} up no directory is this user's to make cgroups in"
    for controller in wanted:
        if _version(hierarchies, controller) is Version.V2:
            continue
        if not os.access(base := parent.get(controller) or hierarchies.controllers[controller].own, os.W_OK):
            missing[controller] = f"{base} is not writable for this user"
            continue
        if (directory := f"{base}/{name}") not in directories.values():
            make.append(MakeCgroup(directory, controller))
        directories[controller] = directory
    make.extend(set_limits(hierarchies, filled(limits, defaults), directories, missing))
    if not directories:
        missing = _in_one_word(missing, limits)
    born_in = directories.get(UNIFIED, "")
    return CgroupPlan(tuple(make), directories, born_in, _to_join(directories, born_in), missing)


def _to_join(directories: dict[str, str], born_in: str) -> tuple[tuple[str, str], ...]:
    """Each v1 directory once, with the first of its controllers."""
    first = {d: c for c, d in reversed(directories.items()) if d != born_in}
    return tuple((directory, tree) for directory, tree in reversed(first.items()))


def _in_one_word(missing: dict[str, str], limits: Limits) -> dict[str, str]:
    """Without any cgroup it says nothing to name each controller: only the limits that were asked for are named."""
    if not missing:
        return missing
    why = missing.get("cgroup") or next(iter(missing.values()))
    return {"cgroup": why} | {name: reason for name, reason in missing.items() if asked(limits, name)}


def _v2_place(
    unified: Hierarchy, controllers: tuple[str, ...], parent: Mapping[str, str], likes_io: bool
) -> tuple[tuple[str, ...], Base]:
    """The controllers it is to have, and where it is made. ``likes_io``: io, too, which a group's child may ask for
    later; but not where that would lead to another place."""
    if UNIFIED in parent:
        return controllers, Base(parent[UNIFIED], lacking=tuple(c for c in controllers if c not in parent))
    if not likes_io:
        return controllers, find_base(unified, controllers)
    plain, more = find_base(unified, controllers), tuple(dict.fromkeys((*controllers, "io")))
    with_io = find_base(unified, more)
    same = (with_io.directory, with_io.lacking) == (plain.directory, plain.lacking)
    return (more, with_io) if same else (controllers, plain)


def _version(hierarchies: Hierarchies, controller: str) -> Version:
    tree = hierarchies.of(controller)
    return tree.version if tree else Version.V2


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


def set_frozen(directories: Mapping[str, str], frozen: bool, deadline: float = 1.0) -> bool:
    """Stop every member, or let them go on; returns what holds after at most ``deadline`` seconds.

    CgroupError where it can't be. A member that waits inside the kernel freezes when it comes back (state D).
    """
    unified, on_v1 = directories.get(UNIFIED, ""), directories.get("freezer", "")
    if unified and os.path.exists(f"{unified}/cgroup.freeze"):
        directory, version, state, words = unified, Version.V2, "cgroup.events", (b"frozen 0", b"frozen 1")
    elif on_v1:
        directory, version, state, words = on_v1, Version.V1, "freezer.state", (b"THAWED", b"FROZEN")
    else:
        raise CgroupError("it can't be frozen: it has no cgroup that freezes", "Run `contlab doctor` to see why.")
    file, text = freeze(version, frozen)
    if not _write(f"{directory}/{file}", text):
        raise CgroupError(f"{directory}/{file} takes no {text.decode()}", "Run `contlab doctor` to see why.")
    end = time.monotonic() + deadline
    while words[frozen] not in _read(f"{directory}/{state}").split(b"\n") and time.monotonic() < end:
        time.sleep(0.001)
    return words[True] in _read(f"{directory}/{state}").split(b"\n")


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
        if not _rmdir(top, removed):  # then something is in it, or below it
            for directory, _, _ in os.walk(top, topdown=False):
                if not _rmdir(directory, removed):
                    busy = directory
    return busy


def _rmdir(directory: str, removed: list[str]) -> bool:
    """Whether it is gone; the kernel's files in it don't count."""
    try:
        os.rmdir(directory)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno in (errno.EBUSY, errno.ENOTEMPTY):
            return False
        raise CgroupError(f"the cgroup {directory} can't be removed: {error.strerror}") from None
    removed.append(directory)
    return True


def oom_kills(directories: Mapping[str, str]) -> int:
    """How many processes the OOM killer took in this cgroup so far (memory.events; v1 memory.oom_control)."""
    if not (directory := directories.get("memory", "")):
        return 0
    name = "memory.events" if directory == directories.get(UNIFIED) else "memory.oom_control"
    for line in _read(f"{directory}/{name}").splitlines():
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
