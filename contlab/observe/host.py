"""A few facts of the machine a source reads from."""

from __future__ import annotations

import msgspec

from contlab.linux.proc import parse_meminfo
from contlab.observe.source import Source
from contlab.observe.views import read_hostname


class HostFacts(msgspec.Struct, frozen=True, tag="hostfacts"):
    """One machine at one moment."""

    kernel: str
    """uname -r."""
    hostname: str
    processes: int
    """Kernel threads included, as far as the reader's PID namespace shows them."""
    mem_total: int
    """Bytes."""
    mem_available: int
    """Bytes that new programs could have without swapping (proc_meminfo(5))."""


def read_kernel(source: Source) -> str:
    """uname -r of the kernel that answers."""
    return source.read("/proc/sys/kernel/osrelease").decode("utf-8", "backslashreplace").strip()


def host_facts(source: Source) -> HostFacts:
    """Read now; OSError where there is no /proc."""
    memory = parse_meminfo(source.read("/proc/meminfo"))
    return HostFacts(
        kernel=read_kernel(source),
        hostname=read_hostname(source) or "",
        processes=sum(name.isdecimal() for name in source.listdir("/proc")),
        mem_total=memory["MemTotal"],
        mem_available=memory["MemAvailable"],
    )
