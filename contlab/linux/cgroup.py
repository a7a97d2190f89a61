"""cgroup files, v1 and v2: their formats, and which file holds (and takes) what, so that both give the same values.

Sources: admin-guide/cgroup-v2.rst, admin-guide/cgroup-v1/ and scheduler/sched-bwc.rst of the kernel's documentation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from contlab.linux.hierarchies import (
    CONTROLLERS,
    CgroupMembership,
    CgroupSubsystem,
    Hierarchies,
    Hierarchy,
    Mode,
    Version,
    find_hierarchies,
    parse_cgroup,
    parse_proc_cgroups,
)
from contlab.linux.parse import ParseError, decimal, number, rows, text

__all__ = [
    "CONTROLLERS",
    "CPU_PERIOD_US",
    "LIMITS",
    "V1_LACKS",
    "CgroupMembership",
    "CgroupSubsystem",
    "Hierarchies",
    "Hierarchy",
    "Limit",
    "Mode",
    "PressureLine",
    "Version",
    "Write",
    "find_hierarchies",
    "flat_keyed",
    "freeze",
    "io_writes",
    "limit_writes",
    "nested_keyed",
    "parse_cgroup",
    "parse_proc_cgroups",
    "pids_of",
    "pressure",
    "read_io_limits",
    "read_limit",
    "single_value",
    "swap_writes",
]

CPU_PERIOD_US = 100_000
"""The kernel's default period, µs; the quota of ``cpus`` is counted over it."""

_V1_UNLIMITED = 1 << 62
"""v1 has no word for "no limit": it reads as the most pages a long can count, in bytes, and -1 sets it."""


# --- formats -------------------------------------------------------------------------------------------------------


def single_value(kind: str, raw: bytes) -> int | None:
    """A file of one number, such as memory.current; ``max`` is None."""
    value = raw.strip()
    return None if value == b"max" else number(kind, value)


def flat_keyed(kind: str, raw: bytes) -> dict[str, int]:
    """Lines of ``KEY VALUE``, such as memory.events and cpu.stat."""
    found: dict[str, int] = {}
    for line in rows(raw):
        key, _, value = line.strip().partition(b" ")
        found[text(key)] = number(kind, value)
    return found


def nested_keyed(kind: str, raw: bytes) -> dict[str, dict[str, int | None]]:
    """Lines of ``KEY SUB=VALUE SUB=VALUE``, such as io.stat and io.max; ``max`` is None."""
    found: dict[str, dict[str, int | None]] = {}
    for line in rows(raw):
        key, *pairs = line.split()
        values: dict[str, int | None] = {}
        for pair in pairs:
            name, equals, value = pair.partition(b"=")
            if not equals:
                raise ParseError(kind, f"expected KEY=VALUE, found {text(pair)!r}")
            values[text(name)] = single_value(kind, value)
        found[text(key)] = values
    return found


@dataclass(frozen=True, slots=True)
class PressureLine:
    """One line of a PSI file, accounting/psi.rst: share of time that tasks lost waiting."""

    avg10: float
    """Percent, averaged over 10 s."""
    avg60: float
    avg300: float
    total: int
    """µs since the cgroup was made."""


def pressure(kind: str, raw: bytes) -> dict[str, PressureLine]:
    """``some`` (one task or more waited) and ``full`` (all did); cpu.pressure has no ``full`` before Linux 5.13."""
    found: dict[str, PressureLine] = {}
    for line in rows(raw):
        name, *pairs = line.split()
        values = dict(pair.split(b"=", 1) for pair in pairs if b"=" in pair)
        try:
            avg10, avg60, avg300 = (decimal(kind, values[key]) for key in (b"avg10", b"avg60", b"avg300"))
            found[text(name)] = PressureLine(avg10, avg60, avg300, number(kind, values[b"total"]))
        except KeyError as missing:
            raise ParseError(kind, f"no {text(missing.args[0])} in {text(line)!r}") from None
    return found


def pids_of(kind: str, raw: bytes) -> Iterator[int]:
    """The numbers in cgroup.procs; 0 stands for a process the reader's PID namespace doesn't show, and is left out."""
    return (pid for line in rows(raw) if (pid := number(kind, line.strip())))


# --- limits --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit on one version: the controller it needs and the files that hold it."""

    controller: str
    files: tuple[str, ...]


_V1_IO = {
    "rbps": "blkio.throttle.read_bps_device",
    "wbps": "blkio.throttle.write_bps_device",
    "riops": "blkio.throttle.read_iops_device",
    "wiops": "blkio.throttle.write_iops_device",
}
"""Key of io.max -> v1's file of it."""

LIMITS: dict[Version, dict[str, Limit]] = {
    Version.V1: {
        "memory": Limit("memory", ("memory.limit_in_bytes",)),
        "cpus": Limit("cpu", ("cpu.cfs_quota_us", "cpu.cfs_period_us")),
        "pids": Limit("pids", ("pids.max",)),
        "swap": Limit("memory", ("memory.memsw.limit_in_bytes",)),
        "cpu_weight": Limit("cpu", ("cpu.shares",)),
        "io": Limit("io", tuple(_V1_IO.values())),
    },
    Version.V2: {
        "memory": Limit("memory", ("memory.max",)),
        "cpus": Limit("cpu", ("cpu.max",)),
        "pids": Limit("pids", ("pids.max",)),
        "memory_high": Limit("memory", ("memory.high",)),
        "swap": Limit("memory", ("memory.swap.max",)),
        "cpu_weight": Limit("cpu", ("cpu.weight",)),
        "io": Limit("io", ("io.max",)),
        "oom_group": Limit("memory", ("memory.oom.group",)),
    },
}
"""Version -> limit (as ``runtime.spec.Limits`` spells it) -> where it is."""

