"""What one container of a run has in common with the one before."""

from __future__ import annotations

from pathlib import Path

import pytest

from contlab.linux.hierarchies import Hierarchies, Hierarchy, Mode, Version
from contlab.runtime.cgroup import CgroupPlan, plan_cgroup
from contlab.runtime.operation import MakeCgroup, SetLimit
from contlab.runtime.plan import Places, Plan, compile_plan
from contlab.runtime.planner import again, called
from contlab.runtime.spec import Bind, ContainerSpec, Limits, Namespace, RootMethod, Tmpfs
from contlab.runtime.wiring import Wiring
from tests.runtime import hosts

PLACES = Places("/rootfs", "/run/scratch", "/run/lower", "/run/copy")


def cgroups(name: str, v2: str) -> CgroupPlan:
    """On a hybrid host."""
    v1 = {tree: f"/sys/fs/cgroup/{tree}/{name}" for tree in ("memory", "pids")}
    make = (
        MakeCgroup(f"/sys/fs/cgroup/unified/{v2}", "v2"),
        *(MakeCgroup(directory, tree) for tree, directory in v1.items()),
        SetLimit(f"{v1['pids']}/pids.max", "16"),
    )
    born_in = f"/sys/fs/cgroup/unified/{v2}"
    return CgroupPlan(make, {"": born_in} | v1, born_in, tuple((directory, tree) for tree, directory in v1.items()))


def plan_of(spec: ContainerSpec, name: str, v2: str) -> Plan:
    cable = Wiring("/run", "contlab-run").plug_in(name, spec)
    return compile_plan(spec, PLACES, cgroups(name, v2), name, cable=cable)


@pytest.mark.parametrize(
    "spec",
    [
        ContainerSpec(),
        ContainerSpec(hostname="ship", files={"/etc/motd": "hello"}, tmpfs=(Tmpfs("/tmp"),)),
        ContainerSpec(namespaces=frozenset(), root=RootMethod.HOST),
        ContainerSpec(namespaces=frozenset({Namespace.MNT, Namespace.PID}), read_only=True, user=1000),
    ],
)
def test_the_plan_made_again_for_another_name_is_the_one_that_is_compiled_for_it(spec: ContainerSpec) -> None:
    first = plan_of(spec, "one", "#1")

    assert plan_of(spec, "two", "#2") == again(first, cgroups("two", "#2"), spec.hostname or "two")


@pytest.mark.parametrize(
    "spec",
    [
        ContainerSpec(binds=(Bind("/home", "/home"),)),
        ContainerSpec(network="lan"),
        ContainerSpec(rootfs="/srv/tree"),
        ContainerSpec(root=RootMethod.CHROOT, namespaces=frozenset()),
    ],
    ids=["a bind", "a cable", "a tree of the user's own", "a copied tree"],
)
def test_what_may_name_another_thing_the_next_time_is_thought_out_anew(spec: ContainerSpec) -> None:
    assert not plan_of(spec, "one", "#1").repeatable


def test_a_cgroup_planned_again_for_another_name_is_the_one_that_is_planned_for_it(tmp_path: Path) -> None:
    unified, memory, pids = (hosts.cgroup(tmp_path / name) for name in ("unified", "memory", "pids"))
    v1 = {name: Hierarchy(Version.V1, str(top), str(top)) for name, top in (("memory", memory), ("pids", pids))}
    hybrid = Hierarchies(Mode.HYBRID, v1, Hierarchy(Version.V2, str(unified), str(unified)))
    limits = Limits(memory=32 << 20, pids=16)

    def planned(name: str) -> CgroupPlan:
        return plan_cgroup(hybrid, name, limits, {})

    assert planned("two") == called(planned("one"), "two")
