"""Id maps: what the kernel would refuse is refused before, and who is who outside."""

from __future__ import annotations

import pytest

from contlab.errors import LessonError
from contlab.runtime import ids
from contlab.runtime.contradiction import refuse_contradictions
from contlab.runtime.spec import ContainerSpec, IdMap, Namespace, TimeOffsets

RANGES = (IdMap(0, 1000, 1), IdMap(1, 100_000, 65_535))


def test_a_map_is_written_as_one_line_for_each_range() -> None:
    assert "0 1000 1\n1 100000 65535" == ids.text(RANGES)


@pytest.mark.parametrize(("inside", "outside"), [(0, 1000), (1, 100_000), (65_535, 165_534), (65_536, None)])
def test_an_id_inside_is_another_one_outside_or_none(inside: int, outside: int | None) -> None:
    assert outside == ids.outside(RANGES, inside)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ((), "an id map of 0 lines"),
        (tuple(IdMap(n, n, 1) for n in range(341)), "an id map of 341 lines"),
        (tuple(IdMap(n, 4_000_000_000 + n, 1) for n in range(340)), "340 lines and .* bytes"),
        ((IdMap(0, -1, 1),), "no id map: '0 -1 1'"),
        ((IdMap(0, 0, 0),), "no id map: '0 0 0'"),
        ((IdMap(0, 4_294_967_290, 6),), "no id map"),
        ((IdMap(0, 0, 10), IdMap(9, 100, 1)), "id 9 inside is in two lines"),
        ((IdMap(0, 50, 10), IdMap(10, 59, 1)), "id 59 outside is in two lines"),
        ((IdMap(1, 1000, 5),), "id 0 inside is not mapped"),
    ],
)
def test_a_map_that_the_kernel_would_refuse_is_refused_with_the_reason(lines: tuple[IdMap, ...], words: str) -> None:
    with pytest.raises(LessonError, match=words):
        refuse_contradictions(ContainerSpec(id_map=lines))


def test_the_largest_map_that_fits_is_taken() -> None:
    ids.refuse_nonsense((IdMap(0, 0, 4_294_967_295),))
    ids.refuse_nonsense(tuple(IdMap(n, n, 1) for n in range(340)))


def test_without_a_user_namespace_no_map_is_judged() -> None:
    refuse_contradictions(ContainerSpec(namespaces=frozenset(Namespace) - {Namespace.USER}, id_map=()))


def test_clock_offsets_without_a_time_namespace_would_be_the_host_s() -> None:
    spec = ContainerSpec(namespaces=frozenset(Namespace) - {Namespace.TIME}, time_offsets=TimeOffsets(boottime=1))

    with pytest.raises(LessonError, match="would set the host's clocks"):
        refuse_contradictions(spec)
