"""Whom a lesson's containers run as."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from contlab.course.catalogue import open_lesson
from contlab.course.lesson import Container, Lesson, Prose, Step
from contlab.errors import NotPermittedError
from contlab.lab.walls import housed, refuse_bare, ships
from contlab.runtime.ground import LAB_USER
from contlab.runtime.spec import ALL_NAMESPACES, ContainerSpec, Namespace, RootMethod

BARE = ContainerSpec(namespaces=frozenset(), root=RootMethod.HOST, all_capabilities=True)
WALLED = ContainerSpec(namespaces=frozenset({Namespace.PID, Namespace.MNT, Namespace.NET}))


@pytest.fixture
def lesson(checkout: Path) -> Lesson:
    return open_lesson(str(checkout / "tests/data/lessons/walls.md"))


def with_container(lesson: Lesson, spec: ContainerSpec) -> Lesson:
    step = Step("Step", "step", 1, (Prose("Text.", 2), Container("box", spec, 3)))
    return msgspec.structs.replace(lesson, steps=(step,))


def test_under_root_what_has_no_walls_is_a_user_who_owns_nothing() -> None:
    assert LAB_USER == housed(BARE, admin=True).user
    assert LAB_USER == housed(ContainerSpec(namespaces=frozenset({Namespace.MNT})), admin=True).user
    assert WALLED == housed(WALLED, admin=True)


def test_under_a_plain_user_it_is_they_themselves_without_a_capability_even_in_a_namespace() -> None:
    spec = housed(BARE, admin=False)

    assert (None, frozenset(), False) == (spec.user, spec.capabilities, spec.all_capabilities)
    assert WALLED == housed(WALLED, admin=False)


@pytest.mark.parametrize("lacking", [Namespace.PID, Namespace.NET])
def test_a_plain_user_s_walls_are_files_processes_and_sockets(lesson: Lesson, lacking: Namespace) -> None:
    refuse_bare(with_container(lesson, WALLED))
    with pytest.raises(NotPermittedError, match="the container box of the step 'Step'"):
        refuse_bare(with_container(lesson, ContainerSpec(namespaces=ALL_NAMESPACES - {lacking})))
    with pytest.raises(NotPermittedError):
        refuse_bare(with_container(lesson, ContainerSpec(root=RootMethod.CHROOT)))
    with pytest.raises(NotPermittedError):
        refuse_bare(with_container(lesson, ContainerSpec(network="host")))


def test_contlab_s_own_lessons_may(checkout: Path, tmp_path: Path) -> None:
    own = open_lesson("why-containers/three-walls")
    elsewhere = tmp_path / "three-walls.md"
    elsewhere.symlink_to(own.path)

    refuse_bare(own)
    assert ships(own.path)
    assert ships(elsewhere), "it is the same file"
    assert not ships(checkout / "tests/data/lessons/walls.md")
