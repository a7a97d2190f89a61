"""cgroup files and limits, on bytes recorded under v1 and v2."""

from __future__ import annotations

from pathlib import Path

import pytest

from contlab.linux.cgroup import (
    LIMITS,
    V1_LACKS,
    PressureLine,
    Version,
    flat_keyed,
    freeze,
    io_writes,
    limit_writes,
    nested_keyed,
    pids_of,
    pressure,
    read_limit,
    single_value,
    swap_writes,
)
from contlab.linux.parse import ParseError

DATA = Path(__file__).resolve().parents[1] / "data"
V1_CGROUP, V2_CGROUP = DATA / "6.18-hybrid/cgroup", DATA / "6.1-v2/cgroup"


def limit_files(version: Version, stage: str, name: str) -> dict[str, bytes]:
    limit = LIMITS[version][name]
    folder = V2_CGROUP / stage if version is Version.V2 else V1_CGROUP / stage / limit.controller
    return {file: (folder / file).read_bytes() for file in limit.files}


def test_max_is_no_number():
    assert (single_value("memory.max", b"max\n"), single_value("memory.max", b"33554432\n")) == (None, 33554432)


@pytest.mark.parametrize("raw", [b"", b"\n", b"maximum\n", b"1 2\n"])
def test_a_single_value_that_is_none_is_refused(raw):
    with pytest.raises(ParseError, match=r"memory\.max: expected a number"):
        single_value("memory.max", raw)


def test_events_are_counts_by_name():
    events = flat_keyed("memory.events", (V2_CGROUP / "2-oom-throttled-refused/memory.events").read_bytes())

    assert events == {"low": 0, "high": 0, "max": 37, "oom": 1, "oom_kill": 1, "oom_group_kill": 0}


def test_v1_oom_control_is_flat_keyed_too():
    raw = (V1_CGROUP / "2-oom-throttled-refused/memory/memory.oom_control").read_bytes()

    assert flat_keyed("memory.oom_control", raw) == {"oom_kill_disable": 0, "under_oom": 0, "oom_kill": 1}


def test_nested_keys_are_values_by_device():
    raw = b"8:16 rbps=2097152 wbps=max riops=max wiops=120\n8:0 rbps=max wbps=1\n"  # cgroup-v2.rst, io.max

    assert nested_keyed("io.max", raw) == {
        "8:16": {"rbps": 2097152, "wbps": None, "riops": None, "wiops": 120},
        "8:0": {"rbps": None, "wbps": 1},
    }
    assert nested_keyed("io.stat", b"") == {}


def test_a_nested_pair_without_a_value_is_refused():
    with pytest.raises(ParseError, match="expected KEY=VALUE, found 'rbps'"):
        nested_keyed("io.max", b"8:16 rbps\n")


def test_pressure_has_some_and_full():
    raw = (V2_CGROUP / "2-oom-throttled-refused/cpu.pressure").read_bytes()

    assert pressure("cpu.pressure", raw) == {
        "some": PressureLine(20.84, 4.32, 0.92, 3190368),
        "full": PressureLine(20.57, 4.25, 0.91, 3151938),
    }


def test_pressure_of_an_old_kernel_has_some_alone():
    assert set(pressure("cpu.pressure", b"some avg10=0.00 avg60=0.00 avg300=0.00 total=7\n")) == {"some"}


def test_a_pressure_line_without_its_total_is_refused():
    with pytest.raises(ParseError, match="no total in 'some avg10"):
        pressure("cpu.pressure", b"some avg10=0.00 avg60=0.00 avg300=0.00\n")


def test_a_process_out_of_sight_is_left_out():
    assert list(pids_of("cgroup.procs", b"0\n117\n0\n118\n")) == [117, 118]


@pytest.mark.parametrize("version", list(Version))
@pytest.mark.parametrize("name", ["memory", "cpus", "pids"])
def test_a_fresh_cgroup_has_no_limits(version, name):
    stage = {Version.V1: "0-fresh", Version.V2: "0-fresh-no-limits"}[version]

    assert read_limit(version, name, limit_files(version, stage, name)) is None


@pytest.mark.parametrize(
    ("version", "expected"),
    [(Version.V1, (32 << 20, 0.5, 8)), (Version.V2, (32 << 20, 0.5, 16))],
)
def test_limits_that_were_set_read_back_alike_on_both_versions(version, expected):
    files = {name: limit_files(version, "1-limits-set", name) for name in ("memory", "cpus", "pids")}

    assert tuple(read_limit(version, name, given) for name, given in files.items()) == expected


