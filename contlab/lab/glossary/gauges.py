"""The gauges of a cgroup: what each means, and which files it is from, on v1 and on v2."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from contlab.lab.glossary.entry import count, size
from contlab.observe.gauges import UNIFIED
from contlab.observe.snapshot import CgroupSample, CpuSample, IoSample, MemorySample, PidsSample, Pressure, Unavailable

Value = Callable[[CgroupSample], str]

_SINCE = "between the last two samples, 0.2 to 1 s apart"


@dataclass(frozen=True, slots=True)
class Read:
    """Where a value is, on one version."""

    files: tuple[str, ...]
    lines: str = ""
    """The lines of them that matter, as grep -E finds them; "": all."""

    def command(self, directory: str) -> str:
        """Prints them."""
        paths = " ".join(shlex.quote(f"{directory}/{name}") for name in self.files)
        if not self.lines:
            return f"cat {paths}"
        return f"grep -E '^({self.lines}) ' {paths}" if "|" in self.lines else f"grep '^{self.lines} ' {paths}"


@dataclass(frozen=True, slots=True)
class Gauge:
    """One value of one controller."""

    name: str
    means: str
    value: Value
    controller: str
    v2: Read
    v1: Read | None = None
    """None: the same as v2's."""


def _memory(read: Callable[[MemorySample], str]) -> Value:
    return lambda sample: _part(sample.memory, read)


def _cpu(read: Callable[[CpuSample], str]) -> Value:
    return lambda sample: _part(sample.cpu, read)


def _pids(read: Callable[[PidsSample], str]) -> Value:
    return lambda sample: _part(sample.pids, read)


def _part(part: Any, read: Callable[[Any], str]) -> str:
    return part.reason if isinstance(part, Unavailable) else read(part)


def _moved(io: IoSample) -> str:
    return f"{size(io.read_bytes)} in {io.reads} reads; {size(io.written_bytes)} in {io.writes} writes"


def _waited(pressure: Pressure) -> str:
    return f"{pressure.some_avg10:.2f} %; all of its tasks at once: {pressure.full_avg10:.2f} %"


