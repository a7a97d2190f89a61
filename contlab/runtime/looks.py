"""Looks: what an unprivileged client can't read of a container that an elevated supervisor made, read for it.

Links in /proc take the right to trace the process (ptrace(2), PTRACE_MODE_READ), and nothing else here does.
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Container

_LINK = re.compile(r"/proc/([0-9]+)/(?:root|ns/[a-z_]+)")


def readlink(path: str, pids: Container[int]) -> str:
    """The text of one of those links of one of ``pids``; OSError."""
    match = _LINK.fullmatch(path)
    if match is None or int(match[1]) not in pids:
        raise PermissionError(errno.EPERM, "not a link of a container's process", path)
    return os.readlink(path)
