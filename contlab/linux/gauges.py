"""What a cgroup uses: the same values from v1's and v2's files. What a version or a kernel lacks is ``Missing``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from contlab.linux.cgroup import V1_LACKS, Version, flat_keyed, nested_keyed, read_limit, single_value
from contlab.linux.parse import number, rows

Files = Mapping[str, bytes | None]
"""File name -> its bytes, None when the cgroup has no such file."""

GAUGE_FILES: dict[Version, dict[str, tuple[str, ...]]] = {
    Version.V1: {
        "memory": (
            "memory.usage_in_bytes",
            "memory.limit_in_bytes",
            "memory.stat",
            "memory.kmem.usage_in_bytes",
            "memory.max_usage_in_bytes",
            "memory.oom_control",
        ),
        "cpu": ("cpu.stat", "cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.shares"),
        "cpuacct": ("cpuacct.usage",),
        "pids": ("pids.current", "pids.max", "pids.events"),
        "io": ("blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_serviced_recursive"),
    },
    Version.V2: {
        "memory": (
            "memory.current",
            "memory.max",
            "memory.stat",
            "memory.peak",
            "memory.events",
            "memory.high",
            "memory.swap.current",
            "memory.oom.group",
        ),
        "cpu": ("cpu.stat", "cpu.max", "cpu.weight"),
        "cpuacct": (),
        "pids": ("pids.current", "pids.max", "pids.events"),
        "io": ("io.stat",),
    },
}
"""Version -> controller -> the files that the functions below read."""


@dataclass(frozen=True, slots=True)
class Missing:
    """A value that this cgroup does not give, and why."""

    reason: str


@dataclass(frozen=True, slots=True)
class MemoryGauges:
    """Bytes and counts, children included."""

    current: int
    limit: int | None
    anon: int | Missing
    file: int | Missing
    """Page cache, tmpfs included."""
    kernel: int | Missing
    peak: int | Missing
    oom_events: int | Missing
    oom_kills: int | Missing
    high: int | None
    """The limit that slows down."""
    high_events: int | Missing
    """Times it was slowed down and reclaimed from."""
    swap: int | Missing
    oom_group: bool | Missing


@dataclass(frozen=True, slots=True)
class CpuGauges:
    """µs and counts."""

    usage_us: int
    quota: float | None
    """Processors."""
    periods: int | Missing
    throttled_periods: int | Missing
    throttled_us: int | Missing
    weight: int | Missing
    """Share beside its siblings; 100 is even."""


@dataclass(frozen=True, slots=True)
class IoGauges:
    """Bytes and operations, all disks together."""

    read_bytes: int
    written_bytes: int
    reads: int
    writes: int


@dataclass(frozen=True, slots=True)
class PidsGauges:
    """Tasks."""

    current: int
    limit: int | None
    refused: int | Missing


def memory_gauges(version: Version, files: Files) -> MemoryGauges | Missing:
    """The memory controller's values."""
    v2 = version is Version.V2
    usage, limit = ("memory.current", "memory.max") if v2 else ("memory.usage_in_bytes", "memory.limit_in_bytes")
    if isinstance(current := _value(files, usage), Missing):
        return current
    stat = _keyed(files, "memory.stat")
    events = _keyed(files, "memory.events" if v2 else "memory.oom_control")
    # v1 counts a cgroup's own pages under the plain names and, with its children's, under total_*.
    anon, file = ("anon", "file") if v2 else ("total_rss", "total_cache")
    return MemoryGauges(
        current=current,
        limit=_bytes(read_limit(version, "memory", {limit: files.get(limit) or b"max"})),
        anon=_key(stat, anon, "memory.stat"),
        file=_key(stat, file, "memory.stat"),
        kernel=_kernel(stat) if v2 else _value(files, "memory.kmem.usage_in_bytes"),
        peak=_value(files, "memory.peak" if v2 else "memory.max_usage_in_bytes"),
        oom_events=_key(events, "oom", "memory.events") if v2 else Missing("cgroup v1 counts only the kills"),
        oom_kills=_key(events, "oom_kill", "memory.events" if v2 else "memory.oom_control"),
        high=_bytes(read_limit(version, "memory_high", {"memory.high": files.get("memory.high") or b"max"})),
        high_events=_key(events, "high", "memory.events") if v2 else Missing(V1_LACKS["memory_high"]),
        swap=_value(files, "memory.swap.current") if v2 else _key(stat, "total_swap", "memory.stat"),
        oom_group=_flag(files, "memory.oom.group") if v2 else Missing(V1_LACKS["oom_group"]),
    )


