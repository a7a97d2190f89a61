"""The same values from v1's and v2's files, as recorded after one OOM kill, one refused fork and throttling."""

from __future__ import annotations

from pathlib import Path

import pytest

from contlab.linux.cgroup import Version
from contlab.linux.gauges import GAUGE_FILES, Missing, cpu_gauges, memory_gauges, pids_gauges

DATA = Path(__file__).resolve().parents[1] / "data"
STAGE = "2-oom-throttled-refused"


def files(version: Version, stage: str, *controllers: str) -> dict[str, bytes | None]:
    found: dict[str, bytes | None] = {}
    for controller in controllers:
        folder = DATA / ("6.1-v2/cgroup" if version is Version.V2 else "6.18-hybrid/cgroup") / stage
        for name in GAUGE_FILES[version][controller]:
            path = folder / name if version is Version.V2 else folder / controller / name
            found[name] = path.read_bytes() if path.exists() else None
    return found


def test_memory_on_v2():
    gauges = memory_gauges(Version.V2, files(Version.V2, STAGE, "memory"))

    assert (gauges.current, gauges.limit, gauges.peak) == (282624, 33554432, 33554432)
    assert (gauges.anon, gauges.file, gauges.kernel) == (0, 77824, 4096)
    assert (gauges.oom_events, gauges.oom_kills) == (1, 1)


def test_memory_on_v1_gives_the_same_values_but_counts_kills_only():
    gauges = memory_gauges(Version.V1, files(Version.V1, STAGE, "memory"))

    assert (gauges.limit, gauges.peak, gauges.oom_kills) == (33554432, 33554432, 1)
    assert gauges.current == int((DATA / f"6.18-hybrid/cgroup/{STAGE}/memory/memory.usage_in_bytes").read_bytes())
    assert isinstance(gauges.anon, int)
    assert isinstance(gauges.kernel, int)
    assert gauges.oom_events == Missing("cgroup v1 counts only the kills")


def test_cpu_on_v2():
    gauges = cpu_gauges(Version.V2, files(Version.V2, STAGE, "cpu"))

    assert (gauges.usage_us, gauges.quota) == (3014941, 0.5)
    assert (gauges.periods, gauges.throttled_periods, gauges.throttled_us) == (62, 59, 4386410)


def test_cpu_on_v1_is_turned_from_nanoseconds_into_microseconds():
    gauges = cpu_gauges(Version.V1, files(Version.V1, STAGE, "cpu", "cpuacct"))

    assert (gauges.usage_us, gauges.quota) == (1078376, 0.5)
    assert (gauges.periods, gauges.throttled_periods, gauges.throttled_us) == (25, 20, 964479)


@pytest.mark.parametrize(("version", "expected"), [(Version.V1, (1, 8, 1)), (Version.V2, (2, 16, 1))])
def test_pids_are_alike_on_both(version, expected):
    gauges = pids_gauges(version, files(version, STAGE, "pids"))

    assert (gauges.current, gauges.limit, gauges.refused) == expected


def test_the_v2_root_has_cpu_time_but_no_memory_and_no_limit():
    found = dict.fromkeys(GAUGE_FILES[Version.V2]["memory"])
    root = {"cpu.stat": (DATA / "6.1-v2/cgroup" / "root" / "cpu.stat").read_bytes(), "cpu.max": None}

    assert memory_gauges(Version.V2, found) == Missing("no memory.current here")
    assert cpu_gauges(Version.V2, root).quota is None
    assert cpu_gauges(Version.V2, root).usage_us == 3632000


def test_without_the_cpu_controller_time_is_known_but_periods_are_not():
    stat = (DATA / f"6.18-hybrid/cgroup/{STAGE}/unified/cpu.stat").read_bytes()

    gauges = cpu_gauges(Version.V2, {"cpu.stat": stat})

    assert gauges.usage_us == int(stat.split()[1])
    assert gauges.periods == Missing("cpu.stat has no nr_periods on this kernel")


def test_what_an_older_kernel_lacks_is_missing_and_never_zero():
    found = files(Version.V2, STAGE, "memory")
    stat = b"\n".join(line for line in found["memory.stat"].split(b"\n") if not line.startswith(b"kernel "))

    gauges = memory_gauges(Version.V2, found | {"memory.stat": stat, "memory.peak": None, "memory.events": None})

    assert gauges.kernel == Missing("memory.stat has no kernel line before Linux 5.18")
    assert gauges.peak == Missing("no memory.peak here")
    assert (gauges.oom_events, gauges.oom_kills) == (Missing("no memory.events here"),) * 2
