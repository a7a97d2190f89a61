"""Limits that are more than ceilings, on this kernel: shares, slowing down, disks, OOM groups, freezing."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from contlab.errors import ContlabError
from contlab.linux.cgroup import LIMITS, V1_LACKS, Version, flat_keyed, read_io_limits
from contlab.observe.sampler import Sampler, Target, read_hierarchies
from contlab.observe.snapshot import CgroupSample, MemorySample
from contlab.observe.source import HostSource
from contlab.runtime.client import Runtime
from contlab.runtime.handle import Container
from contlab.runtime.spec import IoLimit, Limits, Namespace
from tests.live.containers import Output, run_in, shell, until

pytestmark = pytest.mark.needs("root", "cgroup", "cgroup-memory", "cgroup-cpu", "cgroup-pids")

MIB = 1 << 20
HIERARCHIES = read_hierarchies(HostSource())


def version(controller: str) -> Version:
    tree = HIERARCHIES.of(controller)
    assert tree
    return tree.version


def held(container: Container, limit: str) -> list[str]:
    """What the files of a limit hold."""
    controller, files = (where := LIMITS[version(limit_controller(limit))][limit]).controller, where.files
    directory = container.started.result().cgroups[controller]
    return [Path(directory, file).read_text().strip() for file in files]


def limit_controller(limit: str) -> str:
    return LIMITS[Version.V2][limit].controller


def sample(container: Container) -> CgroupSample:
    started = container.started.result()
    found = Sampler(HostSource(), Target(container.name, started.pid, started.cgroups)).sample(0.0).cgroup
    assert isinstance(found, CgroupSample)
    return found


async def test_limits_are_in_force_as_they_were_asked_for_or_their_lack_is_told(
    runtime: Runtime, output: Output
) -> None:
    limits = Limits(64 * MIB, memory_high=32 * MIB, swap=8 * MIB, cpu_weight=50, oom_group=True)
    container = await runtime.spawn("box", shell("sleep 1000", limits=limits), output.stdio)
    missing = container.started.result().missing

    on_v1 = version("memory") is Version.V1
    assert ({"memory_high", "oom_group"} if on_v1 else set()) == missing.keys()
    assert [str((72 if on_v1 else 8) * MIB)] == held(container, "swap")
    assert ["512" if version("cpu") is Version.V1 else "50"] == held(container, "cpu_weight")
    if not on_v1:
        assert [[str(32 * MIB)], ["1"]] == [held(container, "memory_high"), held(container, "oom_group")]
    seen = sample(container)
    assert 50 == getattr(seen.cpu, "weight", None)
    assert isinstance(seen.memory, MemorySample)
    assert (None if on_v1 else 32 * MIB) == seen.memory.high


async def test_two_who_contend_for_a_processor_share_it_by_weight(runtime: Runtime, output: Output) -> None:
    busy = "read line; while :; do :; done"
    spent: dict[str, int] = {}
    both = {}
    reader, writer = os.pipe()
    for name, weight in (("light", 100), ("heavy", 400)):
        limits = Limits(cpu_weight=weight)
        both[name] = await runtime.spawn(name, shell(busy, limits=limits), (reader, *output.stdio[1:]))
        os.sched_setaffinity(both[name].pid, {min(os.sched_getaffinity(0))})
    os.close(reader)

    def usage(name: str) -> int:
        cgroups = both[name].started.result().cgroups
        if version("cpu") is Version.V2:
            return flat_keyed("cpu.stat", Path(cgroups["cpu"], "cpu.stat").read_bytes())["usage_usec"]
        return int(Path(cgroups["cpuacct"], "cpuacct.usage").read_text()) // 1000

    before = {name: usage(name) for name in both}  # what it took to make them
    os.close(writer)

    def enough() -> bool:
        spent.update({name: usage(name) - before[name] for name in both})
        return sum(spent.values()) > 2_000_000

    await until(enough)
    assert 2 < spent["heavy"] / spent["light"] < 8


async def test_above_memory_high_it_is_slowed_down_and_not_killed(runtime: Runtime, output: Output) -> None:
    # Page cache of a tmpfs is memory that can't be dropped: it stays above the limit.
    script = "dd if=/dev/zero of=/dev/shm/x bs=64k count=200 2>/dev/null; echo done; sleep 1000"
    limits = Limits(64 * MIB, memory_high=8 * MIB)
    container = await runtime.spawn("box", shell(script, limits=limits), output.stdio)

    if version("memory") is Version.V1:
        assert V1_LACKS["memory_high"] == container.started.result().missing["memory_high"]
        await until(lambda: "done" in output.text)
        return

    def memory() -> MemorySample:
        found = sample(container).memory
        assert isinstance(found, MemorySample)
        return found

    await until(lambda: memory().high_events)
    assert 0 == memory().oom_kills
    assert "memory.high" in sample(container).biting
    assert not container.exited.done()


async def test_with_an_oom_group_all_go_together(runtime: Runtime, output: Output) -> None:
    eat = "dd if=/dev/zero of=/dev/shm/x bs=1M count=14; dd if=/dev/zero of=/dev/null bs=30M count=1"
    script = f"(read line; {eat}); sleep 1000"
    limits = Limits(16 * MIB, oom_group=True)
    reader, writer = os.pipe()
    container = await runtime.spawn("box", shell(script, limits=limits), (reader, *output.stdio[1:]))
    os.close(reader)
    os.close(writer)

    if version("memory") is Version.V1:
        assert V1_LACKS["oom_group"] == container.started.result().missing["oom_group"]
        return
    ended = await container.wait()
    assert (signal.SIGKILL, True) == (ended.signal, ended.oom_killed)


async def test_a_frozen_container_stands_still_and_goes_on_where_it_was(runtime: Runtime, output: Output) -> None:
    script = "while :; do echo tick; sleep 0.01; done"
    frozen = await runtime.spawn("frozen", shell(script), output.stdio)
    clock = await runtime.spawn("clock", shell("sleep 1000"), output.stdio)
    await until(lambda: len(output.lines) > 3)

    await frozen.freeze()
    before = output.lines
    assert sample(frozen).frozen is True
    await run_in(clock, "for i in 1 2 3 4 5 6 7 8 9; do sleep 0.03; done")
    assert before == output.lines
    await frozen.thaw()
    assert sample(frozen).frozen is False
    await until(lambda: len(output.lines) > len(before))


async def test_a_frozen_container_can_be_removed(runtime: Runtime, output: Output) -> None:
    container = await runtime.spawn("box", shell("while :; do :; done"), output.stdio)
    await container.freeze()

    removed = await container.close()

    assert removed.removed


async def test_a_group_is_frozen_with_all_its_containers(runtime: Runtime, output: Output) -> None:
    await runtime.group("machine", Limits())
    container = await runtime.spawn("box", shell("while :; do :; done", group="machine"), output.stdio)

    await runtime.freeze("machine")
    before = Path(f"/proc/{container.pid}/stat").read_text().rsplit(") ", 1)[1].split()[11:13]
    other = await runtime.spawn("other", shell("sleep 0.3"), output.stdio)
    await other.wait()
    assert before == Path(f"/proc/{container.pid}/stat").read_text().rsplit(") ", 1)[1].split()[11:13]
    await runtime.thaw("machine")


async def test_what_does_not_exist_can_t_be_frozen(runtime: Runtime) -> None:
    with pytest.raises(ContlabError, match="there is no nobody"):
        await runtime.freeze("nobody")


# --- disks ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[str]:
    """A loop device over a file of 4 MiB."""
    file = tmp_path / "disk"
    file.write_bytes(os.urandom(4 * MIB))
    made = subprocess.run(["losetup", "--find", "--show", str(file)], capture_output=True, text=True, check=True)
    device = made.stdout.strip()
    yield device
    subprocess.run(["losetup", "--detach", device], check=True)


async def test_reading_a_disk_takes_as_long_as_its_limit_says(runtime: Runtime, output: Output, disk: str) -> None:
    limits = Limits(io=(IoLimit(disk, rbps=MIB),))
    fields = {"namespaces": frozenset(Namespace) - {Namespace.USER, Namespace.MNT}, "root": "host"}
    script = f"dd if={disk} of=/dev/null bs=64k count=32 iflag=direct"
    free = await runtime.spawn("free", shell(script, **fields), output.stdio)
    assert 0 == (await free.wait()).status, output.text

    begun = time.monotonic()
    limited = await runtime.spawn("limited", shell(script, limits=limits, **fields), output.stdio)
    directory, number = limited.started.result().cgroups["io"], os.stat(disk).st_rdev
    files = {file: Path(directory, file).read_bytes() for file in LIMITS[version("io")]["io"].files}
    key = f"{os.major(number)}:{os.minor(number)}"
    assert {key: {"rbps": MIB}} == read_io_limits(version("io"), files)
    assert f"io {key} rbps" in sample(limited).biting
    assert 0 == (await limited.wait()).status
    assert time.monotonic() - begun > 1.0  # 2 MiB at 1 MiB/s, less a burst at the beginning


async def test_a_partition_or_a_disk_that_is_not_there_is_refused_in_words(runtime: Runtime, output: Output) -> None:
    for device, words in (("/dev/no-disk", "No such file"), ("/dev/null", "no block device")):
        with pytest.raises(ContlabError, match=words):
            await runtime.spawn("box", shell(":", limits=Limits(io=(IoLimit(device, rbps=1),))), output.stdio)
    with pytest.raises(ContlabError, match="999:999"):
        await runtime.spawn("box", shell(":", limits=Limits(io=(IoLimit("999:999", rbps=1),))), output.stdio)
