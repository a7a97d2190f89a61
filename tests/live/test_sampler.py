"""The sampler on this kernel: a real container by unshare(1), real cgroups, and processes that don't hold still."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from contlab.linux.cgroup import Version, limit_writes
from contlab.observe.sampler import Sampler, Target, read_hierarchies
from contlab.observe.snapshot import CgroupSample, MountTree, NamespaceSet, NetworkView
from contlab.observe.source import HostSource

pytestmark = pytest.mark.needs("root")

NAME = "contlab-test-sampler"
CONTROLLERS = ("memory", "cpu", "cpuacct", "pids")
HOSTILE = "[kthreadd] [/] x"


def now_us() -> float:
    return time.monotonic_ns() / 1000


def until(ready, seconds: float = 10.0):
    """Ask until the answer is true."""
    end = time.monotonic() + seconds
    while not (answer := ready()):
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)
    return answer


@pytest.fixture
def cgroups() -> Iterator[dict[str, str]]:
    """A cgroup on each of this host's trees, v1 or v2, with 64 MiB and 300 tasks."""
    hierarchies = read_hierarchies(HostSource())
    trees = {name: tree for name in CONTROLLERS if (tree := hierarchies.of(name))}
    found = {name: Path(tree.own, NAME) for name, tree in trees.items() if tree.version is Version.V1}
    if unified := hierarchies.unified:
        # Only the root may both hold processes and pass on controllers.
        found[""] = Path(unified.mount_point, NAME)
        passed_on = [name for name, tree in trees.items() if tree.version is Version.V2]
        enable = " ".join(f"+{name}" for name in passed_on)
        Path(unified.mount_point, "cgroup.subtree_control").write_text(enable)
        found |= dict.fromkeys(passed_on, found[""])
    for directory in set(found.values()):
        directory.mkdir(exist_ok=True)
    for limit, value in (("memory", 64 << 20), ("pids", 300)):
        for file, words in limit_writes(trees[limit].version, limit, value):
            (found[limit] / file).write_bytes(words)
    yield {name: str(directory) for name, directory in found.items()}
    for directory in set(found.values()):
        until(lambda directory=directory: _removed(directory))


def _removed(directory: Path) -> bool:
    try:
        directory.rmdir()
    except OSError:
        return False
    return True


@pytest.fixture
def container(cgroups, tmp_path) -> Iterator[Target]:
    """A shell in namespaces of its own with a hostile mount point and name, born in the cgroup."""
    strange = tmp_path / "a b\nc"
    strange.mkdir()
    inside = f"""
        mount -t tmpfs {chr(39)}{HOSTILE}{chr(39)} "$1" && ip link set lo up && sleep 1000 &
        printf %s {chr(39)}{HOSTILE}{chr(39)} > /proc/self/comm
        while [ -e /proc/self ]; do for i in 1 2 3 4 5 6 7 8 9 10; do /bin/true; done; done
    """
    # The shell joins the cgroup before it becomes unshare, whose child is born there.
    join = "".join(f"echo $$ > {directory}/cgroup.procs; " for directory in set(cgroups.values()))
    arguments = ["--mount", "--pid", "--net", "--uts", "--ipc", "--cgroup", "--fork", "--kill-child", "--mount-proc"]
    outer = subprocess.Popen(
        ["/bin/sh", "-c", f'{join}exec unshare "$@"', "sh", *arguments, "/bin/sh", "-c", inside, "sh", str(strange)]
    )
    children = Path(f"/proc/{outer.pid}/task/{outer.pid}/children")
    first = int(until(lambda: children.read_text().split())[0])
    try:
        until(lambda: os.readlink(f"/proc/{first}/exe").endswith(("sh", "busybox")))
        yield Target("tenant", first, cgroups)
    finally:
        outer.send_signal(signal.SIGKILL)
        outer.wait(timeout=10)


def test_what_is_sampled_agrees_with_the_kernel_s_own_files(container):
    sampler = Sampler(HostSource(), container)
    until(lambda: any(p.command == "sleep 1000" for p in sampler.sample(now_us()).processes))

    snapshot = sampler.sample(now_us())

    first = next(process for process in snapshot.processes if process.pid == container.pid)
    assert (first.inside, first.comm) == (1, HOSTILE[:15])
    assert snapshot.kernel == os.uname().release
    assert isinstance(snapshot.namespaces, NamespaceSet)
    for link in snapshot.namespaces.links:
        assert f"{link.kind}:[{link.inode}]" == os.readlink(f"/proc/{container.pid}/ns/{link.kind}")
    assert {link.kind for link in snapshot.namespaces.links if link.own} == {
        "mnt", "pid", "net", "uts", "ipc", "cgroup",
    }  # fmt: skip
    assert isinstance(snapshot.mounts, MountTree)
    strange = next(mount for mount in snapshot.mounts.mounts if mount.source == HOSTILE)
    assert strange.mount_point.endswith("/a b\nc")
    assert strange.mount_id in snapshot.mounts.not_on_host
    assert isinstance(snapshot.network, NetworkView)
    assert [(link.name, link.up) for link in snapshot.network.links if link.up] == [("lo", True)]


def test_hundreds_of_short_lived_processes_a_second_spoil_no_sample(container):
    sampler = Sampler(HostSource(), container)
    seen: set[int] = set()
    end = time.monotonic() + 60
    while max(seen, default=0) < 150:
        assert time.monotonic() < end, f"its PID namespace has only come to number {max(seen)}"
        snapshot = sampler.sample(now_us())
        assert isinstance(snapshot.processes, tuple)
        assert snapshot.alive
        seen |= {p.inside for p in snapshot.processes if p.inside != p.pid}  # not unshare itself
        order = [process.pid for process in snapshot.processes]
        assert all(order.index(p.ppid) < order.index(p.pid) for p in snapshot.processes if p.ppid in order)

    assert len(seen) > 10


def test_the_gauges_are_those_of_the_real_cgroup(container):
    sampler = Sampler(HostSource(), container)

    sample = until(lambda: now if (now := sampler.sample(now_us()).cgroup).cpu.percent else None)

    assert isinstance(sample, CgroupSample)
    assert (sample.memory.limit, sample.pids.limit) == (64 << 20, 300)
    assert 0 < sample.memory.current <= 64 << 20
    assert sample.pids.current >= 2
    assert sample.memory.oom_kills == sample.pids.refused == 0
    assert 0 < sample.cpu.usage_us < 10_000_000
    assert sample.biting["pids"] == container.cgroups["pids"]


def test_the_end_of_a_container_is_seen(container):
    sampler = Sampler(HostSource(), container)
    assert sampler.sample(now_us()).alive
    os.kill(container.pid, signal.SIGKILL)

    snapshot = until(lambda: None if (now := sampler.sample(now_us())).alive else now)

    assert snapshot.mounts.reason == f"process {container.pid} has exited"
