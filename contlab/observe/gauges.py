"""A container's cgroup as a CgroupSample: gauges, pressure, and which ancestor's limit is the one in force."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from posixpath import dirname
from typing import TypeVar

import msgspec

from contlab.linux.cgroup import LIMITS, Hierarchies, Hierarchy, Version, pressure, read_io_limits, read_limit
from contlab.linux.gauges import GAUGE_FILES, Missing, cpu_gauges, io_gauges, memory_gauges, pids_gauges
from contlab.observe.rates import percent_of_count, percent_of_time
from contlab.observe.snapshot import CgroupSample, CpuSample, IoSample, MemorySample, PidsSample, Pressure, Unavailable
from contlab.observe.source import Source, read_or_none

UNIFIED = ""
"""The key of the v2 directory, as in ``runtime.events.Started.cgroups``."""

LIMITED = {
    "memory": ("memory", "memory"),
    "cpu": ("cpu", "cpus"),
    "pids": ("pids", "pids"),
    "memory.high": ("memory", "memory_high"),
    "io": ("io", "io"),
}
"""Key in ``biting`` -> controller, and the name of its limit."""

T = TypeVar("T")


class GaugeReader:
    """Reads one container's gauges; remembers the last reading for rates."""

    def __init__(self, source: Source, hierarchies: Hierarchies) -> None:
        self._source = source
        self._hierarchies = hierarchies
        self._cpu: CpuSample | Unavailable = Unavailable("not read")
        self._at = 0.0

    def read(self, cgroups: Mapping[str, str], now_us: float) -> CgroupSample | Unavailable:
        """The gauges of the directories ``cgroups`` (controller -> directory)."""
        path = cgroups.get(UNIFIED) or next(iter(cgroups.values()), "")
        if not path:
            return Unavailable("it has no cgroup of its own")
        if read_or_none(self._source, f"{path}/cgroup.procs") is None:
            return Unavailable(f"the cgroup {path} is gone")
        cpu = self._rates(self._read_cpu(cgroups), now_us)
        self._cpu, self._at = cpu, now_us
        return CgroupSample(
            version=self._hierarchies.mode.value,
            path=path,
            memory=self._read_memory(cgroups),
            cpu=cpu,
            pids=self._read_pids(cgroups),
            pressure_memory=self._pressure(cgroups, "memory.pressure"),
            pressure_cpu=self._pressure(cgroups, "cpu.pressure"),
            biting=self._biting(cgroups),
            pressure_io=self._pressure(cgroups, "io.pressure"),
            io=self._read_io(cgroups),
            frozen=self._read_frozen(cgroups),
            directories=self._directories(cgroups),
        )

    def _directories(self, cgroups: Mapping[str, str]) -> dict[str, str]:
        """Where each controller's files are read."""
        places = {controller: self._place(cgroups, controller) for controller in self._hierarchies.controllers}
        found = {controller: place[1] for controller, place in places.items() if not isinstance(place, Unavailable)}
        return found | ({UNIFIED: cgroups[UNIFIED]} if UNIFIED in cgroups else {})

    def _place(self, cgroups: Mapping[str, str], controller: str) -> tuple[Hierarchy, str] | Unavailable:
        """The tree that has the controller, and the container's directory on it."""
        tree = self._hierarchies.of(controller)
        if tree is None:
            return Unavailable(f"this host has no {controller} controller")
        directory = cgroups.get(controller) or (cgroups.get(UNIFIED) if tree.version is Version.V2 else None)
        return (tree, directory) if directory else Unavailable(f"it has no {controller} cgroup of its own")

    def _files(self, cgroups: Mapping[str, str], controller: str) -> tuple[Version, dict[str, bytes | None]] | Missing:
        place = self._place(cgroups, controller)
        if isinstance(place, Unavailable):
            return Missing(place.reason)
        tree, directory = place
        names = GAUGE_FILES[tree.version][controller]
        return tree.version, {name: read_or_none(self._source, f"{directory}/{name}") for name in names}

    def _read_memory(self, cgroups: Mapping[str, str]) -> MemorySample | Unavailable:
        found = self._files(cgroups, "memory")
        gauges = found if isinstance(found, Missing) else memory_gauges(*found)
        if isinstance(gauges, Missing):
            return Unavailable(gauges.reason)
        return MemorySample(
            current=gauges.current,
            limit=gauges.limit,
            anon=_value(gauges.anon),
            file=_value(gauges.file),
            kernel=_value(gauges.kernel),
            peak=_value(gauges.peak),
            oom_events=_value(gauges.oom_events),
            oom_kills=_value(gauges.oom_kills),
            high=gauges.high,
            high_events=_value(gauges.high_events),
            swap=_value(gauges.swap),
            oom_group=_value(gauges.oom_group),
        )

    def _read_cpu(self, cgroups: Mapping[str, str]) -> CpuSample | Unavailable:
        found = self._files(cgroups, "cpu")
        if isinstance(found, Missing):
            return Unavailable(found.reason)
        version, files = found
        if version is Version.V1:
            # v1 splits the limit (cpu) from the accounting (cpuacct); both may be one tree, or two.
            used = self._files(cgroups, "cpuacct")
            if isinstance(used, Missing):
                return Unavailable(used.reason)
            files |= used[1]
        gauges = cpu_gauges(version, files)
        if isinstance(gauges, Missing):
            return Unavailable(gauges.reason)
        return CpuSample(
            usage_us=gauges.usage_us,
            quota=gauges.quota,
            periods=_value(gauges.periods),
            throttled_periods=_value(gauges.throttled_periods),
            throttled_us=_value(gauges.throttled_us),
            weight=_value(gauges.weight),
        )

    def _rates(self, now: CpuSample | Unavailable, now_us: float) -> CpuSample | Unavailable:
        before = self._cpu
        if isinstance(now, Unavailable) or isinstance(before, Unavailable):
            return now
        throttled_percent = None
        counts = (before.throttled_periods, now.throttled_periods, before.periods, now.periods)
        if not any(isinstance(count, Unavailable) for count in counts):
            throttled_percent = percent_of_count(*(count for count in counts if isinstance(count, int)))
        percent = percent_of_time(before.usage_us, now.usage_us, self._at, now_us)
        return msgspec.structs.replace(now, percent=percent, throttled_percent=throttled_percent)

    def _read_pids(self, cgroups: Mapping[str, str]) -> PidsSample | Unavailable:
        found = self._files(cgroups, "pids")
        gauges = found if isinstance(found, Missing) else pids_gauges(*found)
        if isinstance(gauges, Missing):
            return Unavailable(gauges.reason)
        return PidsSample(gauges.current, gauges.limit, _value(gauges.refused))

    def _read_io(self, cgroups: Mapping[str, str]) -> IoSample | Unavailable:
        found = self._files(cgroups, "io")
        gauges = found if isinstance(found, Missing) else io_gauges(*found)
        if isinstance(gauges, Missing):
            return Unavailable(gauges.reason)
        return IoSample(gauges.read_bytes, gauges.written_bytes, gauges.reads, gauges.writes)

    def _read_frozen(self, cgroups: Mapping[str, str]) -> bool | Unavailable:
        """v2 freezes every cgroup but the root; v1 those of its freezer."""
        if (directory := cgroups.get(UNIFIED)) and (raw := read_or_none(self._source, f"{directory}/cgroup.events")):
            return b"frozen 1" in raw.split(b"\n")
        if (directory := cgroups.get("freezer")) and (raw := read_or_none(self._source, f"{directory}/freezer.state")):
            return raw.strip() == b"FROZEN"
        return Unavailable("it has no cgroup that freezes")

    def _pressure(self, cgroups: Mapping[str, str], name: str) -> Pressure | Unavailable:
        if UNIFIED not in cgroups:
            return Unavailable("only cgroup v2 keeps pressure for each cgroup")
        raw = read_or_none(self._source, f"{cgroups[UNIFIED]}/{name}")
        if raw is None:
            return Unavailable("this kernel keeps no pressure (CONFIG_PSI, or psi=1 at boot)")
        lines = pressure(name, raw)
        if "some" not in lines or "full" not in lines:
            return Unavailable(f"{name} has no full line before Linux 5.13")
        some, full = lines["some"], lines["full"]
        return Pressure(some.avg10, full.avg10, some.total, full.total)

    def _biting(self, cgroups: Mapping[str, str]) -> dict[str, str]:
        """Controller -> the nearest directory, upwards, with the smallest limit: the one that will be met first."""
        least: dict[str, tuple[float, str]] = {}
        for name, (controller, limit) in LIMITED.items():
            place = self._place(cgroups, controller)
            if isinstance(place, Unavailable) or limit not in LIMITS[place[0].version]:
                continue
            for directory, value in self._upwards(limit, *place):
                for key, number in value.items():
                    if number < least.get(f"{name}{key}", (inf, ""))[0]:
                        least[f"{name}{key}"] = number, directory
        return {key: directory for key, (_, directory) in least.items()}

    def _upwards(self, limit: str, tree: Hierarchy, directory: str) -> Iterator[tuple[str, dict[str, float]]]:
        """From the cgroup up to the root: the limits of each, an io limit's by disk and kind."""
        files = LIMITS[tree.version][limit].files
        while len(directory) > 1:
            contents = {file: read_or_none(self._source, f"{directory}/{file}") for file in files}
            given = {file: raw for file, raw in contents.items() if raw is not None}
            if len(given) == len(files):  # the root of a v2 tree has no limits
                if limit == "io":
                    disks = read_io_limits(tree.version, given).items()
                    yield (
                        directory,
                        {f" {disk} {key}": value for disk, values in disks for key, value in values.items()},
                    )
                elif (value := read_limit(tree.version, limit, given)) is not None:
                    yield directory, {"": value}
            if directory == tree.mount_point:
                break
            directory = dirname(directory)


def _value(gauge: T | Missing) -> T | Unavailable:
    return Unavailable(gauge.reason) if isinstance(gauge, Missing) else gauge
