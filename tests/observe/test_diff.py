"""What changed between two snapshots, in sentences."""

from __future__ import annotations

from typing import Any

import msgspec.structs
import pytest

from contlab.observe.diff import Change, changes
from contlab.observe.snapshot import (
    EMPTY,
    CgroupSample,
    CpuSample,
    IdMapLine,
    Link,
    MemorySample,
    Mount,
    MountTree,
    NamespaceLink,
    NamespaceSet,
    NetworkView,
    PidsSample,
    PidView,
    Snapshot,
    Unavailable,
)

SHELL = PidView(pid=400, inside=1, ppid=1, comm="sh", state="S", command="/bin/sh")
SLEEP = PidView(pid=401, inside=7, ppid=400, comm="sleep", state="S", command="sleep 60")
ROOT = Mount(10, 1, "254:0", "/", "/", "rw", "private", "ext4", "disk", "rw")
PROC = Mount(11, 10, "0:22", "/", "/proc", "rw", "private", "proc", "proc", "rw")
GROUP = CgroupSample(
    version="v2",
    path="/sys/fs/cgroup/contlab-t",
    memory=MemorySample(1 << 20, 32 << 20, 0, 0, 0, 0, 0, 0, high_events=0),
    cpu=CpuSample(0, 0.5, 10, 0, 0),
    pids=PidsSample(2, 16, 0),
    biting={"memory": "/sys/fs/cgroup/contlab-t"},
)


def links(**inodes: tuple[int, bool]) -> NamespaceSet:
    return NamespaceSet(tuple(NamespaceLink(kind, inode, own) for kind, (inode, own) in inodes.items()))


def snapshot(**slices: Any) -> Snapshot:
    return Snapshot(target="t", at=0.0, **slices)


def told(before: Any, after: Any, slice: str) -> list[tuple[str, str, str]]:
    found = changes(snapshot(**{slice: before}), snapshot(**{slice: after}))
    assert {change.slice for change in found} <= {slice}
    return [(change.key, change.how, change.text) for change in found]


def changed(sample: CgroupSample, controller: str, **values: Any) -> CgroupSample:
    gauges = msgspec.structs.replace(getattr(sample, controller), **values)
    return msgspec.structs.replace(sample, **{controller: gauges})


def test_equal_snapshots_differ_in_nothing():
    one = snapshot(processes=(SHELL,), mounts=MountTree((ROOT,)), cgroup=GROUP)

    assert changes(one, msgspec.structs.replace(one, at=9.0)) == ()


def test_there_is_no_change_when_nothing_was_seen_before():
    assert changes(EMPTY, snapshot(processes=(SHELL,))) == ()


def test_processes_appear_and_go():
    assert told((SHELL,), (SHELL, SLEEP), "processes") == [
        ("401", "appeared", "process 401 (inside: 7) appeared: sleep 60")
    ]
    assert told((SHELL, SLEEP), (SHELL,), "processes") == [
        ("401", "vanished", "process 401 (inside: 7) is gone: sleep 60")
    ]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (
            {"state": "Z", "command": ""},
            "process 400 (inside: 1) has exited; it is a zombie until its parent waits for it",
        ),
        (
            {"comm": "top", "command": "top -b"},
            "process 400 (inside: 1) became top -b (it was /bin/sh)",
        ),
        ({"uid": 1000}, "process 400 (inside: 1) runs as user 1000 now (it was 0)"),
    ],
)
def test_a_process_that_is_another_than_before_is_told(values, text):
    assert told((SHELL,), (msgspec.structs.replace(SHELL, **values),), "processes") == [("400", "changed", text)]


def test_a_busier_process_is_no_change():
    assert told((SHELL,), (msgspec.structs.replace(SHELL, cpu_percent=80.0, rss=9, state="R"),), "processes") == []


def test_kernel_text_stays_as_it_is():
    odd = msgspec.structs.replace(SLEEP, command="[kthreadd] [/] x")

    assert told((), (odd,), "processes")[0][2].endswith("[kthreadd] [/] x")


def test_mounts_are_added_and_removed():
    assert told(MountTree((ROOT,)), MountTree((ROOT, PROC)), "mounts") == [
        ("11", "appeared", "proc was mounted on /proc (proc)")
    ]
    assert told(MountTree((ROOT, PROC)), MountTree((ROOT,)), "mounts") == [
        ("11", "vanished", "proc (proc) is no longer mounted on /proc")
    ]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"options": "ro"}, "/proc has the options ro now (they were rw)"),
        ({"propagation": "shared:5"}, "/proc has the propagation shared:5 now (it was private)"),
        ({"covered": True}, "/proc is covered by a later mount"),
        ({"mount_point": "/old/proc"}, "/old/proc was /proc before"),
    ],
)
def test_a_mount_that_is_another_than_before_is_told(values, text):
    after = MountTree((ROOT, msgspec.structs.replace(PROC, **values)))

    assert told(MountTree((ROOT, PROC)), after, "mounts") == [("11", "changed", text)]


def test_a_copy_of_the_mount_tree_in_another_namespace_is_no_change_of_mounts():
    copies = tuple(msgspec.structs.replace(m, mount_id=m.mount_id + 90, parent_id=99) for m in (ROOT, PROC))
    before = snapshot(mounts=MountTree((ROOT, PROC)), namespaces=links(mnt=(1, False)))
    after = snapshot(mounts=MountTree(copies), namespaces=links(mnt=(2, True)))

    assert changes(before, after) == (
        Change("namespaces", "mnt", "changed", "mnt: it is in a namespace of its own now"),
    )