@pytest.mark.parametrize(
    ("version", "name", "value", "writes"),
    [
        (Version.V2, "memory", 32 << 20, (("memory.max", b"33554432"),)),
        (Version.V2, "memory", None, (("memory.max", b"max"),)),
        (Version.V2, "cpus", 0.5, (("cpu.max", b"50000 100000"),)),
        (Version.V2, "cpus", None, (("cpu.max", b"max 100000"),)),
        (Version.V2, "cpus", 0.001, (("cpu.max", b"1000 100000"),)),
        (Version.V2, "pids", 16, (("pids.max", b"16"),)),
        (Version.V1, "memory", 32 << 20, (("memory.limit_in_bytes", b"33554432"),)),
        (Version.V1, "memory", None, (("memory.limit_in_bytes", b"-1"),)),
        (Version.V1, "cpus", 1.5, (("cpu.cfs_period_us", b"100000"), ("cpu.cfs_quota_us", b"150000"))),
        (Version.V1, "cpus", None, (("cpu.cfs_period_us", b"100000"), ("cpu.cfs_quota_us", b"-1"))),
        (Version.V1, "pids", None, (("pids.max", b"max"),)),
        (Version.V2, "memory_high", 1 << 20, (("memory.high", b"1048576"),)),
        (Version.V2, "memory_high", None, (("memory.high", b"max"),)),
        (Version.V2, "cpu_weight", 25, (("cpu.weight", b"25"),)),
        (Version.V2, "cpu_weight", None, (("cpu.weight", b"100"),)),
        (Version.V2, "oom_group", True, (("memory.oom.group", b"1"),)),
        (Version.V2, "oom_group", None, (("memory.oom.group", b"0"),)),
        (Version.V1, "cpu_weight", 100, (("cpu.shares", b"1024"),)),
        (Version.V1, "cpu_weight", 300, (("cpu.shares", b"3072"),)),
        (Version.V1, "cpu_weight", 1, (("cpu.shares", b"10"),)),
        (Version.V1, "cpu_weight", 10_000, (("cpu.shares", b"102400"),)),
    ],
)
def test_a_limit_is_written_in_its_version_s_own_words(version, name, value, writes):
    assert limit_writes(version, name, value) == writes


@pytest.mark.parametrize("version", list(Version))
@pytest.mark.parametrize(("name", "value"), [("memory", 64 << 20), ("cpus", 0.25), ("pids", 3), ("cpus", None)])
def test_what_is_written_reads_back_the_same(version, name, value):
    assert read_limit(version, name, dict(limit_writes(version, name, value))) == value


def test_swap_is_forbidden_by_each_version_s_own_file():
    assert swap_writes(Version.V2, 32 << 20) == (("memory.swap.max", b"0"),)
    assert swap_writes(Version.V1, 32 << 20) == (("memory.memsw.limit_in_bytes", b"33554432"),)


def test_swap_beside_memory_is_a_limit_of_its_own_on_v2_and_part_of_the_sum_on_v1():
    assert swap_writes(Version.V2, 32 << 20, 1 << 20) == (("memory.swap.max", b"1048576"),)
    assert swap_writes(Version.V1, 32 << 20, 1 << 20) == (("memory.memsw.limit_in_bytes", b"34603008"),)


def test_a_disk_s_limits_are_one_line_on_v2_and_a_file_each_on_v1():
    limits = {"rbps": 1 << 20, "wbps": None, "riops": None, "wiops": 50}

    assert io_writes(Version.V2, "8:0", limits) == (("io.max", b"8:0 rbps=1048576 wbps=max riops=max wiops=50"),)
    assert io_writes(Version.V1, "8:0", limits) == (
        ("blkio.throttle.read_bps_device", b"8:0 1048576"),
        ("blkio.throttle.write_iops_device", b"8:0 50"),
    )
    ((_, line),) = io_writes(Version.V2, "8:0", limits)
    assert nested_keyed("io.max", line) == {"8:0": limits}


def test_every_limit_of_v2_has_its_place_on_v1_or_a_reason_why_not():
    assert LIMITS[Version.V2].keys() == LIMITS[Version.V1].keys() | V1_LACKS.keys()


def test_a_cpu_max_of_one_word_is_refused():
    with pytest.raises(ParseError, match=r"cpu\.max: expected QUOTA PERIOD"):
        read_limit(Version.V2, "cpus", {"cpu.max": b"max\n"})


def test_a_cgroup_is_frozen_and_thawed_by_each_version_s_own_file():
    assert [freeze(Version.V2, frozen) for frozen in (True, False)] == [
        ("cgroup.freeze", b"1"),
        ("cgroup.freeze", b"0"),
    ]
    assert [freeze(Version.V1, frozen) for frozen in (True, False)] == [
        ("freezer.state", b"FROZEN"),
        ("freezer.state", b"THAWED"),
    ]
