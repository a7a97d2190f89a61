"""What limits are written where, on hosts made of plain files; that they hold is tested in tests/live."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from contlab.errors import CgroupError, LessonError
from contlab.linux.hierarchies import Hierarchies, Hierarchy, Mode, Version
from contlab.runtime import cgroup, limits
from contlab.runtime.cgroup import UNIFIED, CgroupPlan, plan_cgroup
from contlab.runtime.operation import SetLimit
from contlab.runtime.spec import DEFAULT_LIMITS, ContainerSpec, IoLimit, Limits
from tests.runtime import hosts
from tests.runtime.recorder import Recorder

DISK = IoLimit("8:0", rbps=1 << 20, wiops=50)
ALL = Limits(64 << 20, 0.5, 16, memory_high=32 << 20, swap=1 << 20, cpu_weight=50, io=(DISK,), oom_group=True)


def with_io(hierarchies: Hierarchies, top: Path) -> Hierarchies:
    """The host with an io controller, on v2 or as v1's blkio."""
    if hierarchies.mode is Mode.V2:
        assert hierarchies.unified
        return Hierarchies(Mode.V2, {**hierarchies.controllers, "io": hierarchies.unified}, hierarchies.unified)
    (top / "blkio").mkdir(exist_ok=True)
    blkio = Hierarchy(Version.V1, str(top / "blkio"), str(top / "blkio"))
    return Hierarchies(hierarchies.mode, {**hierarchies.controllers, "io": blkio}, hierarchies.unified)


def written(planned: CgroupPlan, top: Path) -> dict[str, str]:
    """File below the top -> what is written there."""
    return {op.file.removeprefix(f"{top}/"): op.value for op in planned.make if isinstance(op, SetLimit)}


def test_on_v2_every_limit_has_a_file(tmp_path: Path) -> None:
    planned = plan_cgroup(with_io(hosts.v2(tmp_path), tmp_path), "box", ALL, {})

    assert {
        "box/memory.max": "67108864",
        "box/memory.swap.max": "1048576",
        "box/memory.high": "33554432",
        "box/memory.oom.group": "1",
        "box/cpu.max": "50000 100000",
        "box/cpu.weight": "50",
        "box/pids.max": "16",
        "box/io.max": "8:0 rbps=1048576 wbps=max riops=max wiops=50",
    } == written(planned, tmp_path)
    assert {} == planned.missing


def test_where_nothing_is_said_of_memory_and_pids_the_defaults_hold_and_max_lifts_them(tmp_path: Path) -> None:
    host = hosts.v2(tmp_path)

    def limited(given: Limits) -> dict[str, str]:
        return written(plan_cgroup(host, "box", given, {}, defaults=DEFAULT_LIMITS), tmp_path)

    default = {"box/memory.max": "536870912", "box/memory.swap.max": "0", "box/pids.max": "512"}
    assert default == limited(Limits())
    assert {"box/cpu.max": "50000 100000"} | default == limited(Limits(cpus=0.5))
    assert default | {"box/pids.max": "16"} == limited(Limits(pids=16))
    assert {"box/pids.max": "512"} == limited(Limits(memory=None))
    assert {} == limited(Limits(memory=None, pids=None))


def test_a_default_that_the_host_does_not_give_is_told_and_hinders_nothing(tmp_path: Path) -> None:
    nothing = plan_cgroup(Hierarchies(), "box", Limits(), {}, defaults=DEFAULT_LIMITS)
    whole = hosts.v1(tmp_path)
    lacking = Hierarchies(Mode.V1, {name: tree for name, tree in whole.controllers.items() if name != "memory"})
    partly = plan_cgroup(lacking, "box", Limits(), {}, defaults=DEFAULT_LIMITS)

    assert {"cgroup"} == nothing.missing.keys()
    assert {"memory"} == partly.missing.keys()
    assert "this host has no memory controller" in partly.missing["memory"]
    assert {"pids/box/pids.max": "512"} == written(partly, tmp_path)
    for planned in (nothing, partly):
        limits.require(Limits(), planned.missing)


def test_a_member_of_a_group_has_the_group_s_limits_and_no_defaults() -> None:
    assert DEFAULT_LIMITS == ContainerSpec().default_limits
    assert Limits() == ContainerSpec(group="machine").default_limits


@pytest.mark.parametrize("host", [hosts.v1, hosts.hybrid], ids=lambda host: host.__name__)
def test_on_v1_limits_have_their_equivalents_and_those_without_one_are_named(
    host: Callable[[Path], Hierarchies], tmp_path: Path
) -> None:
    planned = plan_cgroup(with_io(host(tmp_path), tmp_path), "box", ALL, {})

    assert {
        "memory/box/memory.limit_in_bytes": "67108864",
        "memory/box/memory.memsw.limit_in_bytes": "68157440",
        "cpu,cpuacct/box/cpu.cfs_period_us": "100000",
        "cpu,cpuacct/box/cpu.cfs_quota_us": "50000",
        "cpu,cpuacct/box/cpu.shares": "512",
        "pids/box/pids.max": "16",
        "blkio/box/blkio.throttle.read_bps_device": "8:0 1048576",
        "blkio/box/blkio.throttle.write_iops_device": "8:0 50",
    } == written(planned, tmp_path)
    assert {"memory_high", "oom_group"} == planned.missing.keys()
    assert (f"{tmp_path}/blkio/box", "io") in planned.join
    limits.require(ALL, planned.missing)


