"""Flags against this machine's own headers' numbers, as Python and the kernel know them."""

from __future__ import annotations

import os

import pytest

from contlab.linux.flags import CAP, CLONE, MNT, MS, NAMESPACE_FLAGS, PR


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        # linux/sched.h
        (CLONE.NEWTIME, 0x80), (CLONE.PIDFD, 0x1000), (CLONE.PARENT, 0x8000), (CLONE.NEWNS, 0x20000),
        (CLONE.NEWCGROUP, 0x02000000), (CLONE.NEWUTS, 0x04000000), (CLONE.NEWIPC, 0x08000000),
        (CLONE.NEWUSER, 0x10000000), (CLONE.NEWPID, 0x20000000), (CLONE.NEWNET, 0x40000000),
        (CLONE.INTO_CGROUP, 0x200000000),
        # linux/mount.h
        (MS.RDONLY, 1), (MS.NOSUID, 2), (MS.NODEV, 4), (MS.NOEXEC, 8), (MS.REMOUNT, 32), (MS.NOATIME, 1024),
        (MS.NODIRATIME, 2048), (MS.BIND, 4096), (MS.MOVE, 8192), (MS.REC, 16384), (MS.UNBINDABLE, 1 << 17),
        (MS.PRIVATE, 1 << 18), (MS.SLAVE, 1 << 19), (MS.SHARED, 1 << 20), (MS.RELATIME, 1 << 21),
        (MS.STRICTATIME, 1 << 24), (MNT.FORCE, 1), (MNT.DETACH, 2), (MNT.EXPIRE, 4),
        # linux/prctl.h
        (PR.SET_PDEATHSIG, 1), (PR.SET_NAME, 15), (PR.CAPBSET_READ, 23), (PR.CAPBSET_DROP, 24),
        (PR.SET_CHILD_SUBREAPER, 36), (PR.SET_NO_NEW_PRIVS, 38), (PR.CAP_AMBIENT, 47),
    ],
    ids=str,
)  # fmt: skip
def test_a_flag_has_the_header_s_value(flag: int, value: int) -> None:
    assert value == flag


def test_the_mount_flags_that_statvfs_knows_have_its_values() -> None:
    assert (os.ST_RDONLY, os.ST_NOSUID, os.ST_NODEV, os.ST_NOEXEC) == (MS.RDONLY, MS.NOSUID, MS.NODEV, MS.NOEXEC)
    assert (os.ST_NOATIME, os.ST_NODIRATIME) == (MS.NOATIME, MS.NODIRATIME)


def test_every_namespace_link_of_this_kernel_has_its_flag() -> None:
    links = {name for name in os.listdir("/proc/self/ns") if not name.endswith("_for_children")}

    assert links <= NAMESPACE_FLAGS.keys()
    assert len(NAMESPACE_FLAGS) == len(set(NAMESPACE_FLAGS.values()))


def test_capabilities_are_numbered_without_a_gap_up_to_the_last_one_known() -> None:
    assert list(range(41)) == [int(cap) for cap in CAP]
    assert (0, 5, 21, 24, 40) == (
        CAP.CAP_CHOWN, CAP.CAP_KILL, CAP.CAP_SYS_ADMIN, CAP.CAP_SYS_RESOURCE, CAP.CAP_CHECKPOINT_RESTORE,
    )  # fmt: skip