def cpu_gauges(version: Version, files: Files) -> CpuGauges | Missing:
    """The cpu controller's values; on v1 the time used is the cpuacct controller's, whose file goes in with cpu's."""
    stat = _keyed(files, "cpu.stat")
    if version is Version.V2:
        usage = _key(stat, "usage_usec", "cpu.stat")
        throttled = _key(stat, "throttled_usec", "cpu.stat")
        limit_file, no_limit = "cpu.max", b"max 100000"
        quota = read_limit(version, "cpus", {limit_file: files.get(limit_file) or no_limit})
    else:
        usage = _scaled(_value(files, "cpuacct.usage"))
        throttled = _scaled(_key(stat, "throttled_time", "cpu.stat"))
        given = {name: files.get(name) or default for name, default in _V1_CPU_DEFAULTS.items()}
        quota = read_limit(version, "cpus", given)
    if isinstance(usage, Missing):
        return usage
    return CpuGauges(
        usage_us=usage,
        quota=quota,
        periods=_key(stat, "nr_periods", "cpu.stat"),
        throttled_periods=_key(stat, "nr_throttled", "cpu.stat"),
        throttled_us=throttled,
        weight=_value(files, "cpu.weight") if version is Version.V2 else _weight(_value(files, "cpu.shares")),
    )


def io_gauges(version: Version, files: Files) -> IoGauges | Missing:
    """The io controller's values. v1 counts what goes to the disk at once, and writes from the page cache nowhere."""
    if version is Version.V2:
        if (raw := files.get("io.stat")) is None:
            return Missing("no io.stat here")
        disks = nested_keyed("io.stat", raw).values()
        names = ("rbytes", "wbytes", "rios", "wios")
        return IoGauges(*(sum(disk.get(name) or 0 for disk in disks) for name in names))
    totals = [_per_operation(files, name) for name in GAUGE_FILES[version]["io"]]
    if isinstance(totals[0], Missing) or isinstance(totals[1], Missing):
        return next(total for total in totals if isinstance(total, Missing))
    return IoGauges(*totals[0], *totals[1])


def _per_operation(files: Files, name: str) -> tuple[int, int] | Missing:
    """v1: lines of ``8:0 Read 123``, one for each kind of operation; reads and writes summed up."""
    if (raw := files.get(name)) is None:
        return Missing(f"no {name} here")
    sums = {b"Read": 0, b"Write": 0}
    for line in rows(raw):
        words = line.split()
        if len(words) == 3 and words[1] in sums:
            sums[words[1]] += number(name, words[2])
    return sums[b"Read"], sums[b"Write"]


_V1_CPU_DEFAULTS = {"cpu.cfs_quota_us": b"-1", "cpu.cfs_period_us": b"100000"}


def pids_gauges(version: Version, files: Files) -> PidsGauges | Missing:
    """The pids controller's values; both versions have the same files."""
    if isinstance(current := _value(files, "pids.current"), Missing):
        return current
    limit = read_limit(version, "pids", {"pids.max": files.get("pids.max") or b"max"})
    return PidsGauges(current, _bytes(limit), _key(_keyed(files, "pids.events"), "max", "pids.events"))


def _value(files: Files, name: str) -> int | Missing:
    raw = files.get(name)
    if raw is None:
        return Missing(f"no {name} here")
    value = single_value(name, raw)
    return Missing(f"{name} has no number") if value is None else value


def _flag(files: Files, name: str) -> bool | Missing:
    value = _value(files, name)
    return value if isinstance(value, Missing) else bool(value)


def _weight(shares: int | Missing) -> int | Missing:
    """v1's cpu.shares, of which 1024 is even, as v2's weight."""
    return shares if isinstance(shares, Missing) else max(1, round(shares * 100 / 1024))


def _keyed(files: Files, name: str) -> dict[str, int] | Missing:
    raw = files.get(name)
    return Missing(f"no {name} here") if raw is None else flat_keyed(name, raw)


def _key(values: dict[str, int] | Missing, key: str, name: str) -> int | Missing:
    if isinstance(values, Missing):
        return values
    return values[key] if key in values else Missing(f"{name} has no {key} on this kernel")


def _kernel(stat: dict[str, int] | Missing) -> int | Missing:
    value = _key(stat, "kernel", "memory.stat")
    return Missing("memory.stat has no kernel line before Linux 5.18") if isinstance(value, Missing) else value


def _scaled(nanoseconds: int | Missing) -> int | Missing:
    """v1 counts time in ns, v2 in µs."""
    return nanoseconds if isinstance(nanoseconds, Missing) else nanoseconds // 1000


def _bytes(limit: float | None) -> int | None:
    return None if limit is None else int(limit)
