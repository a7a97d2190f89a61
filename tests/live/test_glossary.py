"""The glossary on this kernel: each command is run in a shell of the host, and prints what the sample has."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable

import pytest

from contlab.lab.glossary import KEYS, Field, Shown, explain, mounts, namespaces, network, processes, protection
from contlab.lab.glossary import cgroup as gauges
from contlab.linux.hierarchies import Version
from contlab.observe.sampler import Sampler, Target, read_hierarchies
from contlab.observe.snapshot import (
    CgroupSample,
    CpuSample,
    IoSample,
    MemorySample,
    MountTree,
    NamespaceSet,
    PidView,
    Snapshot,
)
from contlab.observe.source import HostSource
from contlab.runtime.client import Runtime
from contlab.runtime.spec import Limits
from tests.live.containers import Output, shell, until

pytestmark = pytest.mark.needs("root", "cgroup", "cgroup-memory", "cgroup-cpu", "cgroup-pids", "ns-net", "ns-user")

MIB = 1 << 20
PAGE = os.sysconf("SC_PAGE_SIZE")
NEAR = MIB
"""Bytes: the kernel settles charges in batches, so that two readings of an idle cgroup differ a little."""


def printed(field: Field) -> str:
    """What a learner sees who pastes the command; grep that finds nothing says so by its exit code alone."""
    done = subprocess.run(["/bin/sh", "-c", field.command], capture_output=True, text=True, timeout=30)
    assert not done.stderr, f"{field.command}: {done.stderr}"
    return done.stdout


def look(sampler: Sampler) -> Snapshot:
    """Two samples, so that there are rates."""
    sampler.sample(time.monotonic_ns() / 1000)
    time.sleep(0.05)
    return sampler.sample(time.monotonic_ns() / 1000)


@pytest.fixture
async def seen(runtime: Runtime, output: Output) -> Snapshot:
    """A container that has come to rest, without some of its protections."""
    spec = shell(
        "ip link set lo up; sleep 1000", hostname="glossary", limits=Limits(64 * MIB, cpus=0.5, pids=20),
        no_new_privs=False, seccomp=False, mask_proc=False,
    )  # fmt: skip
    container = await runtime.spawn("glossary", spec, output.stdio)
    started = container.started.result()
    hostname = await runtime.hostname(container.name)
    target = Target("glossary", started.pid, started.cgroups, hostname=hostname)
    sampler = Sampler(HostSource(), target)
    await until(lambda: any(one.comm == "sleep" and one.state == "S" for one in look(sampler).processes))
    return look(sampler)


def shown(snapshot: Snapshot) -> Shown:
    return Shown(snapshot.processes, snapshot.cgroup)


PROCESS: dict[str, Callable[[PidView, str], bool]] = {
    "process.inside": lambda one, said: said.split()[1:] == [str(one.pid), str(one.inside)],
    "process.first": lambda one, said: said.split()[-1] == str(one.inside),
    "process.pid": lambda one, said: str(one.pid) in said.split(),
    "process.state": lambda one, said: said == f"{one.state}\n",
    "process.memory": lambda one, said: int(said) * PAGE == one.rss,
    "process.cpu": lambda one, said: len([int(ticks) for ticks in said.split()]) == 2,
    "process.command": lambda one, said: said.rstrip() == one.command,
    "process.comm": lambda one, said: said == f"{one.comm}\n",
}


async def test_the_commands_of_a_process_print_what_was_sampled(seen: Snapshot) -> None:
    assert set(PROCESS) == set(processes.ENTRIES)
    assert isinstance(seen.processes, tuple)
    for one in seen.processes:
        for key, agrees in PROCESS.items():
            field = explain(key, one, shown(seen))
            assert agrees(one, said := printed(field)), f"{field.command}: {said!r}, but {one}"


async def test_the_commands_of_a_namespace_print_what_was_sampled(seen: Snapshot) -> None:
    spaces = seen.namespaces
    assert isinstance(spaces, NamespaceSet)
    for link in spaces.links:
        theirs, ours = printed(explain(f"namespace.{link.kind}", spaces, shown(seen))).splitlines()
        assert theirs == f"{link.kind}:[{link.inode}]"
        assert (theirs != ours) == link.own
    said = {
        name: printed(explain(f"namespace.{name}", spaces, shown(seen))) for name in ("hostname", "root", "uid_map")
    }
    assert said["hostname"] == f"{spaces.hostname}\n" == "glossary\n"
    assert said["root"].splitlines()[0] == spaces.root
    assert "bin" in said["root"].splitlines()
    assert [int(number) for number in said["uid_map"].split()] == [
        number for line in spaces.uid_map for number in (line.inside, line.outside, line.length)
    ]


async def test_the_commands_of_a_protection_show_that_it_is_off(seen: Snapshot) -> None:
    def asked(key: str, words: str) -> str:
        assert protection(words) == key
        return printed(explain(key, (words,), shown(seen)))

    assert asked("protection.no_new_privs", "setuid programs give privileges") == "NoNewPrivs:\t0\n"
    assert asked("protection.seccomp", "no seccomp filter").startswith("Seccomp:\t0\n")
    assert asked("protection.capabilities", "capabilities are not bounded").startswith("CapBnd:\t")
    assert "Max open files" in asked("protection.rlimits", "resource limits are its maker's")
    assert " /proc " in asked("protection.masked", "nothing in /proc and /sys is masked")
    assert asked("protection.limits", "no memory limit").startswith(
        ("0::", "1", "2", "3", "4", "5", "6", "7", "8", "9")
    )
    assert {key for key in namespaces.ENTRIES if key.startswith("protection.")} <= KEYS


async def test_the_commands_of_a_mount_print_its_line(seen: Snapshot) -> None:
    assert isinstance(seen.mounts, MountTree)
    for mount in seen.mounts.mounts:
        keys = set(mounts.ENTRIES) - {"mount.own", "mount.covered"}
        commands = {explain(key, mount, shown(seen)) for key in keys}
        (line,) = {printed(field) for field in commands}
        assert line.startswith(f"{mount.mount_id} {mount.parent_id} {mount.device} ")
        assert f" - {mount.fs_type} {mount.source} {mount.super_options}\n" in line
        there = printed(explain("mount.own", mount, shown(seen)))
        assert bool(there) == (mount.mount_id not in seen.mounts.not_on_host)


async def test_the_commands_of_an_interface_print_what_was_sampled(seen: Snapshot) -> None:
    (lo,) = seen.network.links
    said = {key: printed(explain(key, lo, shown(seen))) for key in network.ENTRIES}

    assert "010000E0" in said["link.up"]
    assert lo.up
    assert "127.0.0.1/8" in said["link.addresses"]
    assert "127.0.0.1/8" in lo.addresses
    counted = said["link.in"].split(":")[1].split()
    assert (counted[0], counted[8]) == (str(lo.rx_bytes), str(lo.tx_bytes))
    assert "lo:" in said["link.cut"]
    assert said["link.name"] == said["link.out"] == said["link.in"]


def last(said: str) -> int:
    return int(said.split()[-1])


def near(value: object, said: str) -> bool:
    return isinstance(value, int) and abs(last(said) - value) <= NEAR


def quota(said: str) -> float:
    used, period = said.split()
    return int(used) / int(period)


def memory(sample: CgroupSample) -> MemorySample:
    assert isinstance(sample.memory, MemorySample)
    return sample.memory


def cpu(sample: CgroupSample) -> CpuSample:
    assert isinstance(sample.cpu, CpuSample)
    return sample.cpu


GAUGES: dict[str, Callable[[CgroupSample, str], bool]] = {
    "memory.current": lambda sample, said: near(memory(sample).current, said),
    "memory.limit": lambda sample, said: last(said) == memory(sample).limit == 64 * MIB,
    "memory.share": lambda sample, said: last(said) == 64 * MIB and len(said.split()) == 2,
    "memory.oom_kills": lambda sample, said: (
        last(said) == memory(sample).oom_kills == 0 and len(said.splitlines()) == 1
    ),
    "memory.anon": lambda sample, said: near(memory(sample).anon, said),
    "memory.file": lambda sample, said: near(memory(sample).file, said),
    "memory.kernel": lambda sample, said: near(memory(sample).kernel, said),
    "memory.history": lambda sample, said: near(memory(sample).current, said),
    "memory.peak": lambda sample, said: near(memory(sample).peak, said),
    "memory.high": lambda sample, said: said == "max\n" and memory(sample).high is None,
    "memory.high_events": lambda sample, said: last(said) == memory(sample).high_events,
    "cpu.percent": lambda sample, said: last(said) >= cpu(sample).usage_us,
    "cpu.quota": lambda sample, said: quota(said) == cpu(sample).quota == 0.5,
    "cpu.throttled": lambda sample, said: len(said.splitlines()) == 2 and last(said) >= cpu(sample).throttled_periods,
    "cpu.weight": lambda sample, said: last(said) in (cpu(sample).weight, 1024),
    "pids.current": lambda sample, said: last(said) == sample.pids.current,
    "pids.limit": lambda sample, said: last(said) == sample.pids.limit == 20,
    "pids.refused": lambda sample, said: said.split() == ["max", str(sample.pids.refused)],
    "io.disks": lambda sample, said: True,
    "pressure.memory": lambda sample, said: said.startswith("some avg10="),
    "pressure.cpu": lambda sample, said: said.startswith("some avg10="),
    "frozen": lambda sample, said: said in ("frozen 0\n", "THAWED\n") and sample.frozen is False,
    "biting": lambda sample, said: all(directory in said for directory in sample.biting.values()),
}
V2_ONLY = ("memory.high", "memory.high_events")


async def test_the_commands_of_a_cgroup_print_what_was_sampled(seen: Snapshot) -> None:
    sample = seen.cgroup
    assert isinstance(sample, CgroupSample)
    assert set(GAUGES) == set(gauges.KEYS)
    tree = read_hierarchies(HostSource()).of("memory")
    assert tree
    lacking = V2_ONLY if tree.version is Version.V1 else ()
    for key, agrees in GAUGES.items():
        field = explain(key, sample, shown(seen))
        if (
            key in lacking
            or not field.command
            or (key == "io.disks" and not isinstance(sample.io, IoSample))  # no row then: the controller is not enabled
            or field.value.startswith(("this kernel keeps no", "no memory.", "memory."))
        ):
            continue
        assert agrees(sample, said := printed(field)), f"{field.command}: {said!r}, but {sample}"
