"""A cgroup's gauges and whose limit bites, on trees of plain files."""

from __future__ import annotations

from pathlib import Path

import pytest

from contlab.linux.hierarchies import Hierarchies, Hierarchy, Mode, Version
from contlab.observe.gauges import UNIFIED, GaugeReader
from contlab.observe.snapshot import CgroupSample, CpuSample, IoSample, MemorySample, Unavailable
from contlab.observe.source import HostSource

V2 = Hierarchy(Version.V2, "/cg", "/cg")
V2_HOST = Hierarchies(Mode.V2, dict.fromkeys(("memory", "cpu", "pids", "io"), V2), V2)
V2_FILES = {
    "cgroup.procs": "1\n",
    "cgroup.events": "populated 1\nfrozen 0\n",
    "memory.current": "4096\n", "memory.max": "max\n", "memory.high": "max\n", "memory.peak": "4096\n",
    "memory.stat": "anon 4096\nfile 0\nkernel 0\n", "memory.swap.current": "512\n", "memory.oom.group": "0\n",
    "memory.events": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n",
    "cpu.stat": "usage_usec 5\nnr_periods 0\nnr_throttled 0\nthrottled_usec 0\n", "cpu.max": "max 100000\n",
    "cpu.weight": "100\n", "pids.current": "1\n", "pids.max": "max\n", "pids.events": "max 0\n", "io.max": "",
    "io.stat": "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n8:16 rbytes=1\n",
    "io.pressure": "some avg10=1.50 avg60=0.00 avg300=0.00 total=9\nfull avg10=0.50 avg60=0.00 avg300=0.00 total=4\n",
}  # fmt: skip


def cgroup(top: Path, path: str, files: dict[str, str], **changed: str) -> None:
    """A cgroup's files; ``memory_max`` stands for memory.max."""
    directory = top / path.lstrip("/")
    directory.mkdir(parents=True, exist_ok=True)
    for name, text in (files | {name.replace("_", "."): text for name, text in changed.items()}).items():
        (directory / name).write_text(text)


def sample(top: Path, host: Hierarchies, cgroups: dict[str, str]) -> CgroupSample:
    found = GaugeReader(HostSource(str(top)), host).read(cgroups, 0.0)
    assert isinstance(found, CgroupSample)
    return found


