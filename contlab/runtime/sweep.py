"""Runs and their leftovers: which runs are alive, and how to remove what a killed one could not.

A run is alive while its supervisor holds the lock of its file; the kernel lets go of it with the process, whatever
killed it. Everything else that carries the run's name is then a leftover. The file is made first and removed last,
so what has none, of another user or another runtime directory, is not ours to judge.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
from _thread import allocate_lock  # importing threading makes every fork of the supervisor a third dearer
from dataclasses import dataclass

from contlab.errors import ContlabError, RuntimeFailure
from contlab.linux.errno import SyscallError
from contlab.linux.flags import MNT
from contlab.linux.mountinfo import MountInfo, parse_mountinfo
from contlab.linux.syscalls import umount2
from contlab.runtime import cgroup

MOUNTINFO = "/proc/self/mountinfo"

_LOCK = re.compile(r"contlab-([0-9a-f]{8})\.lock")

_sweeping = allocate_lock()
"""Record locks belong to a process: between its own threads they exclude nobody."""


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep found."""

    removed: tuple[str, ...] = ()
    """Processes, cgroups, mounts and directories of dead runs, in words."""
    alive: tuple[str, ...] = ()
    """Runs that are going on, and were left alone."""
    stuck: tuple[ContlabError, ...] = ()
    """What could not be removed: why, and what to do."""


def hold(root: str, run: str) -> int:
    """Make the run's lock file and hold its lock; the descriptor must stay open as long as the run lives."""
    path = _lock(root, run)
    os.makedirs(root, mode=0o755, exist_ok=True)
    if os.stat(root).st_uid != os.geteuid():  # in /tmp anyone may have been first
        raise PermissionError(errno.EPERM, "it belongs to another user", root)
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        # A record lock and not flock(2): the latter would live on in every forked child.
        fcntl.lockf(fd, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if os.stat(path).st_ino == os.fstat(fd).st_ino:
                return fd
        os.close(fd)  # a sweep removed the file between open and lock


def release(directory: str) -> None:
    """At the end of a run that has removed its containers: its directory, and last the file that stands for it."""
    remove_tree(directory)
    os.unlink(f"{directory}.lock")


def sweep(root: str) -> Swept:
    """Remove everything of dead runs: first the processes and cgroups, then mounts, then directories."""
    removed: list[str] = []
    alive: list[str] = []
    stuck: list[ContlabError] = []
    with _sweeping:
        for run in _runs(root):
            fd = _claim(root, run)
            if fd is None:
                alive.append(run)
                continue
            try:
                _remove(os.path.join(root, f"contlab-{run}"), run, removed)
                os.unlink(_lock(root, run))
            except ContlabError as error:
                stuck.append(error)
            except OSError as error:
                what = error.filename or f"{root}/contlab-{run}"
                by_hand = f"rm -r --one-file-system {root}/contlab-{run}, and then contlab doctor --clean again"
                stuck.append(RuntimeFailure(f"{what} can't be removed: {error.strerror}", by_hand))
            finally:
                os.close(fd)
    return Swept(tuple(removed), tuple(alive), tuple(stuck))


def remove_tree(path: str) -> tuple[str, ...]:
    """Remove a directory and all mounts in it; returns both, in words.

    A mount left in it would be emptied, too, and it may be anything: a process in the host's mount namespace that
    was let keep CAP_SYS_ADMIN binds "/" below its root just as it likes.
    """
    removed: list[str] = []
    for mount in reversed(_mounts_below(path)):
        try:
            umount2(mount, MNT.DETACH)
        except SyscallError as refusal:
            raise RuntimeFailure(f"{mount} can't be unmounted: {refusal.explanation}", f"umount -l {mount}") from None
        removed.append(f"mount {mount}")
    if left := _mounts_below(path):
        raise RuntimeFailure(f"something goes on mounting below {path}: {left[0]}", f"umount -l {left[0]}")
    if os.path.isdir(path):
        try:
            shutil.rmtree(path)
        except PermissionError:  # a directory that its owner, a plain user, may not write to
            for directory, names, _ in os.walk(path):
                for name in names:
                    if not os.path.islink(inner := os.path.join(directory, name)):
                        os.chmod(inner, 0o700)  # before os.walk goes into it
            shutil.rmtree(path)
        removed.append(f"directory {path}")
    return tuple(removed)


def _remove(directory: str, run: str, removed: list[str]) -> None:
    if cgroups := {path: path for path in _cgroups(run)}:
        removed += [f"process {pid}" for pid in sorted(cgroup.members(cgroups))]
        removed += [f"cgroup {path}" for path in cgroup.remove(cgroups)]
    removed += remove_tree(directory)


def _lock(root: str, run: str) -> str:
    return os.path.join(root, f"contlab-{run}.lock")


def _runs(root: str) -> list[str]:
    names = os.listdir(root) if os.path.isdir(root) else []
    return sorted(match[1] for name in names if (match := _LOCK.fullmatch(name)))


def _claim(root: str, run: str) -> int | None:
    """The lock of a dead run, held while it is cleared away; None when the run is alive, or just ended by itself."""
    try:
        fd = os.open(_lock(root, run), os.O_RDWR | os.O_CLOEXEC)
    except (FileNotFoundError, PermissionError):
        return None
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(fd)
        return None
    return fd


def _cgroups(run: str) -> list[str]:
    """Directories of cgroups that carry the run's name; those below them go with them."""
    found: list[str] = []
    for mount in _mountinfo():
        if mount.filesystem_type not in ("cgroup", "cgroup2"):
            continue
        for directory, names, _ in os.walk(mount.mount_point):
            ours = [name for name in names if name.startswith(f"contlab-{run}-")]
            found += [os.path.join(directory, name) for name in ours]
            names[:] = [name for name in names if name not in ours]
    return found


def _mounts_below(path: str) -> list[str]:
    path = os.path.realpath(path)
    points = [mount.mount_point for mount in _mountinfo()]
    return [point for point in points if point == path or point.startswith(f"{path}/")]


def _mountinfo() -> tuple[MountInfo, ...]:
    with open(MOUNTINFO, "rb") as file:
        return parse_mountinfo(file.read())
