"""Which plans become lists of calls, and that another of the same kind changes little of one."""

from __future__ import annotations

import os

import pytest

from contlab.linux.arena import Arena
from contlab.linux.batch import Batch
from contlab.runtime.batches import alike, dictate
from contlab.runtime.cgroup import CgroupPlan
from contlab.runtime.plan import Places, Plan, compile_plan
from contlab.runtime.protocol import Window
from contlab.runtime.spec import ALL_NAMESPACES, Bind, ContainerSpec, Namespace, RootMethod, Tmpfs

PLACES = Places("/tree", "/scratch", "/lower", "/copy")


def plan_of(spec: ContainerSpec, name: str = "box", terminal: Window | None = None) -> Plan:
    """As the supervisor has it."""
    group = CgroupPlan((), {"memory": f"/cg/{name}"}, "", ((f"/cg/{name}", "memory"),), {})
    return compile_plan(spec, PLACES, group, name, terminal=terminal)


@pytest.fixture(autouse=True)
def _new_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever Linux this is."""
    monkeypatch.setattr(os, "uname", lambda: uname("6.18.0"))


def uname(release: str) -> os.uname_result:
    """Of a Linux of this release."""
    return os.uname_result(("Linux", "host", release, "#1", "x86_64"))


@pytest.fixture(scope="module")
def memory() -> Arena:
    """With all batches free."""
    return Arena()


@pytest.fixture
def one(memory: Arena) -> Batch:
    """What it held before must not matter."""
    free = memory.free()
    assert free is not None
    return free


@pytest.mark.parametrize(
    "spec",
    [
        ContainerSpec(),
        ContainerSpec(read_only=True, files={"/etc/motd": "hello"}, user=1000),
        ContainerSpec(tmpfs=(Tmpfs("/tmp"),)),
        ContainerSpec(root=RootMethod.CHROOT),
        ContainerSpec(namespaces=ALL_NAMESPACES - {Namespace.USER, Namespace.CGROUP}),
    ],
)
def test_what_is_known_before_is_a_list_of_calls(one: Batch, spec: ContainerSpec) -> None:
    plan = plan_of(spec)

    assert dictate(one, plan, "/scratch/new")
    assert len(plan.inside) + 2 == one.steps
    assert alike(one, plan)


@pytest.mark.parametrize(
    "plan",
    [
        plan_of(ContainerSpec(binds=(Bind("/home", "/home"),))),
        plan_of(ContainerSpec(), terminal=Window(24, 80)),
        plan_of(ContainerSpec(namespaces=frozenset(), root=RootMethod.HOST)),
        plan_of(ContainerSpec(command=("true", "x" * (1 << 16)))),
    ],
    ids=["a bind", "a terminal", "the host's root", "more than there is room for"],
)
def test_what_is_not_is_left_to_a_stage(one: Batch, plan: Plan) -> None:
    assert not dictate(one, plan, "/scratch/new")


def test_a_time_namespace_is_entered_at_exec_since_linux_6_2(one: Batch, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = plan_of(ContainerSpec(namespaces=ALL_NAMESPACES - {Namespace.USER}))
    dictate(one, plan_of(ContainerSpec(user=7)), "/scratch/new")

    monkeypatch.setattr(os, "uname", lambda: uname("6.1.0-56-amd64"))
    assert not dictate(one, plan, "/scratch/new")
    monkeypatch.setattr(os, "uname", lambda: uname("6.2.0"))
    assert dictate(one, plan, "/scratch/new")


def test_for_another_name_and_command_little_is_written_anew(one: Batch) -> None:
    assert dictate(one, plan_of(ContainerSpec()), "/scratch/new")

    other = plan_of(ContainerSpec(command=("echo", "hi")), "ship")
    assert alike(one, other)
    assert dictate(one, other, "/scratch/new")
    assert not alike(one, plan_of(ContainerSpec(read_only=True)))


def test_whatever_it_held_it_holds_all_steps_of_the_plan_and_no_other(one: Batch) -> None:
    specs = [
        ContainerSpec(tmpfs=(Tmpfs("/tmp", 1 << 20),)),
        ContainerSpec(tmpfs=(Tmpfs("/tmp", 4 << 20),)),
        ContainerSpec(read_only=True, files={"/etc/motd": "hello"}),
        ContainerSpec(mask_proc=False, seccomp=False, rlimits=False),
        ContainerSpec(hostname="ship"),
    ]
    for spec in (*specs, *reversed(specs)):
        plan = plan_of(spec)
        assert dictate(one, plan, "/scratch/new")
        assert len(plan.inside) + 2 == one.steps
        assert all(one.holds(place, step) for place, step in enumerate(plan.inside, 1))


def test_a_name_that_needs_more_room_moves_what_comes_after(one: Batch) -> None:
    assert dictate(one, plan_of(ContainerSpec()), "/scratch/new")

    longer = plan_of(ContainerSpec(), "a-much-longer-name" * 20)
    assert dictate(one, longer, "/scratch/new")
    assert len(longer.inside) + 2 == one.steps
