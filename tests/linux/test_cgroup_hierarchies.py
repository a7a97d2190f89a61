"""Where controllers live: recorded bytes of a hybrid and a v2 host, and some written in the kernel's form."""

from __future__ import annotations

from pathlib import Path

import pytest

from contlab.linux.cgroup import (
    CgroupMembership,
    CgroupSubsystem,
    Hierarchies,
    Mode,
    Version,
    find_hierarchies,
    parse_cgroup,
    parse_proc_cgroups,
)
from contlab.linux.parse import ParseError

DATA = Path(__file__).resolve().parents[1] / "data"


def recorded(host: str, *, ask_tree: bool = True) -> Hierarchies:
    proc = DATA / host / "proc"
    names = ("self_mountinfo", "self_cgroup", "cgroups")
    controllers = (proc / "unified_cgroup.controllers").read_bytes() if ask_tree else None
    return find_hierarchies(*((proc / name).read_bytes() for name in names), controllers)


def mount(point: str, kind: str, options: str, root: str = "/") -> bytes:
    return f"40 30 0:40 {root} {point} rw,relatime - {kind} {kind} rw,{options}\n".encode()


@pytest.mark.parametrize("ask_tree", [True, False])
def test_on_a_hybrid_host_each_controller_is_found_where_it_is(ask_tree):
    found = recorded("6.18-hybrid", ask_tree=ask_tree)

    assert found.mode is Mode.HYBRID
    assert {name: tree.version.value for name, tree in found.controllers.items()} == {
        "cpu": "v1",
        "cpuacct": "v1",
        "cpuset": "v1",
        "freezer": "v1",
        "hugetlb": "v2",
        "io": "v1",
        "memory": "v1",
        "pids": "v1",
    }
    assert found.of("memory").own == "/sys/fs/cgroup/memory/contlab-rec"
    assert found.of("io").mount_point == "/sys/fs/cgroup/blkio"
    assert found.unified.own == "/sys/fs/cgroup/unified/contlab-rec"


@pytest.mark.parametrize("ask_tree", [True, False])
def test_on_a_v2_host_all_controllers_are_on_the_one_tree(ask_tree):
    found = recorded("6.1-v2", ask_tree=ask_tree)

    assert found.mode is Mode.V2
    assert list(found.controllers) == ["cpu", "cpuset", "hugetlb", "io", "memory", "pids"]
    assert {tree.version for tree in found.controllers.values()} == {Version.V2}
    assert (found.of("memory").mount_point, found.of("memory").own) == ("/sys/fs/cgroup", "/sys/fs/cgroup")
    assert found.of("freezer") is None


def test_a_v1_host_has_two_controllers_on_one_tree():
    mountinfo = mount("/sys/fs/cgroup/cpu,cpuacct", "cgroup", "cpu,cpuacct")
    cgroups = b"#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t2\t1\t1\ncpuacct\t2\t1\t1\nmemory\t0\t1\t0\n"

    found = find_hierarchies(mountinfo, b"2:cpu,cpuacct:/user.slice\n", cgroups)

    assert (found.mode, found.unified) == (Mode.V1, None)
    assert found.of("cpu") == found.of("cpuacct")
    assert found.of("cpu").own == "/sys/fs/cgroup/cpu,cpuacct/user.slice"


def test_a_controller_disabled_at_boot_is_not_there():
    cgroups = b"memory\t0\t9\t0\ncpu\t0\t9\t1\n"

    found = find_hierarchies(mount("/sys/fs/cgroup", "cgroup2", "nsdelegate"), b"0::/\n", cgroups)

    assert list(found.controllers) == ["cpu"]


def test_without_cgroups_there_are_none():
    assert find_hierarchies(b"1 0 0:1 / / rw - ext4 a rw\n", b"0::/\n", b"") == Hierarchies()


def test_a_systemd_tree_without_controllers_makes_no_hybrid():
    mountinfo = mount("/sys/fs/cgroup/systemd", "cgroup", "name=systemd") + mount("/sys/fs/cgroup", "cgroup2", "x")

    found = find_hierarchies(mountinfo, b"1:name=systemd:/\n0::/\n", b"pids\t0\t1\t1\n")

    assert (found.mode, list(found.controllers)) == (Mode.V2, ["pids"])


@pytest.mark.parametrize(
    ("root", "path", "own"),
    [
        ("/", "/docker/abc", "/sys/fs/cgroup/docker/abc"),
        ("/docker/abc", "/docker/abc", "/sys/fs/cgroup"),
        ("/docker/abc", "/docker/abc/inner", "/sys/fs/cgroup/inner"),
        ("/docker/ab", "/docker/abc", "/sys/fs/cgroup"),
        ("/", "/../sibling", "/sys/fs/cgroup"),
    ],
    ids=["whole tree", "own subtree mounted", "below it", "a name that only begins alike", "outside the namespace"],
)
def test_the_own_directory_is_what_the_mount_shows_of_it(root, path, own):
    found = find_hierarchies(mount("/sys/fs/cgroup", "cgroup2", "x", root), f"0::{path}\n".encode(), b"pids\t0\t1\t1\n")

    assert found.unified.own == own


def test_the_mount_that_shows_the_whole_tree_is_preferred():
    mountinfo = mount("/run/part", "cgroup2", "x", "/a") + mount("/sys/fs/cgroup", "cgroup2", "x")

    found = find_hierarchies(mountinfo, b"0::/a/b\n", b"")

    assert (found.unified.mount_point, found.unified.own) == ("/sys/fs/cgroup", "/sys/fs/cgroup/a/b")


def test_a_cgroup_path_may_hold_colons():
    assert parse_cgroup(b"5:cpu,cpuacct:/a:b\n1:name=systemd:/\n0::/x\n") == (
        CgroupMembership(5, ("cpu", "cpuacct"), "/a:b"),
        CgroupMembership(1, ("name=systemd",), "/"),
        CgroupMembership(0, (), "/x"),
    )


def test_the_table_of_controllers_is_read_without_its_heading():
    table = parse_proc_cgroups((DATA / "6.18-hybrid/proc/cgroups").read_bytes())

    assert table[0] == CgroupSubsystem("cpuset", 3, 1, True)
    assert len(table) == 12


@pytest.mark.parametrize(
    ("parse", "raw"),
    [(parse_proc_cgroups, b"memory 4\n"), (parse_proc_cgroups, b"a b c d\n"), (parse_cgroup, b"0:/\n")],
)
def test_a_line_of_another_shape_is_refused(parse, raw):
    with pytest.raises(ParseError):
        parse(raw)
