"""Runs and their leftovers: which runs are alive, and how to remove what a killed one could not.

A run is alive while its supervisor holds the lock of its file; the kernel lets go of it with the process, whatever
killed it. Everything else that carries the run's name is then a leftover.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from dataclasses import dataclass

from contlab.linux.flags import MNT
from contlab.linux.mountinfo import MountInfo, parse_mountinfo
from contlab.linux.syscalls import umount2
from contlab.runtime import cgroup

_NAME = re.compile(r"contlab-([0-9a-f]{8})(?=[-./]|$)")
"""A run's name inside that of a cgroup, directory or mount."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep found."""

    removed: tuple[str, ...] = ()
    """Processes, cgroups, mounts and directories of dead runs, in words."""
    alive: tuple[str, ...] = ()
    """Runs that are going on, and were left alone."""


def hold(root: str, run: str) -> int:
    """Make the run's lock file and hold its lock; the descriptor must stay open as long as the run lives."""
    path = _lock(root, run)
    os.makedirs(root, mode=0o755, exist_ok=True)
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        # A record lock and not flock(2): the latter would live on in every forked child.
        fcntl.lockf(fd, fcntl.LOCK_EX)
        try:
            if os.stat(path).st_ino == os.fstat(fd).st_ino:
                return fd
        except FileNotFoundError:
            pass
        os.close(fd)  # a sweep removed the file between open and lock


def sweep(root: str) -> Swept:
    """Remove everything of dead runs: first the processes and cgroups, then mounts, then directories."""
    runs = _runs(root)
    alive = sorted(run for run in runs if _alive(root, run))
    dead = runs - set(alive)
    removed: list[str] = []
    for run in sorted(dead):
        directories = {path: path for path in _cgroups(run)}
        if directories:
            removed += [f"process {pid}" for pid in sorted(cgroup.members(directories))]
            removed += [f"cgroup {path}" for path in cgroup.remove(directories)]
        for mount_point in reversed(_mounts(run)):
            umount2(mount_point, MNT.DETACH)
            removed.append(f"mount {mount_point}")
        directory = os.path.join(root, f"contlab-{run}")
        if os.path.isdir(directory):
            shutil.rmtree(directory)
            removed.append(f"directory {directory}")
        _unlink_dead_lock(root, run)
    return Swept(tuple(removed), tuple(alive))


def _lock(root: str, run: str) -> str:
    return os.path.join(root, f"contlab-{run}.lock")


def _alive(root: str, run: str) -> bool:
    try:
        fd = os.open(_lock(root, run), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except PermissionError:
        return True  # another user's
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def _unlink_dead_lock(root: str, run: str) -> None:
    try:
        fd = os.open(_lock(root, run), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(_lock(root, run))
    except BlockingIOError:
        return
    finally:
        os.close(fd)


def _runs(root: str) -> set[str]:
    names = list(os.listdir(root)) if os.path.isdir(root) else []
    names += _cgroups("")
    names += [mount.mount_point for mount in _mountinfo()]
    return {match.group(1) for name in names if (match := _NAME.search(name))}


def _cgroups(run: str) -> list[str]:
    """Directories of cgroups that carry the run's name (any run's, for "")."""
    found: list[str] = []
    for mount in _mountinfo():
        if mount.filesystem_type not in ("cgroup", "cgroup2"):
            continue
        for directory, names, _ in os.walk(mount.mount_point):
            ours = [n for n in names if (m := _NAME.match(n)) and run in ("", m.group(1))]
            found += [os.path.join(directory, name) for name in ours]
            names[:] = [name for name in names if name not in ours]
    return found


def _mounts(run: str) -> list[str]:
    return [m.mount_point for m in _mountinfo() if (n := _NAME.search(m.mount_point)) and n.group(1) == run]


def _mountinfo() -> tuple[MountInfo, ...]:
    with open("/proc/self/mountinfo", "rb") as file:
        return parse_mountinfo(file.read())
