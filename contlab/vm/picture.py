"""Picture: the files of a guest as they were in one moment, with the reading methods of a file system.

It has the shape of ``observe.source.Source``, so the host's parsers and sampler read a guest through it.
"""

from __future__ import annotations

import errno
import io
import os
import stat

from contlab.vm import cpio

PROCESSES = ("/proc/[0-9]*/stat", "/proc/[0-9]*/status", "/proc/[0-9]*/cmdline", "/proc/[0-9]*/cgroup")
"""Patterns of what a process list is made from."""

FIRST = (
    "/proc/1/mountinfo",
    "/proc/1/uid_map",
    "/proc/1/gid_map",
    "/proc/1/ns/*",
    "/proc/1/root",
    "/proc/1/limits",
    "/proc/1/net/dev",
    "/proc/1/net/fib_trie",
    "/proc/1/net/route",
    "/proc/1/net/if_inet6",
    "/proc/1/net/igmp",
    "/proc/self/mountinfo",
    "/proc/self/cgroup",
    "/proc/self/ns/*",
)
"""Patterns of what else is known of the guest's first process."""

MACHINE = (
    "/proc/sys/kernel/osrelease",
    "/proc/sys/kernel/hostname",
    "/proc/meminfo",
    "/proc/vmstat",
    "/proc/stat",
    "/proc/uptime",
    "/proc/loadavg",
    "/proc/pressure/*",
    "/proc/cgroups",
    "/sys/fs/cgroup/cgroup.*",
    "/sys/fs/cgroup/cpu.stat",
)
"""Patterns of what is known of the guest as a whole."""

ALL = (*PROCESSES, *FIRST, *MACHINE)


class GuestSource:
    """Always the latest picture: a ``Sampler`` keeps its source, and the guest goes on. Set ``picture`` anew for each
    look."""

    def __init__(self, picture: Picture) -> None:
        self.picture = picture

    def read(self, path: str) -> bytes:
        """A file, whole."""
        return self.picture.read(path)

    def readlink(self, path: str) -> str:
        """A link's text."""
        return self.picture.readlink(path)

    def listdir(self, path: str) -> list[str]:
        """The names in a directory that were asked for and were there."""
        return self.picture.listdir(path)


class Picture:
    """What an archive of a guest's files holds, by absolute path. All else isn't there (ENOENT)."""

    def __init__(self, archive: bytes) -> None:
        self._entries = {f"/{entry.name.lstrip('./')}": entry for entry in cpio.read(io.BytesIO(archive))}
        self._names: dict[str, set[str]] = {}
        for path in self._entries:
            above, _, name = path.rpartition("/")
            self._names.setdefault(above or "/", set()).add(name)

    def read(self, path: str) -> bytes:
        """A file, whole."""
        entry = self._entry(path)
        if not stat.S_ISREG(entry.mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        return entry.content

    def readlink(self, path: str) -> str:
        """A link's text."""
        entry = self._entry(path)
        if not stat.S_ISLNK(entry.mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path)
        return entry.content.decode("utf-8", "backslashreplace")

    def listdir(self, path: str) -> list[str]:
        """The names in a directory that were asked for and were there."""
        if path != "/" and not stat.S_ISDIR(self._entry(path).mode):
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        return sorted(self._names.get(path, ()))

    def _entry(self, path: str) -> cpio.Entry:
        try:
            return self._entries[path]
        except KeyError:
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), path) from None
