"""Source: where the bytes of kernel files come from. This host, and later a guest, look the same to the parsers."""

from __future__ import annotations

import errno
import os
from typing import Protocol

from contlab.linux.parse import text

_BLOCK = 1 << 16


class Source(Protocol):
    """Reads by absolute path. What is missing, has vanished or is forbidden raises the OSError that says so."""

    def read(self, path: str) -> bytes:
        """A file, whole."""
        ...

    def readlink(self, path: str) -> str:
        """A link's text; bytes that aren't UTF-8 as ``\\xNN``."""
        ...

    def listdir(self, path: str) -> list[str]:
        """The names in a directory, in no order."""
        ...


class HostSource:
    """The kernel that contlab runs on; with ``root``, a directory that stands for it (in tests)."""

    def __init__(self, root: str = "") -> None:
        self.root = root

    def read(self, path: str) -> bytes:
        """read(2) until it gives nothing: /proc files have no length, and seq files come a page at a time."""
        fd = os.open(self.root + path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            first = os.read(fd, _BLOCK)
            parts = [first]
            while part := os.read(fd, _BLOCK):
                parts.append(part)
        finally:
            os.close(fd)
        return first if len(parts) == 1 else b"".join(parts)

    def readlink(self, path: str) -> str:
        """readlink(2)."""
        return text(os.fsencode(os.readlink(self.root + path)))  # noqa: PTH115 - Path would clean the text up

    def listdir(self, path: str) -> list[str]:
        """The names as ``os.listdir`` gives them, fit to be put into a path again."""
        return os.listdir(self.root + path)


_ABSENT = {errno.ENOENT, errno.ENOTDIR, errno.ESRCH, errno.ENODEV, errno.EOPNOTSUPP, errno.EINVAL}
"""No such file; no directory; the process is gone (ESRCH) or a zombie without mounts (EINVAL); the cgroup was removed
while its file was open (ENODEV); pressure is switched off (EOPNOTSUPP)."""


def is_absent(error: OSError) -> bool:
    """Whether the file isn't there, or what it spoke of is gone: a value, no error."""
    return error.errno in _ABSENT


def read_or_none(source: Source, path: str) -> bytes | None:
    """A file's bytes, None when it isn't there. Being refused is still an error."""
    try:
        return source.read(path)
    except OSError as error:
        if is_absent(error):
            return None
        raise
