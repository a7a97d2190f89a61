"""One snapshot of a recorded container, and what is missing from it said in words."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contlab.observe.sampler import Sampler, Target
from contlab.observe.snapshot import (
    CgroupSample,
    IdMapLine,
    MountTree,
    NamespaceSet,
    NetworkView,
    Pressure,
    Unavailable,
)

FIRST = 400
STAGE = "2-oom-throttled-refused"


def contained(host, stage=STAGE):
    """A container of two processes in the recorded cgroup."""
    cgroups = host.cgroup(stage)
    host.members(cgroups, FIRST + 1, FIRST)
    host.process(FIRST, 1, 1, comm="sh", argv=("/bin/sh",))
    host.process(FIRST + 1, FIRST, 7)
    host.contain(FIRST)
    return Target("tenant", FIRST, cgroups)


def test_a_snapshot_has_every_slice(host):
    snapshot = Sampler(host.source, contained(host)).sample(5.0)

    assert (snapshot.target, snapshot.at, snapshot.alive, snapshot.kernel) == ("tenant", 5.0, True, "6.18.44-fake")
    assert [(p.pid, p.inside, p.comm) for p in snapshot.processes] == [(400, 1, "sh"), (401, 7, "sleep")]
    assert isinstance(snapshot.mounts, MountTree)
    assert isinstance(snapshot.namespaces, NamespaceSet)
    assert isinstance(snapshot.cgroup, CgroupSample)
    assert isinstance(snapshot.network, NetworkView)


def test_namespaces_are_told_from_the_observer_s_own(host):
    namespaces = Sampler(host.source, contained(host)).sample(0.0).namespaces

    assert [link.kind for link in namespaces.links] == ["mnt", "pid", "net", "uts", "ipc", "user", "cgroup", "time"]
    assert [link.kind for link in namespaces.links if not link.own] == ["user"]
    assert (namespaces.uid_map, namespaces.root) == ((IdMapLine(0, 0, 4294967295),), "/")


def test_the_hostname_of_another_uts_namespace_is_only_known_when_told(host):
    target = contained(host)
    sampler = Sampler(host.source, target)

    unknown = sampler.sample(0.0).namespaces.hostname
    sampler.target = replace(target, hostname="tenant-a")

    assert (unknown, sampler.sample(1.0).namespaces.hostname) == (None, "tenant-a")


def test_a_shared_uts_namespace_has_the_observer_s_hostname(host):
    target = contained(host)
    link = host.path(f"/proc/{FIRST}/ns/uts")
    link.unlink()
    link.symlink_to(host.path("/proc/self/ns/uts").readlink())

    assert Sampler(host.source, target).sample(0.0).namespaces.hostname == "lectern"


def test_mounts_that_the_host_lacks_and_mounts_that_are_covered_are_marked(hybrid):
    tree = Sampler(hybrid.source, contained(hybrid)).sample(0.0).mounts
    points = {mount.mount_id: mount.mount_point for mount in tree.mounts}

    assert tree.not_on_host == set(points)
    assert [m.mount_point for m in tree.mounts if m.covered] == ["/proc", "/dev/shm", "/dev/pts"]
    assert "/tmp/observe/a b\nc\td\\e" in points.values()


def test_a_process_in_the_host_s_mount_namespace_has_nothing_that_the_host_lacks(host):
    target = contained(host)
    host.write(f"/proc/{FIRST}/mountinfo", host.source.read("/proc/self/mountinfo"))

    tree = Sampler(host.source, target).sample(0.0).mounts

    assert tree.mounts
    assert tree.not_on_host == frozenset()


def test_unchanged_slices_are_equal_from_one_snapshot_to_the_next(host):
    sampler = Sampler(host.source, contained(host))

    first, second = sampler.sample(1.0), sampler.sample(2.0)

    assert first.mounts is second.mounts
    assert first.network is second.network
    assert first.namespaces == second.namespaces


def test_addresses_are_on_the_interface_that_has_them(hybrid):
    links = Sampler(hybrid.source, contained(hybrid)).sample(0.0).network.links

    assert [(link.name, link.up, link.addresses) for link in links] == [
        ("lo", True, ("127.0.0.1/8", "::1/128")),
        ("peer0", False, ()),
        ("eth0", True, ("10.1.2.3/24", "192.0.2.77/30")),
        ("down1", False, ()),
        ("down0", False, ()),
    ]


def test_a_fresh_network_namespace_has_a_loopback_that_is_down(v2):
    (link,) = Sampler(v2.source, contained(v2)).sample(0.0).network.links

    assert (link.name, link.up, link.addresses) == ("lo", False, ())


def test_gauges_read_alike_on_both_kinds_of_host(host):
    sample = Sampler(host.source, contained(host)).sample(0.0).cgroup

    assert sample.version == ("hybrid" if host.hybrid else "v2")
    assert (sample.memory.limit, sample.memory.oom_kills, sample.memory.peak) == (32 << 20, 1, 32 << 20)
    assert (sample.cpu.quota, sample.cpu.throttled_periods) == (0.5, 20 if host.hybrid else 59)
    assert (sample.pids.limit, sample.pids.refused) == (8 if host.hybrid else 16, 1)
    assert isinstance(sample.pressure_cpu, Pressure)
    assert isinstance(sample.pressure_memory, Pressure)


def test_rates_are_those_since_the_previous_snapshot(v2):
    sampler = Sampler(v2.source, contained(v2))
    first = sampler.sample(1_000_000).cgroup.cpu
    v2.cgroup("3-frozen")

    second = sampler.sample(2_000_000).cgroup.cpu

    assert (first.percent, first.throttled_percent) == (None, None)
    assert second.percent == pytest.approx(100 * (3207578 - 3014941) / 1_000_000)
    assert second.throttled_percent == pytest.approx(100 * (63 - 59) / (68 - 62))


def test_the_ancestor_with_the_smallest_limit_is_the_one_that_bites(host):
    tenant = host.cgroup("1-limits-set", "contlab-group/contlab-tenant")
    group = {controller: directory.rpartition("/")[0] for controller, directory in tenant.items()}
    memory, pids = ("memory.limit_in_bytes", "pids.max") if host.hybrid else ("memory.max", "pids.max")
    host.write(f"{group['memory']}/{memory}", f"{16 << 20}\n")
    host.write(f"{group['pids']}/{pids}", "1000\n")
    host.process(FIRST)

    biting = Sampler(host.source, Target("t", FIRST, tenant)).sample(0.0).cgroup.biting

    assert biting == {"memory": group["memory"], "cpu": tenant["cpu"], "pids": tenant["pids"]}


def test_of_two_equal_limits_the_nearer_one_bites(v2):
    tenant = v2.cgroup("1-limits-set", "contlab-group/contlab-tenant")
    v2.cgroup("1-limits-set", "contlab-group")

    biting = Sampler(v2.source, Target("t", FIRST, tenant)).sample(0.0).cgroup.biting

    assert set(biting.values()) == {tenant[""]}


def test_no_limit_anywhere_bites_nowhere(host):
    target = contained(host, "0-fresh" if host.hybrid else "0-fresh-no-limits")

    assert Sampler(host.source, target).sample(0.0).cgroup.biting == {}


def test_a_dead_first_process_is_said_in_words_and_the_gauges_stay(host):
    target = contained(host)
    sampler = Sampler(host.source, target)
    sampler.sample(0.0)
    host.end(FIRST)
    host.members(target.cgroups)

    snapshot = sampler.sample(1.0)

    assert (snapshot.alive, snapshot.processes) == (False, ())
    assert snapshot.mounts == snapshot.namespaces == snapshot.network == Unavailable("process 400 has exited")
    assert snapshot.cgroup.memory.oom_kills == 1


def test_a_zombie_is_dead_but_listed(host):
    target = contained(host)
    host.process(FIRST, 1, 1, state="Z", argv=())

    snapshot = Sampler(host.source, target).sample(0.0)

    assert not snapshot.alive
    assert snapshot.processes[0].state == "Z"


def test_another_process_of_the_same_number_is_not_the_container_s(host):
    target = contained(host)
    sampler = Sampler(host.source, target)
    sampler.sample(0.0)
    host.process(FIRST, start=9999)

    assert not sampler.sample(1.0).alive


def test_a_removed_cgroup_is_said_in_words(host):
    target = contained(host)
    for directory in set(target.cgroups.values()):
        host.path(directory).rename(host.path(directory + "-removed"))

    sample = Sampler(host.source, target).sample(0.0).cgroup

    assert sample == Unavailable(f"the cgroup {target.cgroups['']} is gone")


def test_a_target_without_a_cgroup_is_its_process_and_its_descendants(host):
    for pid, ppid in ((1, 0), (FIRST, 1), (401, FIRST), (500, 1)):
        host.process(pid, ppid)
    host.contain(FIRST)

    snapshot = Sampler(host.source, Target("bare", FIRST)).sample(0.0)

    assert [process.pid for process in snapshot.processes] == [FIRST, 401]
    assert snapshot.cgroup == Unavailable("it has no cgroup of its own")


def test_a_controller_that_the_host_lacks_is_said_in_words(hybrid):
    target = contained(hybrid)
    lines = hybrid.source.read("/proc/self/cgroup").splitlines(keepends=True)
    hybrid.write("/proc/self/cgroup", b"".join(line for line in lines if b":pids:" not in line))

    sample = Sampler(hybrid.source, target).sample(0.0).cgroup

    assert sample.pids == Unavailable("this host has no pids controller")
    assert sample.memory.limit == 32 << 20


def test_a_controller_without_a_directory_is_said_in_words(hybrid):
    target = contained(hybrid)
    cgroups = {name: directory for name, directory in target.cgroups.items() if name in ("", "pids")}

    sample = Sampler(hybrid.source, replace(target, cgroups=cgroups)).sample(0.0).cgroup

    assert sample.memory == Unavailable("it has no memory cgroup of its own")
    assert sample.cpu == Unavailable("it has no cpu cgroup of its own")


def test_a_host_without_pressure_says_so(host):
    target = contained(host)
    host.path(f"{target.cgroups['']}/memory.pressure").unlink()
    without = replace(target, cgroups={name: path for name, path in target.cgroups.items() if name})

    assert "CONFIG_PSI" in Sampler(host.source, target).sample(0.0).cgroup.pressure_memory.reason
    assert "cgroup v2" in Sampler(host.source, without).sample(0.0).cgroup.pressure_cpu.reason


def test_what_this_user_may_not_read_is_said_in_words(host):
    class Refusing:
        def __init__(self, source):
            self.read, self.listdir, self.source = source.read, source.listdir, source

        def readlink(self, path):
            if path == f"/proc/{FIRST}/ns/mnt":
                raise PermissionError(13, "Permission denied", path)
            return self.source.readlink(path)

    snapshot = Sampler(Refusing(host.source), contained(host)).sample(0.0)

    assert snapshot.namespaces == Unavailable("this user may not read /proc/400/ns/mnt")
    assert isinstance(snapshot.mounts, MountTree)


def test_a_file_of_an_unknown_form_spoils_its_slice_alone(host):
    target = contained(host)
    host.write(f"/proc/{FIRST}/mountinfo", b"rubbish\n")

    snapshot = Sampler(host.source, target).sample(0.0)

    assert snapshot.mounts.reason.startswith("this kernel's mountinfo: no ' - type source options'")
    assert len(snapshot.processes) == 2