def on_v2(top: Path) -> CgroupSample:
    return sample(top, V2_HOST, dict.fromkeys((UNIFIED, "memory", "cpu", "pids", "io"), "/cg/group/box"))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A group and a container in it, without limits."""
    for path in ("/cg/group", "/cg/group/box"):
        cgroup(tmp_path, path, V2_FILES)
    return tmp_path


def test_the_limit_that_slows_down_its_events_and_the_group_s_end_are_seen(tree: Path) -> None:
    cgroup(tree, "/cg/group/box", {}, memory_high="2048\n", memory_oom_group="1\n", memory_events="high 7\noom 0\n")

    memory = on_v2(tree).memory

    assert isinstance(memory, MemorySample)
    assert (2048, 7, 512, True) == (memory.high, memory.high_events, memory.swap, memory.oom_group)


def test_weight_disks_pressure_and_whether_it_is_frozen_are_seen(tree: Path) -> None:
    cgroup(tree, "/cg/group/box", {}, cpu_weight="25\n", cgroup_events="populated 1\nfrozen 1\n")

    seen = on_v2(tree)

    assert isinstance(seen.cpu, CpuSample)
    assert 25 == seen.cpu.weight
    assert IoSample(11, 20, 1, 2) == seen.io
    assert not isinstance(seen.pressure_io, Unavailable)
    assert (1.5, 4) == (seen.pressure_io.some_avg10, seen.pressure_io.full_total)
    assert seen.frozen is True


def test_without_limits_nobody_s_bites(tree: Path) -> None:
    assert {} == on_v2(tree).biting


def test_of_two_limits_the_smaller_one_bites_whosever_it_is(tree: Path) -> None:
    cgroup(tree, "/cg/group", {}, memory_max="8192\n", memory_high="1024\n", cpu_max="50000 100000\n", pids_max="9\n",
           io_max="8:0 rbps=5 wbps=max riops=max wiops=7\n")  # fmt: skip
    cgroup(tree, "/cg/group/box", {}, memory_max="9000\n", memory_high="2048\n", cpu_max="5000 10000\n", pids_max="3\n",
           io_max="8:0 rbps=4 wbps=max riops=max wiops=8\n8:16 rbps=1 wbps=max riops=max wiops=max\n")  # fmt: skip

    group, box = "/cg/group", "/cg/group/box"
    assert {
        "memory": group, "memory.high": group, "cpu": box, "pids": box,
        "io 8:0 rbps": box, "io 8:0 wiops": group, "io 8:16 rbps": box,
    } == on_v2(tree).biting  # fmt: skip


def test_on_v1_each_controller_s_limits_are_looked_for_in_its_own_tree(tmp_path: Path) -> None:
    trees = {name: Hierarchy(Version.V1, f"/cg/{name}", f"/cg/{name}") for name in ("memory", "cpu", "cpuacct", "io")}
    unlimited = str(1 << 63 - 1)
    memory = {"cgroup.procs": "1\n", "memory.usage_in_bytes": "4096\n", "memory.stat": "total_rss 1\ntotal_swap 3\n"}
    cgroup(tmp_path, "/cg/memory/box", {**memory, "memory.limit_in_bytes": f"{unlimited}\n"})
    cgroup(tmp_path, "/cg/memory", {"memory.limit_in_bytes": "8192\n"})
    cgroup(tmp_path, "/cg/cpu/box", {"cpu.shares": "512\n", "cpu.stat": "", "cpu.cfs_quota_us": "1000\n"})
    cgroup(tmp_path, "/cg/cpu/box", {"cpu.cfs_period_us": "100000\n"})
    cgroup(tmp_path, "/cg/cpuacct/box", {"cpuacct.usage": "5000\n"})
    throttle = "blkio.throttle"
    for kind in ("read_bps", "write_bps", "read_iops", "write_iops"):
        cgroup(tmp_path, "/cg/io/box", {f"{throttle}.{kind}_device": "254:0 99\n" if kind == "read_bps" else ""})
    per_kind = "254:0 Read {}\n254:0 Write 2\n254:0 Sync 9\n254:0 Total 3\nTotal 3\n"
    for name, reads in (("io_service_bytes", 4096), ("io_serviced", 1)):
        cgroup(tmp_path, "/cg/io/box", {f"{throttle}.{name}_recursive": per_kind.format(reads)})

    seen = sample(tmp_path, Hierarchies(Mode.V1, trees), {name: f"{tree.own}/box" for name, tree in trees.items()})

    assert {"memory": "/cg/memory", "cpu": "/cg/cpu/box", "io 254:0 rbps": "/cg/io/box"} == seen.biting
    assert isinstance(seen.memory, MemorySample)
    assert isinstance(seen.cpu, CpuSample)
    assert (3, None, 50) == (seen.memory.swap, seen.memory.high, seen.cpu.weight)
    assert "cgroup v1 has no memory.high" in str(seen.memory.high_events)
    assert IoSample(4096, 2, 1, 2) == seen.io


def test_v1_s_freezer_tells_whether_it_is_frozen(tmp_path: Path) -> None:
    freezer = Hierarchies(Mode.V1, {"freezer": Hierarchy(Version.V1, "/cg/freezer", "/cg/freezer")})
    cgroup(tmp_path, "/cg/freezer/box", {"cgroup.procs": "1\n", "freezer.state": "FROZEN\n"})

    assert sample(tmp_path, freezer, {"freezer": "/cg/freezer/box"}).frozen is True
    cgroup(tmp_path, "/cg/freezer/box", {"freezer.state": "THAWED\n"})
    assert sample(tmp_path, freezer, {"freezer": "/cg/freezer/box"}).frozen is False


def test_who_has_no_io_cgroup_is_told_so_and_gets_no_zero(tree: Path) -> None:
    seen = sample(tree, Hierarchies(Mode.V2, {"memory": V2}, V2), {"memory": "/cg/group/box"})

    assert Unavailable("this host has no io controller") == seen.io
    assert Unavailable("it has no cgroup that freezes") == seen.frozen
