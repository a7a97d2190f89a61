"""Many containers at a time: how long they take to start, to look at and to remove, and what each one costs."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Iterable, Sequence

import msgspec

from contlab.lab.compare import Spread, spread
from contlab.observe.sampler import Sampler, Target
from contlab.observe.snapshot import CgroupSample, MemorySample, Snapshot, Unavailable
from contlab.observe.source import HostSource, Source
from contlab.runtime.client import Runtime
from contlab.runtime.handle import Container
from contlab.runtime.spec import ContainerSpec

IDLE = ContainerSpec(command=("/bin/sleep", "1000000"))
"""The default container, its command asleep."""

LOOKS = 5
"""How often all of them are looked at."""


class Process(msgspec.Struct, frozen=True):
    """What a process has of the host."""

    memory: int
    """Bytes of its own, not of files (RssAnon of proc_pid_status(5))."""
    descriptors: int


class Crowd(msgspec.Struct, frozen=True, kw_only=True):
    """What so many containers came to."""

    containers: int
    start_seconds: float
    """From the first request until the last command ran."""
    ready_ms: Spread
    """Of each: from its request, which waits for those before it, until its command ran."""
    look_seconds: Spread
    """One look at all of them, each by a sampler of its own: processes, mounts, namespaces, gauges, interfaces."""
    seen: int
    """How many of them were alive in the last look, with a process in sight."""
    remove_seconds: float
    memory: Spread | Unavailable
    """Bytes charged to the cgroup of each: the kernel's share and its writable layer are in them."""
    pss: Spread | Unavailable
    """Bytes of each one's processes, shared ones divided by their sharers (Pss of /proc/PID/smaps_rollup)."""
    supervisor_each: tuple[float, float]
    """What one container adds to the supervisor: bytes and descriptors."""
    app_each: tuple[float, float]
    """The same, of this process: a handle and a sampler for each."""
    supervisor_after: tuple[int, int]
    """Once they are gone, bytes and descriptors more than before: memory that Python keeps for the next ones."""


async def crowd(containers: int) -> Crowd:
    """Make so many, look at them, remove them; ContlabError where the host refuses one."""
    async with Runtime() as runtime:
        return await measure(runtime, containers)


async def measure(runtime: Runtime, containers: int) -> Crowd:
    """The same by a supervisor that is there. A first container, which isn't counted, has it load what it needs."""
    assert runtime.supervisor_pid is not None
    source, supervisor = HostSource(), runtime.supervisor_pid
    null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    runtime.listen(lambda event: None)  # as the app does: each step of each birth is told
    try:
        first = await runtime.spawn("crowd-0", IDLE, (null, null, null))
        _look([_sampler(source, first)])
        await first.close()
        before = [read_process(source, pid) for pid in (supervisor, os.getpid())]
        began = time.monotonic()
        made = await asyncio.gather(
            *(runtime.spawn(f"crowd-{number}", IDLE, (null, null, null)) for number in range(1, containers + 1))
        )
        started = time.monotonic() - began
        looks, snapshots = await asyncio.to_thread(_looks, [_sampler(source, container) for container in made])
        amid = [read_process(source, pid) for pid in (supervisor, os.getpid())]
        pss = _pss(source, snapshots)
        began = time.monotonic()
        await asyncio.gather(*(container.close() for container in made))
        removed = time.monotonic() - began
        after = read_process(source, supervisor)
    finally:
        os.close(null)
    return Crowd(
        containers=containers,
        start_seconds=started,
        ready_ms=spread([container.started.result().ready_us / 1e3 for container in made]),
        look_seconds=spread(looks),
        seen=sum(isinstance(snapshot.processes, tuple) and len(snapshot.processes) > 0 for snapshot in snapshots),
        remove_seconds=removed,
        memory=_memory(snapshots),
        pss=pss,
        supervisor_each=_each(before[0], amid[0], containers),
        app_each=_each(before[1], amid[1], containers),
        supervisor_after=(after.memory - before[0].memory, after.descriptors - before[0].descriptors),
    )


def read_process(source: Source, pid: int) -> Process:
    """What a process of this user's has now."""
    found = re.search(rb"^RssAnon:\s+(\d+) kB", source.read(f"/proc/{pid}/status"), re.MULTILINE)
    assert found, "since Linux 4.5"
    return Process(int(found[1]) * 1024, len(source.listdir(f"/proc/{pid}/fd")))


def _sampler(source: Source, container: Container) -> Sampler:
    started = container.started.result()
    return Sampler(source, Target(container.name, started.pid, started.cgroups))


def _look(samplers: Sequence[Sampler]) -> list[Snapshot]:
    return [sampler.sample(time.monotonic_ns() / 1000) for sampler in samplers]


def _looks(samplers: Sequence[Sampler]) -> tuple[list[float], list[Snapshot]]:
    """Seconds of each look at all of them, but a first one; and what was seen in the last."""
    took, snapshots = [], _look(samplers)
    for _ in range(LOOKS):
        began = time.monotonic()
        snapshots = _look(samplers)
        took.append(time.monotonic() - began)
    return took, snapshots


def _memory(snapshots: Iterable[Snapshot]) -> Spread | Unavailable:
    found = []
    for snapshot in snapshots:
        cgroup = snapshot.cgroup
        memory = cgroup.memory if isinstance(cgroup, CgroupSample) else cgroup
        if not isinstance(memory, MemorySample):
            return memory
        found.append(float(memory.current))
    return spread(found)


def _pss(source: Source, snapshots: Iterable[Snapshot]) -> Spread | Unavailable:
    found = []
    for snapshot in snapshots:
        if isinstance(snapshot.processes, Unavailable):
            return snapshot.processes
        total = 0
        for process in snapshot.processes:
            try:
                rollup = source.read(f"/proc/{process.pid}/smaps_rollup")
            except OSError as error:
                return Unavailable(f"/proc/{process.pid}/smaps_rollup: {error.strerror}")
            if size := re.search(rb"^Pss:\s+(\d+) kB", rollup, re.MULTILINE):
                total += int(size[1]) * 1024
        found.append(float(total))
    return spread(found)


def _each(before: Process, amid: Process, containers: int) -> tuple[float, float]:
    return (amid.memory - before.memory) / containers, (amid.descriptors - before.descriptors) / containers