GAUGES = {
    "memory.current": Gauge(
        "memory",
        "All that is charged to the cgroup and those below it, in bytes: the programs' own memory, page cache, and "
        "what the kernel keeps for them.",
        _memory(lambda memory: size(memory.current)),
        "memory",
        Read(("memory.current",)),
        Read(("memory.usage_in_bytes",)),
    ),
    "memory.limit": Gauge(
        "its limit, ┃",
        "Bytes. When it is reached, the kernel first takes back page cache; when there is nothing to take back, it "
        "kills (v2 says max where there is none, v1 a number near 2^63). Rounded down to whole pages.",
        _memory(lambda memory: size(memory.limit)),
        "memory",
        Read(("memory.max",)),
        Read(("memory.limit_in_bytes",)),
    ),
    "memory.share": Gauge(
        "share of the limit",
        "Computed: memory divided by its limit, in percent.",
        _memory(lambda memory: f"{memory.current / memory.limit:.1%}" if memory.limit else "no limit to be a share of"),
        "memory",
        Read(("memory.current", "memory.max")),
        Read(("memory.usage_in_bytes", "memory.limit_in_bytes")),
    ),
    "memory.oom_kills": Gauge(
        "OOM kills",
        "How many of its processes the kernel has killed because the limit was reached, and nothing could be taken "
        "back: a count since the cgroup was made.",
        _memory(lambda memory: count(memory.oom_kills)),
        "memory",
        Read(("memory.events",), "oom_kill"),
        Read(("memory.oom_control",), "oom_kill"),
    ),
    "memory.anon": Gauge(
        "█ anon",
        "Anonymous memory: heaps, stacks, what no file stands behind. Bytes; it can only be swapped out, not dropped.",
        _memory(lambda memory: size(memory.anon)),
        "memory",
        Read(("memory.stat",), "anon"),
        Read(("memory.stat",), "total_rss"),
    ),
    "memory.file": Gauge(
        "▓ file",
        "Page cache: contents of files that were read or written, tmpfs included. Bytes; the kernel drops it when it "
        "needs room, but not tmpfs.",
        _memory(lambda memory: size(memory.file)),
        "memory",
        Read(("memory.stat",), "file"),
        Read(("memory.stat",), "total_cache"),
    ),
    "memory.kernel": Gauge(
        "▒ kernel",
        "What the kernel itself keeps for it: page tables, stacks of its tasks, open files, names of files. Bytes.",
        _memory(lambda memory: size(memory.kernel)),
        "memory",
        Read(("memory.stat",), "kernel"),
        Read(("memory.kmem.usage_in_bytes",)),
    ),
    "memory.history": Gauge(
        "▁▂▃ the last minutes",
        "Memory at each sample, the newest at the right, from 0 to the limit; without a limit, to twice the most that "
        "was seen. contlab keeps 240 samples.",
        _memory(lambda memory: f"now {size(memory.current)}"),
        "memory",
        Read(("memory.current",)),
        Read(("memory.usage_in_bytes",)),
    ),
    "memory.peak": Gauge(
        "peak",
        "The most that was ever charged, in bytes, however short: samples may miss it, the kernel does not. v2 tells "
        "it from Linux 5.19 on.",
        _memory(lambda memory: size(memory.peak)),
        "memory",
        Read(("memory.peak",)),
        Read(("memory.max_usage_in_bytes",)),
    ),
    "memory.high": Gauge(
        "slowed down from",
        "A softer limit, in bytes: beyond it, its processes must give memory back before they get more. They become "
        "slow, and nobody is killed. v2 only.",
        _memory(lambda memory: size(memory.high)),
        "memory",
        Read(("memory.high",)),
    ),
    "memory.high_events": Gauge(
        "times so far",
        "How often it was beyond memory.high, and had to give memory back: a count. v2 only.",
        _memory(lambda memory: count(memory.high_events)),
        "memory",
        Read(("memory.events",), "high"),
    ),
    "cpu.percent": Gauge(
        "cpu",
        f"Processor time used {_SINCE}, in percent of one processor: computed from two readings of a counter, which is "
        "in microseconds on v2 and in nanoseconds on v1.",
        _cpu(lambda cpu: "not known yet" if cpu.percent is None else f"{cpu.percent:.1f} %"),
        "cpu",
        Read(("cpu.stat",), "usage_usec"),
        Read(("cpuacct.usage",)),
    ),
    "cpu.quota": Gauge(
        "its quota, ┃",
        "How much processor time it may use in each period, both in microseconds; shown is quota divided by period, in "
        "percent of one processor. v2 says max where there is none, v1 -1.",
        _cpu(lambda cpu: "none" if cpu.quota is None else f"{cpu.quota * 100:.0f} % of a processor"),
        "cpu",
        Read(("cpu.max",)),
        Read(("cpu.cfs_quota_us", "cpu.cfs_period_us")),
    ),
    "cpu.throttled": Gauge(
        "throttled",
        f"Of the periods that ended {_SINCE}, the share in which it used up its quota and had to wait for the next: "
        "computed from nr_throttled and nr_periods.",
        _cpu(lambda cpu: f"{cpu.throttled_percent or 0.0:.0f} %; in all {count(cpu.throttled_periods)} periods"),
        "cpu",
        Read(("cpu.stat",), "nr_periods|nr_throttled"),
    ),
    "cpu.weight": Gauge(
        "weight",
        "Its share beside its siblings while they want more than there is; no limit while a processor is idle. 100 is "
        "even. v1 counts shares of 1024, shown is the same ratio.",
        _cpu(lambda cpu: count(cpu.weight)),
        "cpu",
        Read(("cpu.weight",)),
        Read(("cpu.shares",)),
    ),
    "pids.current": Gauge(
        "pids",
        "Tasks in the cgroup and those below it, threads counted one by one.",
        _pids(lambda pids: count(pids.current)),
        "pids",
        Read(("pids.current",)),
    ),
    "pids.limit": Gauge(
        "its limit",
        "How many tasks there may be; beyond it, fork(2) and clone(2) fail with EAGAIN. The file says max where there "
        "is none.",
        _pids(lambda pids: count(pids.limit)),
        "pids",
        Read(("pids.max",)),
    ),
    "pids.refused": Gauge(
        "refused",
        "How many forks failed because a limit was reached: a count since the cgroup was made.",
        _pids(lambda pids: count(pids.refused)),
        "pids",
        Read(("pids.events",), "max"),
    ),
    "io.disks": Gauge(
        "io",
        "What it has read from and written to disks since it was made: bytes and operations, all disks added up. v1 "
        "misses what the page cache writes out later.",
        lambda sample: _part(sample.io, _moved),
        "io",
        Read(("io.stat",)),
        Read(("blkio.throttle.io_service_bytes_recursive", "blkio.throttle.io_serviced_recursive")),
    ),
    "pressure.memory": Gauge(
        "waiting for memory",
        "Share of the last 10 s in which at least one of its tasks waited for memory to be reclaimed, or to be read "
        "back: some avg10, in percent. Pressure is kept on v2 only, and on the v2 tree of a hybrid host.",
        lambda sample: _part(sample.pressure_memory, _waited),
        UNIFIED,
        Read(("memory.pressure",), "some"),
    ),
    "pressure.cpu": Gauge(
        "waiting for cpu",
        "Share of the last 10 s in which at least one of its tasks was ready to run and had no processor: some avg10, "
        "in percent. Being throttled counts, too.",
        lambda sample: _part(sample.pressure_cpu, _waited),
        UNIFIED,
        Read(("cpu.pressure",), "some"),
    ),
    "frozen": Gauge(
        "❄ frozen",
        "All its processes are stopped where they were, until it is thawed: they notice nothing, and can't refuse. "
        "frozen 1 on v2, FROZEN on v1.",
        lambda sample: _part(sample.frozen, lambda frozen: "yes" if frozen else "no"),
        "freezer",
        Read(("cgroup.events",), "frozen"),
        Read(("freezer.state",)),
    ),
}
