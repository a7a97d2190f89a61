"""A thousand containers, one after the other, a tenth of them killed at any operation: nothing grows, nothing stays."""

from __future__ import annotations

import asyncio
import gc
import os
import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from contlab import paths
from contlab.errors import ContlabError, RuntimeFailure
from contlab.runtime.client import Runtime
from contlab.runtime.events import Exited
from contlab.runtime.handle import Container
from contlab.runtime.spec import ContainerSpec
from contlab.runtime.sweep import sweep
from tests.live.containers import (
    PATIENCE,
    SLOW,
    Output,
    cgroups_of,
    children,
    descriptors,
    left_of,
    marked,
    shell,
    until,
)

pytestmark = pytest.mark.needs("root", "cgroup", "ns-net")

CYCLES, WARM_UP, SUPERVISORS = (80, 40, 2) if SLOW else (1000, 200, 10)
"""The warm-up ones are among the first; as many supervisors are killed besides."""

GROWTH = 768 << 10
"""Bytes that the supervisor's memory may grow by after the warm-up: less than 1 KiB left over from each cycle, or 4 KiB
from each that has a cable. Garbage that waits for Python's collector takes a third of it."""


@dataclass(frozen=True)
class Size:
    """What a run takes of the host between two containers."""

    descriptors: tuple[int, int]
    """Of the supervisor and of ourselves; the namespace with the bridges and cables hangs on one of them."""
    mounts: tuple[str, ...]
    """In the run's directory."""
    links: tuple[str, ...]
    """The host's."""
    files: tuple[str, ...]
    """In the run's directory."""


def supervisor_of(runtime: Runtime) -> int:
    assert runtime.supervisor_pid is not None
    return runtime.supervisor_pid


def size_of(runtime: Runtime) -> Size:
    supervisor = supervisor_of(runtime)
    return Size(
        (descriptors(supervisor), descriptors(os.getpid())),
        tuple(line for line in Path(f"/proc/{supervisor}/mountinfo").read_text().splitlines() if runtime.run in line),
        tuple(sorted(os.listdir("/sys/class/net"))),
        tuple(sorted(str(path) for path in Path(runtime.directory).rglob("*"))),
    )


def memory_of(pid: int) -> int:
    """Bytes of a process's own: its anonymous pages (RssAnon of proc_pid_status(5))."""
    fields = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(fields["RssAnon"].split()[0]) * 1024


async def lives(runtime: Runtime, spec: ContainerSpec, output: Output) -> int:
    """Made, killed, removed; returns the µs until its command ran."""
    container = await runtime.spawn("box", spec, output.stdio)
    await container.signal(signal.SIGKILL)
    ended = await asyncio.wait_for(container.wait(), PATIENCE)
    await container.close()
    assert signal.SIGKILL == ended.signal
    return round(container.started.result().ready_us)


async def killed_after(runtime: Runtime, spec: ContainerSpec, output: Output, seconds: float) -> bool:
    """SIGKILL for the newborn, wherever it is then; before its birth the request is taken back. Whether its command
    ever ran."""
    making = asyncio.create_task(runtime.spawn("box", spec, output.stdio))
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        await asyncio.sleep(0)
    if newborn := children(supervisor_of(runtime)):
        os.kill(newborn[-1], signal.SIGKILL)
    else:
        making.cancel()
    try:
        container = await asyncio.wait_for(making, PATIENCE)
    except (RuntimeFailure, asyncio.CancelledError):
        return False
    await asyncio.wait_for(container.wait(), PATIENCE)
    await container.close()
    return True


async def end_of(making: asyncio.Task[Container]) -> Exited:
    return await (await making).wait()


async def test_a_thousand_containers_leave_nothing_and_take_no_more_memory_than_the_first() -> None:
    chance = random.Random(1)
    spec = shell("sleep 1000 & exec sleep 1000")
    plugged = shell("exec sleep 1000", network="lan")
    ready: list[int] = []
    fates: list[bool] = []
    async with Runtime() as runtime:
        runtime.listen(lambda event: None)
        with Output() as output:
            for cycle in range(CYCLES):
                if cycle == WARM_UP:
                    gc.collect()
                    first, objects = size_of(runtime), len(gc.get_objects())
                    memory = memory_of(supervisor_of(runtime))
                if cycle % 10 == 3:
                    moment = chance.uniform(0, 1.5 * sorted(ready)[len(ready) // 2] / 1e6)
                    fates.append(await killed_after(runtime, spec, output, moment))
                else:
                    ready.append(await lives(runtime, plugged if cycle % 4 == 0 else spec, output))
            gc.collect()
            assert first == size_of(runtime)
            assert [] == cgroups_of(runtime.run)
            assert [] == children(supervisor_of(runtime))
            assert memory_of(supervisor_of(runtime)) - memory < GROWTH
            assert len(gc.get_objects()) - objects < 100
            assert fates.count(False) > len(fates) // 10, "some were killed before their command ran"
    assert [] == left_of(runtime.run)


async def test_supervisors_killed_at_any_operation_leave_nothing() -> None:
    chance = random.Random(2)
    mark = f"contlab-mark-{os.urandom(8).hex()}"
    spec = shell("sleep 1000 & exec sleep 1000", environment={"MARK": mark}, network="lan")
    opened = descriptors(os.getpid())
    for _ in range(SUPERVISORS):
        runtime = Runtime()
        await runtime.start()
        with Output() as output:
            making = asyncio.create_task(runtime.spawn("box", spec, output.stdio))
            end = time.monotonic() + chance.uniform(0, 0.3 if SLOW else 0.05)
            while time.monotonic() < end:
                await asyncio.sleep(0)
            os.kill(supervisor_of(runtime), signal.SIGKILL)
            with pytest.raises(ContlabError, match=r"^the supervisor "):
                await asyncio.wait_for(end_of(making), PATIENCE)
        await runtime.close()
        await until(lambda: not marked(mark))
        await until(lambda run=runtime.run: run not in sweep(str(paths.runtime_root())).alive)
        assert [] == left_of(runtime.run)
    assert opened == descriptors(os.getpid())
