"""Snapshots that are kept together share what they have in common."""

from __future__ import annotations

import msgspec

from contlab.observe.share import same, shared
from contlab.observe.snapshot import (
    CgroupSample,
    CpuSample,
    Mount,
    MountTree,
    PidsSample,
    PidView,
    Snapshot,
    Unavailable,
)


def moment(at: float, *pids: int, usage: int = 0) -> Snapshot:
    """A container whose processes and processor time are given."""
    mount = Mount(1, 0, "0:1", "/", "/", "rw", "private", "tmpfs", "tmpfs", "rw")
    cgroup = CgroupSample("v2", "/c", Unavailable("none"), CpuSample(usage, None, 0, 0, 0), PidsSample(1, None, 0))
    return Snapshot(
        target="box",
        at=at,
        processes=tuple(PidView(pid, pid, 1, "sh", "S") for pid in pids),
        mounts=MountTree((mount,)),
        cgroup=cgroup,
    )


def test_what_is_equal_is_kept_once() -> None:
    old, new = moment(1.0, 7, 8, 9), moment(2.0, 7, 9, 10, usage=5)
    kept = shared({"box": old}, {"box": new})["box"]

    assert kept == new
    assert kept.mounts is old.mounts
    assert isinstance(kept.processes, tuple)
    assert isinstance(old.processes, tuple)
    assert kept.processes[0] is old.processes[0]
    assert kept.processes[1] is old.processes[2]
    assert isinstance(kept.cgroup, CgroupSample)
    assert isinstance(old.cgroup, CgroupSample)
    assert kept.cgroup.cpu is not old.cgroup.cpu
    assert kept.cgroup.pids is old.cgroup.pids


def test_values_of_different_types_are_never_taken_for_one_another() -> None:
    old = msgspec.structs.replace(moment(1.0), processes=Unavailable("gone"), guest=None)
    new = msgspec.structs.replace(moment(2.0, 1), guest=Unavailable("not there"))

    assert shared({"box": old}, {"box": new}) == {"box": new}
    assert shared({}, {"box": new}) == {"box": new}


def test_time_alone_makes_no_difference() -> None:
    assert same({"box": moment(1.0, 7)}, {"box": moment(2.0, 7)})
    assert not same({"box": moment(1.0, 7)}, {"box": moment(2.0, 8)})
    assert not same({"box": moment(1.0, 7)}, {})
    assert not same({}, {"box": moment(1.0, 7)})
    assert same({}, {})
