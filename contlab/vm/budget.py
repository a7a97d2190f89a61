"""Budget: how much of this host's memory guests may take, read from the host, and what each is promised."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from contlab.errors import UnavailableError
from contlab.linux.cgroup import LIMITS, Version, find_hierarchies, read_limit
from contlab.linux.sizes import format_size
from contlab.vm.qemu import MIB

OVERHEAD = 160 * MIB
"""Bytes that QEMU takes beside the guest's RAM: its own program and heap (95 MiB were seen), and its translations."""

KEPT = 8
"""The host keeps this part of its memory (one of so many) to itself."""

_ENDLESS = 1 << 62

Read = Callable[[str], bytes]
"""Path -> a file's bytes; none where it isn't there."""

_USAGE = {Version.V1: "memory.usage_in_bytes", Version.V2: "memory.current"}


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


class Budget:
    """What may be promised to guests, and what is. Memory that is promised is not yet taken: a guest takes it late."""

    def __init__(self, total: int) -> None:
        """``total``: bytes for all guests together."""
        self.total = total
        self.promised: dict[str, int] = {}
        """Guest -> bytes."""

    @classmethod
    def of_host(cls, read: Read = _read) -> Budget:
        """What this host has free now, less what it keeps for itself, and no more than our own cgroup lets us have."""
        meminfo = read("/proc/meminfo")
        free = _kib(meminfo, "MemAvailable") - _kib(meminfo, "MemTotal") // KEPT
        return cls(max(0, min(free, *_headroom(read))))

    def take(self, name: str, memory: int) -> None:
        """Promise a guest its RAM and QEMU's share; UnavailableError when that is more than there is."""
        left = self.total - sum(self.promised.values())
        if memory + OVERHEAD > left:
            others = f"; {len(self.promised)} others have {format_size(self.total - left)}" if self.promised else ""
            raise UnavailableError(
                f"a guest of {format_size(memory)} takes up to {format_size(memory + OVERHEAD)} of this host's memory, "
                f"and {format_size(left)} are free for guests{others}",
                "Give it less (--memory 128M), or end something that is large (ps -eo rss,args --sort=-rss | head).",
            )
        self.promised[name] = memory + OVERHEAD

    def give_back(self, name: str) -> None:
        """A guest has ended."""
        self.promised.pop(name, None)


def _kib(meminfo: bytes, key: str) -> int:
    found = re.search(rb"^%s:\s+(\d+) kB$" % key.encode(), meminfo, re.MULTILINE)
    if found is None:
        raise UnavailableError(f"/proc/meminfo has no {key}", "Mount the host's /proc.")
    return int(found[1]) * 1024


def _headroom(read: Read) -> Iterator[int]:
    """What is left below each memory limit that we are under; a limit that can't be read is none."""
    tree = find_hierarchies(read("/proc/self/mountinfo"), read("/proc/self/cgroup"), read("/proc/cgroups")).of("memory")
    yield _ENDLESS
    if tree is None:
        return
    (file,) = LIMITS[tree.version]["memory"].files
    directory = tree.own
    while directory.startswith(tree.mount_point):
        limit, used = read(f"{directory}/{file}"), read(f"{directory}/{_USAGE[tree.version]}")
        if limit and used and (most := read_limit(tree.version, "memory", {file: limit})) is not None:
            yield max(0, int(most) - int(used))
        directory = directory.rpartition("/")[0]
