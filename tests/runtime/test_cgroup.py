"""Where a container's cgroup goes, on hosts made of plain files; the kernel's own are in tests/live."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from contlab.errors import CgroupError, LessonError
from contlab.linux.hierarchies import Hierarchies, Hierarchy, Mode, Version
from contlab.runtime import cgroup
from contlab.runtime.cgroup import UNIFIED, plan_cgroup
from contlab.runtime.limits import require
from contlab.runtime.operation import EnableControllers, MakeCgroup
from contlab.runtime.spec import Limits
from tests.runtime import hosts

LIMITS = Limits(memory=1 << 20, cpus=1, pids=5)


def in_v2(top: Path, own: Path) -> Hierarchies:
    unified = Hierarchy(Version.V2, str(top), str(own))
    return Hierarchies(Mode.V2, dict.fromkeys(("cpu", "memory", "pids"), unified), unified)


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """The root of a v2 tree that passes on what systemd does."""
    return hosts.cgroup(tmp_path, "cpuset cpu io memory pids\n", "cpu memory pids\n", "1\n", root=True)


# --- v2: no internal processes --------------------------------------------------------------------------------------


def test_a_session_s_cgroup_holds_processes_so_the_container_goes_beside_it(top: Path) -> None:
    session = hosts.cgroup(top / "user.slice/session-1.scope", "memory pids\n", "", "100\n")
    hosts.cgroup(top / "user.slice", "cpu memory pids\n", "cpu memory pids\n")

    planned = plan_cgroup(in_v2(top, session), "box", Limits(), {})

    assert [MakeCgroup(f"{top}/user.slice/box", "v2")] == list(planned.make)
    assert f"{top}/user.slice/box" == planned.born_in
    assert () == planned.join


def test_a_free_cgroup_above_is_told_to_pass_on_what_it_does_not_yet(top: Path) -> None:
    session = hosts.cgroup(top / "user.slice/session-1.scope", "memory pids\n", "", "100\n")
    hosts.cgroup(top / "user.slice", "cpu memory pids\n", "memory pids\n")

    planned = plan_cgroup(in_v2(top, session), "box", Limits(), {})

    assert EnableControllers(f"{top}/user.slice", ("cpu",)) == planned.make[0]


def test_a_cgroup_without_a_controller_can_t_pass_it_on_so_the_search_goes_up_to_the_root(top: Path) -> None:
    session = hosts.cgroup(top / "user.slice/session-1.scope", "memory pids\n", "", "100\n")
    hosts.cgroup(top / "user.slice", "memory pids\n", "memory pids\n")

    assert f"{top}/box" == plan_cgroup(in_v2(top, session), "box", Limits(), {}).born_in


def test_the_true_root_passes_on_controllers_though_it_holds_processes(tmp_path: Path) -> None:
    planned = plan_cgroup(hosts.v2(tmp_path), "box", Limits(), {})

    assert [EnableControllers(str(tmp_path), ("memory", "cpu", "pids")), MakeCgroup(f"{tmp_path}/box", "v2")] == [
        *planned.make
    ]


def test_in_a_cgroup_namespace_whose_root_is_full_no_limit_can_be_had_and_it_says_so(tmp_path: Path) -> None:
    # In an engine's container the visible root has cgroup.type: it is not the true root.
    hosts.cgroup(tmp_path, "cpu memory pids\n", "", "1\n7\n")

    planned = plan_cgroup(in_v2(tmp_path, tmp_path), "box", LIMITS, {})

    assert {"": f"{tmp_path}/box"} == planned.directories, "one to be killed and frozen by"
    assert {"memory", "cpu", "cpus", "pids"} == planned.missing.keys()
    with pytest.raises(CgroupError, match=r"^the memory limit can't be set: .* holds processes, so it can't pass on"):
        require(LIMITS, planned.missing)


def test_what_was_not_asked_for_may_be_missing(tmp_path: Path) -> None:
    hosts.cgroup(tmp_path, "cpu memory pids\n", "", "1\n7\n")

    require(Limits(), plan_cgroup(in_v2(tmp_path, tmp_path), "box", Limits(), {}).missing)


def test_in_a_group_the_container_s_cgroup_is_below_the_group_s(top: Path) -> None:
    hierarchies = in_v2(top, top)
    group = plan_cgroup(hierarchies, "group", Limits(), {}, for_children=True)

    planned = plan_cgroup(hierarchies, "box", Limits(), group.directories)

    assert EnableControllers(f"{top}/group", ("memory", "cpu", "pids")) == group.make[-1]
    assert f"{top}/group/box" == planned.born_in == planned.directories[UNIFIED] == planned.directories["memory"]


# --- v1 and hybrid --------------------------------------------------------------------------------------------------


def test_on_v1_the_process_joins_each_hierarchy_once_though_two_controllers_share_one(tmp_path: Path) -> None:
    planned = plan_cgroup(hosts.v1(tmp_path), "box", Limits(), {})

    assert "" == planned.born_in
    assert ["memory", "cpu", "pids", "freezer"] == [tree for _, tree in planned.join]
    assert planned.directories["cpu"] == planned.directories["cpuacct"]


def test_on_a_hybrid_host_it_is_born_in_the_v2_cgroup_and_joins_the_v1_ones(tmp_path: Path) -> None:
    planned = plan_cgroup(hosts.hybrid(tmp_path), "box", Limits(), {})

    assert f"{tmp_path}/unified/box" == planned.born_in
    assert planned.born_in not in [directory for directory, _ in planned.join]
    assert {UNIFIED, "memory", "cpu", "cpuacct", "pids", "freezer"} == planned.directories.keys()


def test_a_controller_that_the_host_lacks_is_named_when_its_limit_is_asked_for(tmp_path: Path) -> None:
    whole = hosts.v1(tmp_path)
    lacking = Hierarchies(Mode.V1, {name: tree for name, tree in whole.controllers.items() if name != "pids"})

    planned = plan_cgroup(lacking, "box", LIMITS, {})

    assert {"pids"} == planned.missing.keys()
    with pytest.raises(CgroupError, match="this host has no pids controller"):
        require(LIMITS, planned.missing)


def test_no_cgroup_at_all_makes_nothing_and_misses_nothing_that_was_not_asked_for() -> None:
    planned = plan_cgroup(Hierarchies(), "box", Limits(), {})

    assert ((), {}, {}) == (planned.make, planned.directories, planned.missing)


@pytest.mark.parametrize(
    "limits",
    [Limits(memory=0), Limits(memory=-1), Limits(pids=0), Limits(cpus=0.0), Limits(cpus=-0.5), Limits(cpus=math.inf),
     Limits(cpus=math.nan)],
    ids=str,
)  # fmt: skip
def test_a_limit_that_lets_nothing_run_is_refused_and_never_taken_for_unlimited(limits: Limits) -> None:
    with pytest.raises(LessonError, match="lets nothing run"):
        plan_cgroup(Hierarchies(), "box", limits, {})


# --- removal and gauges ---------------------------------------------------------------------------------------------


def test_directories_are_removed_from_the_deepest_up_and_named(tmp_path: Path) -> None:
    (tmp_path / "box/child/grandchild").mkdir(parents=True)
    directories = {"": f"{tmp_path}/box", "memory": f"{tmp_path}/box", "gone": f"{tmp_path}/gone"}

    removed = cgroup.remove(directories)

    assert tuple(f"{tmp_path}/box{below}" for below in ("/child/grandchild", "/child", "")) == removed
    assert not (tmp_path / "box").exists()


def test_a_cgroup_that_stays_busy_is_reported_with_its_processes_after_the_deadline(tmp_path: Path) -> None:
    (tmp_path / "box").mkdir()
    (tmp_path / "box/cgroup.procs").write_text("")  # a plain file keeps rmdir from working, as a process would
    reaped = []

    with pytest.raises(CgroupError, match=r"box can't be removed: processes \[\] in it don't die"):
        cgroup.remove({"": f"{tmp_path}/box"}, deadline=0.01, reap=lambda: reaped.append(1))
    assert reaped


def test_members_are_those_of_all_hierarchies_and_of_the_cgroups_below(tmp_path: Path) -> None:
    hosts.cgroup(tmp_path / "a", procs="10\n11\n")
    hosts.cgroup(tmp_path / "a/child", procs="12\n0\n")
    hosts.cgroup(tmp_path / "b", procs="11\n13\n")

    assert {10, 11, 12, 13} == cgroup.members({"": f"{tmp_path}/a", "memory": f"{tmp_path}/b"})


@pytest.mark.parametrize("name", ["memory.events", "memory.oom_control"])
def test_oom_kills_are_counted_in_either_version_s_file(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 3\noom_group_kill 9\n")

    unified = {cgroup.UNIFIED: str(tmp_path)} if name == "memory.events" else {}
    assert 3 == cgroup.oom_kills({"memory": str(tmp_path)} | unified)
    assert 0 == cgroup.oom_kills({"memory": str(tmp_path / "gone")} | unified)
    assert 0 == cgroup.oom_kills({})