def test_the_io_controller_is_taken_only_when_asked_for(tmp_path: Path) -> None:
    planned = plan_cgroup(with_io(hosts.v1(tmp_path), tmp_path), "box", Limits(memory=1 << 20), {})

    assert "io" not in planned.directories


def test_a_group_on_v2_passes_io_on_for_a_child_that_may_ask_for_it(tmp_path: Path) -> None:
    host = with_io(hosts.v2(tmp_path), tmp_path)
    group = plan_cgroup(host, "group", Limits(), {}, for_children=True)

    assert [("memory", "cpu", "pids", "io")] * 2 == [op.controllers for op in group.make if hasattr(op, "controllers")]
    hosts.cgroup(tmp_path / "group", passed_on="memory cpu pids io\n")
    assert {} == plan_cgroup(host, "box", Limits(io=(DISK,)), group.directories).missing


def test_a_delegated_cgroup_without_io_makes_a_group_all_the_same_and_a_child_s_io_limit_is_refused_in_words(
    tmp_path: Path,
) -> None:
    hosts.cgroup(tmp_path, "cpu io memory pids\n", "cpu memory pids\n", "1\n", root=True)
    own = hosts.cgroup(tmp_path / "user", "cpu memory pids\n", "cpu memory pids\n")
    unified = Hierarchy(Version.V2, str(tmp_path), str(own))
    host = Hierarchies(Mode.V2, dict.fromkeys(("cpu", "memory", "pids"), unified), unified)
    group = plan_cgroup(with_io(host, tmp_path), "group", Limits(), {}, for_children=True)
    assert f"{own}/group" == group.directories[UNIFIED]
    hosts.cgroup(own / "group", passed_on="memory cpu pids\n")

    planned = plan_cgroup(with_io(host, tmp_path), "box", Limits(io=(DISK,)), group.directories)

    with pytest.raises(CgroupError, match=r"the io limit can't be set: the cgroup .*/group does not pass on io"):
        limits.require(Limits(io=(DISK,)), planned.missing)


def test_swap_alone_is_refused_on_v1_which_limits_the_sum(tmp_path: Path) -> None:
    planned = plan_cgroup(hosts.v1(tmp_path), "box", Limits(swap=1), {})

    with pytest.raises(CgroupError, match="the swap limit can't be set: cgroup v1 limits the sum"):
        limits.require(Limits(swap=1), planned.missing)


def test_without_a_cgroup_a_weight_is_missing_in_words_and_hinders_nothing() -> None:
    planned = plan_cgroup(Hierarchies(), "box", Limits(cpu_weight=5), {})

    assert "this host has no cpu controller" in planned.missing["cpu_weight"]
    limits.require(Limits(cpu_weight=5), planned.missing)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (Limits(memory_high=1), "a memory_high limit of 1 lets nothing run"),
        (Limits(swap=-1), "a swap limit of -1"),
        (Limits(cpu_weight=0), "a cpu_weight limit of 0"),
        (Limits(cpu_weight=10_001), "a cpu_weight of 10001"),
        (Limits(io=(IoLimit("8:0"),)), "an io limit of 8:0 lets nothing through"),
        (Limits(io=(IoLimit("8:0", rbps=0),)), "an io limit of 8:0 lets nothing through"),
        (Limits(io=(IoLimit("/no/such/disk", rbps=1),)), "/no/such/disk: No such file or directory"),
        (Limits(io=(IoLimit("/dev/null", rbps=1),)), "/dev/null is no block device"),
    ],
    ids=str,
)
def test_what_no_kernel_takes_is_refused_before_anything_is_made(given: Limits, words: str, tmp_path: Path) -> None:
    with pytest.raises(LessonError, match=words):
        plan_cgroup(with_io(hosts.v2(tmp_path), tmp_path), "box", given, {})


def test_a_limit_is_compared_with_the_line_of_its_disk_among_others() -> None:
    held = "8:16 rbps=1 wbps=max riops=max wiops=max\n8:0 rbps=5 wbps=max riops=max wiops=max"
    line = "8:0 rbps=5 wbps=max riops=max wiops=max"

    assert SetLimit("/cg/io.max", line).run(Recorder("/cg/io.max", held=held)) is None
    assert "the kernel holds 8:16" in str(SetLimit("/cg/io.max", "8:0 rbps=6").run(Recorder("/cg/io.max", held=held)))


# --- frozen ---------------------------------------------------------------------------------------------------------


def test_a_cgroup_is_frozen_by_v2_where_there_is_one_and_else_by_v1_s_freezer(tmp_path: Path) -> None:
    unified, freezer = tmp_path / "unified", tmp_path / "freezer"
    unified.mkdir()
    freezer.mkdir()
    (unified / "cgroup.freeze").write_text("0")
    (unified / "cgroup.events").write_text("populated 1\nfrozen 1\n")
    (freezer / "freezer.state").write_text("THAWED\n")
    both = {UNIFIED: str(unified), "freezer": str(freezer)}

    assert cgroup.set_frozen(both, True)
    assert ("1", "THAWED\n") == ((unified / "cgroup.freeze").read_text(), (freezer / "freezer.state").read_text())
    assert cgroup.set_frozen({"freezer": str(freezer)}, True)
    assert "FROZEN\n" == (freezer / "freezer.state").read_text()
    assert not cgroup.set_frozen({"freezer": str(freezer)}, False)


def test_who_has_no_cgroup_can_t_be_frozen_and_it_says_so() -> None:
    with pytest.raises(CgroupError, match="it has no cgroup that freezes"):
        cgroup.set_frozen({}, True)