V1_LACKS = {
    "memory_high": "cgroup v1 has no memory.high: it knows no limit that slows down before the one that kills",
    "oom_group": "cgroup v1 has no memory.oom.group: its OOM killer takes one process at a time",
}
"""Limit of v2 -> why v1 can't give it."""

Write = tuple[str, bytes]
"""A file of the cgroup's directory and what to write into it, in one write(2)."""


def limit_writes(version: Version, name: str, value: float | None) -> tuple[Write, ...]:
    """What to write, in order, to set limit ``name``: bytes, processors, tasks, a weight of 1 to 10000 beside 100, or
    whether OOM kills take the whole group; None lifts it. Disks' limits are ``io_writes``'."""
    if name == "cpu_weight":
        return (_weight(version, 100 if value is None else round(value)),)
    if name == "oom_group":
        return (("memory.oom.group", b"1" if value else b"0"),)
    if name == "cpus":
        quota = None if value is None else max(1000, round(value * CPU_PERIOD_US))  # the kernel's least is 1 ms
        if version is Version.V2:
            return (("cpu.max", b"%s %d" % (b"max" if quota is None else b"%d" % quota, CPU_PERIOD_US)),)
        period = ("cpu.cfs_period_us", b"%d" % CPU_PERIOD_US)
        return (period, ("cpu.cfs_quota_us", b"%d" % (-1 if quota is None else quota)))
    (file,) = LIMITS[version][name].files
    unlimited = b"-1" if file == "memory.limit_in_bytes" else b"max"
    return ((file, unlimited if value is None else b"%d" % value),)


def read_io_limits(version: Version, files: Mapping[str, bytes]) -> dict[str, dict[str, int]]:
    """Disk ("major:minor") -> io.max's keys -> the limits in force, from the files of ``LIMITS[version]["io"]``."""
    found: dict[str, dict[str, int]] = {}
    if version is Version.V2:
        for disk, values in nested_keyed("io.max", files.get("io.max", b"")).items():
            found[disk] = {key: value for key, value in values.items() if value is not None}
        return found
    for key, file in _V1_IO.items():
        for disk, value in flat_keyed(file, files.get(file, b"")).items():
            found.setdefault(disk, {})[key] = value
    return found


def _weight(version: Version, weight: int) -> Write:
    if version is Version.V2:
        return ("cpu.weight", b"%d" % weight)
    # v1's even share is 1024, v2's 100; scaled so, two weights keep their ratio. The bounds are the kernel's.
    return ("cpu.shares", b"%d" % min(max(2, round(weight * 1024 / 100)), 1 << 18))


def swap_writes(version: Version, memory: int, swap: int = 0) -> tuple[Write, ...]:
    """What to write after a memory limit of ``memory`` bytes to allow ``swap`` more bytes: none does not soften it.

    v1 limits the sum. The files are missing on a kernel without swap accounting: then there is nothing to forbid.
    """
    if version is Version.V2:
        return (("memory.swap.max", b"%d" % swap),)
    return (("memory.memsw.limit_in_bytes", b"%d" % (memory + swap)),)


def io_writes(version: Version, device: str, limits: Mapping[str, int | None]) -> tuple[Write, ...]:
    """What to write to limit the disk ``device`` ("major:minor"): ``limits`` by io.max's keys, a second each."""
    if version is Version.V1:
        given = {name: value for name, value in limits.items() if value is not None}
        return tuple((_V1_IO[name], b"%s %d" % (device.encode(), value)) for name, value in given.items())
    words = (f"{name}={'max' if limits.get(name) is None else limits[name]}" for name in _V1_IO)
    return (("io.max", " ".join((device, *words)).encode()),)


def read_limit(version: Version, name: str, files: Mapping[str, bytes]) -> float | None:
    """The limit that is in force here, from the contents of ``LIMITS[version][name].files``; None: no limit.

    Memory is rounded down to whole pages by the kernel, so it may read lower than what was written.
    """
    if name == "cpus":
        return _cpus(version, files)
    if name not in LIMITS[version]:
        return None
    (file,) = LIMITS[version][name].files
    value = single_value(file, files[file])
    return None if value is None or (version is Version.V1 and value >= _V1_UNLIMITED) else value


def _cpus(version: Version, files: Mapping[str, bytes]) -> float | None:
    if version is Version.V2:
        fields = files["cpu.max"].split()
        if len(fields) != 2:
            raise ParseError("cpu.max", f"expected QUOTA PERIOD, found {text(files['cpu.max'])!r}")
        quota, period = single_value("cpu.max", fields[0]), number("cpu.max", fields[1])
    else:
        quota = number("cpu.cfs_quota_us", files["cpu.cfs_quota_us"])
        period = number("cpu.cfs_period_us", files["cpu.cfs_period_us"])
    return None if quota is None or quota < 0 else quota / period


def freeze(version: Version, frozen: bool) -> Write:
    """What to write to stop (or go on with) every process of a cgroup at once; v1 needs the freezer controller."""
    if version is Version.V2:
        return ("cgroup.freeze", b"1" if frozen else b"0")
    return ("freezer.state", b"FROZEN" if frozen else b"THAWED")