def test_a_process_that_joins_the_host_s_namespace_is_told():
    assert told(links(net=(2, True), pid=(3, True)), links(net=(1, False), pid=(3, True)), "namespaces") == [
        ("net", "changed", "net: it is in the same namespace as its observer now")
    ]


def test_hostname_root_and_user_map_are_told():
    before = NamespaceSet(hostname="lectern")
    after = NamespaceSet(hostname="tenant", root="/srv/root", uid_map=(IdMapLine(0, 100000, 65536),))

    assert told(before, after, "namespaces") == [
        ("hostname", "changed", "its hostname is tenant (it was lectern)"),
        ("root", "changed", "its root directory is /srv/root (it was /)"),
        ("uid_map", "changed", "its user IDs: 0-65535 is 100000+ outside"),
    ]


@pytest.mark.parametrize(
    ("controller", "values", "key", "text"),
    [
        ("memory", {"oom_kills": 1}, "memory.oom_kills", "a process here: memory reached its limit of 32 MiB"),
        ("memory", {"oom_kills": 3}, "memory.oom_kills", "3 processes here: memory reached its limit of 32 MiB"),
        ("memory", {"limit": None}, "memory.limit", "its memory limit is none (it was 32 MiB)"),
        ("memory", {"high": 16 << 20}, "memory.high", "its memory.high limit is 16 MiB (it was none)"),
        ("memory", {"high_events": 1}, "memory.high_events", "memory is above memory.high: it was slowed down once"),
        ("memory", {"high_events": 9}, "memory.high_events", "it was slowed down 9 times"),
        ("cpu", {"quota": 0.25}, "cpu.quota", "its cpu limit is 25 % of a processor (it was 50 % of a processor)"),
        (
            "cpu",
            {"periods": 20, "throttled_periods": 7},
            "cpu.throttled_periods",
            "it was throttled in 7 of 10 periods: its quota is 50 % of a processor",
        ),
        ("pids", {"limit": 1}, "pids.limit", "its pids limit is 1 task (it was 16 tasks)"),
        ("pids", {"refused": 1}, "pids.refused", "the kernel refused a fork: the limit is 16 tasks"),
        ("pids", {"refused": 40}, "pids.refused", "the kernel refused 40 forks: the limit is 16 tasks"),
    ],
)
def test_what_the_kernel_did_to_the_cgroup_is_told(controller, values, key, text):
    ((told_key, how, sentence),) = told(GROUP, changed(GROUP, controller, **values), "cgroup")

    assert (told_key, how) == (key, "changed")
    assert sentence.endswith(text)


def test_a_kill_under_an_ancestor_s_limit_names_the_ancestor():
    before = changed(GROUP, "memory", limit=None)
    before = msgspec.structs.replace(before, biting={"memory": "/sys/fs/cgroup/contlab-group"})

    ((_, _, text),) = told(before, changed(before, "memory", oom_kills=1), "cgroup")

    assert text == "the kernel killed a process here: memory reached the limit of /sys/fs/cgroup/contlab-group"


@pytest.mark.parametrize(("frozen", "text"), [(True, "all its processes were stopped"), (False, "its processes go on")])
def test_a_cgroup_that_is_frozen_or_thawed_is_told(frozen, text):
    before = msgspec.structs.replace(GROUP, frozen=not frozen)

    ((key, how, sentence),) = told(before, msgspec.structs.replace(before, frozen=frozen), "cgroup")

    assert (key, how) == ("frozen", "changed")
    assert sentence.startswith(text)


def test_a_counter_that_was_or_is_unknown_tells_nothing():
    unknown = changed(GROUP, "memory", oom_kills=Unavailable("no memory.events here"))

    assert told(unknown, changed(GROUP, "memory", oom_kills=1), "cgroup") == []


def test_use_that_rises_and_falls_is_no_change():
    assert told(GROUP, changed(changed(GROUP, "memory", current=9), "cpu", usage_us=99, percent=3.0), "cgroup") == []


def test_interfaces_come_up_get_addresses_and_go():
    down = NetworkView((Link("lo", up=False), Link("eth0", up=True, addresses=("10.0.0.2/24",))))
    up = NetworkView((Link("lo", up=True, addresses=("127.0.0.1/8",)), Link("eth1", up=True)))

    assert told(down, up, "network") == [
        ("lo", "changed", "the interface lo came up, has the address 127.0.0.1/8 now"),
        ("eth1", "appeared", "the interface eth1 appeared"),
        ("eth0", "vanished", "the interface eth0 is gone"),
    ]


def test_a_cable_that_is_pulled_and_plugged_in_again_is_told():
    plugged = NetworkView((Link("eth0", True, peer="to-a at lan"),))
    cut = NetworkView((Link("eth0", True, peer="to-a at lan", cut=True),))

    assert told(plugged, cut, "network") == [
        ("eth0", "changed", "the interface eth0 lost its carrier: the cable is pulled out")
    ]
    assert told(cut, plugged, "network") == [("eth0", "changed", "the interface eth0 has its carrier again")]


def test_traffic_is_no_change():
    assert told(NetworkView((Link("lo", True),)), NetworkView((Link("lo", True, rx_bytes=9),)), "network") == []


def test_a_slice_that_can_not_be_seen_any_more_is_one_change_with_its_reason():
    gone = Unavailable("process 400 has exited")

    assert told(MountTree((ROOT,)), gone, "mounts") == [
        ("", "vanished", "mounts: nothing to be seen any more, process 400 has exited")
    ]
    assert told(gone, MountTree((ROOT,)), "mounts") == [("", "appeared", "mounts: can be seen now")]
    assert told(gone, Unavailable("another reason"), "mounts") == []
