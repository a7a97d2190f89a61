"""What a plain user's spec becomes, and that all that differs is told."""

from __future__ import annotations

import msgspec
import pytest

from contlab.errors import CgroupError, UnavailableError
from contlab.runtime.cgroup import CgroupPlan
from contlab.runtime.operation import MapIds, MapOwnId, MapSubordinateIds
from contlab.runtime.plan import Places, compile_plan
from contlab.runtime.rights import ROOT, Rights
from contlab.runtime.rootless import adapt, map_ids, refuse_unkillable
from contlab.runtime.spec import ContainerSpec, IdMap, Namespace, RootMethod

PLAIN = Rights(1000, 100, admin=False)
RANGES = Rights(1000, 100, False, (100_000, 65_536), (200_000, 1_000))
BARE = ContainerSpec(namespaces=frozenset(), root=RootMethod.HOST)


def test_root_has_what_it_asks_for() -> None:
    spec = ContainerSpec(user=7, id_map=IdMap(0, 5, 9))

    assert (spec, {}) == adapt(spec, ROOT)
    assert MapIds(spec.uid_lines, spec.gid_lines) == map_ids(spec, ROOT)


def test_a_plain_user_is_root_inside_and_nobody_else_is_mapped() -> None:
    spec, told = adapt(ContainerSpec(), PLAIN)

    assert {} == told
    assert (IdMap(0, 1000, 1),) == spec.uid_lines
    assert (IdMap(0, 100, 1),) == spec.gid_lines
    assert MapOwnId(1000, 100) == map_ids(spec, PLAIN)


def test_with_ranges_the_subordinate_ids_come_after_the_own_one() -> None:
    spec, told = adapt(ContainerSpec(user=7), RANGES)

    assert {} == told
    assert 7 == spec.user
    assert MapSubordinateIds(
        (IdMap(0, 1000, 1), IdMap(1, 100_000, 65_536)),
        (IdMap(0, 100, 1), IdMap(1, 200_000, 1_000)),
        MapOwnId(1000, 100),
    ) == map_ids(spec, RANGES)


def test_an_id_map_that_was_asked_for_is_newuidmap_s_to_judge() -> None:
    asked = ContainerSpec(id_map=IdMap(0, 100_005, 3))

    spec, told = adapt(asked, RANGES)

    assert (asked, {}) == (spec, told)
    lines = (IdMap(0, 100_005, 3),)
    assert MapSubordinateIds(lines, lines) == map_ids(spec, RANGES), "no other map stands in for it"


def test_an_id_map_that_can_t_be_had_is_told() -> None:
    spec, told = adapt(ContainerSpec(id_map=IdMap(0, 5, 9)), PLAIN)

    assert ["id map"] == list(told)
    assert (IdMap(0, 1000, 1),) == spec.uid_lines


@pytest.mark.parametrize(
    "asked",
    [
        ContainerSpec(namespaces=frozenset({Namespace.PID, Namespace.MNT})),
        ContainerSpec(namespaces=frozenset(), root=RootMethod.CHROOT),
    ],
)
def test_what_takes_a_privilege_gets_a_user_namespace_and_that_is_told(asked: ContainerSpec) -> None:
    spec, told = adapt(asked, PLAIN)

    assert asked.namespaces | {Namespace.USER} == spec.namespaces
    assert ["the host's user namespace"] == list(told)
    assert "user" in compile_plan(spec, Places("/rootfs"), CgroupPlan(), "box", PLAIN).clone.namespaces


def test_a_bare_process_stays_one() -> None:
    assert (BARE, {}) == adapt(BARE, PLAIN)


@pytest.mark.parametrize("asked", [BARE, ContainerSpec()])
def test_another_user_can_t_be_had_and_then_there_are_no_capabilities_either(asked: ContainerSpec) -> None:
    spec, told = adapt(msgspec.structs.replace(asked, user=899_000, all_capabilities=True), PLAIN)

    assert ["user 899000"] == list(told)
    assert (None, frozenset(), False) == (spec.user, spec.capabilities, spec.all_capabilities)


def test_what_could_outlive_us_is_refused() -> None:
    with pytest.raises(CgroupError) as caught:
        refuse_unkillable(BARE, CgroupPlan(missing={"cgroup": "nothing is delegated"}), "do this")

    assert "nothing is delegated" in caught.value.message
    assert "do this" in caught.value.hint
    refuse_unkillable(BARE, CgroupPlan(directories={"": "/cg"}), "")
    refuse_unkillable(ContainerSpec(), CgroupPlan(), "")


def test_a_network_takes_root_and_says_so() -> None:
    with pytest.raises(UnavailableError, match="shop"):
        adapt(ContainerSpec(network="shop"), PLAIN)
