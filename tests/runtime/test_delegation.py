"""Which part of the cgroup tree is a plain user's, on hosts made of directories."""

from __future__ import annotations

from pathlib import Path

import pytest

from contlab.linux.hierarchies import Hierarchies, Hierarchy, Mode, Version
from contlab.runtime.delegation import SCOPE, Base, controllers_of_scope, find_base, remedy, scope
from contlab.runtime.rights import ROOT, Rights
from tests.runtime import hosts

USER = Rights(1000, 1000, admin=False)
NEEDED = ("cpu", "memory", "pids")


def at(top: Path, own: Path) -> Hierarchies:
    tree = Hierarchy(Version.V2, str(top), str(own))
    return Hierarchies(Mode.V2, dict.fromkeys(NEEDED, tree), tree)


def base_of(top: Path, own: Path) -> Base:
    tree = at(top, own).unified
    assert tree
    return find_base(tree, NEEDED)


def test_the_parent_of_a_full_cgroup_is_taken_where_it_holds_no_processes(tmp_path: Path) -> None:
    mine = hosts.cgroup(tmp_path / "mine", "cpu memory pids")
    shell = hosts.cgroup(mine / "shell", "", "", "7\n")

    assert Base(str(mine), NEEDED) == base_of(tmp_path, shell)


def test_of_several_the_one_that_passes_on_most_is_taken_and_the_nearest_of_equals(tmp_path: Path) -> None:
    hosts.cgroup(tmp_path, "cpu memory pids", "memory pids", "1\n")
    upper = hosts.cgroup(tmp_path / "upper", "memory pids", "memory pids")
    lower = hosts.cgroup(upper / "lower", "memory pids", "memory pids")
    own = hosts.cgroup(lower / "own", "memory pids", "", "7\n")

    assert Base(str(lower), (), ("cpu",)) == base_of(tmp_path, own)


def test_where_everything_is_full_it_is_at_least_a_place_and_the_reason_is_told(tmp_path: Path) -> None:
    own = hosts.cgroup(tmp_path / "own", "cpu memory pids", "", "7\n")

    found = base_of(own, own)

    assert Base(str(own), (), NEEDED, full=True) == found
    assert f"the cgroup {own} holds processes, so it can't pass on cpu, memory, pids" == found.why


def test_without_a_directory_to_write_to_there_is_none(tmp_path: Path) -> None:
    assert "" == base_of(tmp_path, tmp_path / "gone").directory


@pytest.fixture
def session(tmp_path: Path) -> dict[str, str]:
    """An environment in which systemd's manager listens."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/systemd-run").touch(0o755)
    (tmp_path / "bus").touch()
    return {"PATH": f"/nowhere:{tmp_path}/bin", "XDG_RUNTIME_DIR": str(tmp_path)}


def test_a_scope_is_asked_for_where_the_own_cgroup_is_not_delegated(tmp_path: Path, session: dict[str, str]) -> None:
    host = at(tmp_path, hosts.cgroup(tmp_path / "own", "", "", "7\n"))

    assert SCOPE == scope(host, USER, session)
    assert () == scope(host, ROOT, session)
    assert () == scope(host, USER, session | {"XDG_RUNTIME_DIR": ""})
    assert () == scope(host, USER, session | {"PATH": "/nowhere"})


def test_what_systemd_manages_is_left_to_it_though_it_could_be_written(tmp_path: Path, session: dict[str, str]) -> None:
    managed = hosts.cgroup(tmp_path / "user@1000.service/app.slice", "cpu memory pids", "cpu memory pids")
    delegated = hosts.cgroup(tmp_path / "mine", "cpu memory pids", "cpu memory pids")

    assert SCOPE == scope(at(tmp_path, managed), USER, session)
    assert () == scope(at(tmp_path, delegated), USER, session)


def test_a_scope_has_the_controllers_that_the_user_s_manager_was_given(tmp_path: Path, session: dict[str, str]) -> None:
    hosts.cgroup(tmp_path / "user.slice/user-1000.slice/user@1000.service", "memory pids")
    host = at(tmp_path, hosts.cgroup(tmp_path / "own", "", "", "7\n"))

    assert {"memory", "pids"} == controllers_of_scope(host, USER, session)
    assert set() == controllers_of_scope(host, USER, {})


def test_the_remedy_is_the_one_for_this_host(tmp_path: Path) -> None:
    v2, v1 = at(tmp_path, tmp_path), hosts.v1(tmp_path)

    assert "" == remedy(v2, ROOT)
    assert "--sudo" in remedy(v1, USER)
    assert "user@.service.d" in remedy(v2, USER, systemd=True)
    assert f"mkdir -p {tmp_path}/contlab-user-1000/shell" in remedy(v2, USER, systemd=False)
