"""A container from the request to nothing left, beside others doing the same: what ``contlab bench spawn`` prints."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

from contlab.errors import RuntimeFailure
from contlab.lab.compare import Spread, spread
from contlab.lab.rivals import Rival, rivals
from contlab.runtime.client import Runtime
from contlab.runtime.spec import ContainerSpec, Limits
from contlab.runtime.trees import rootfs_of

SPEC = ContainerSpec(command=("/bin/echo", "ready"), limits=Limits(memory=32 << 20, pids=16, cpus=0.5))
"""The default container with three limits; it is ready when its command's first byte is read."""

NOTES = {
    "contlab": "from nothing",
    "contlab, watched": "from nothing, each step told",
}

PAUSE = 0.02
"""Seconds between two runs: the kernel takes network namespaces apart after their end, and nobody else is to pay
for that."""

DEADLINE = 30.0
"""Seconds for one run."""

Cycle = tuple[float, float]
"""Milliseconds from the request until the command's first byte, and until all is reaped and removed."""
Way = Callable[[int], Awaitable[Cycle]]


class Timing(msgspec.Struct, frozen=True):
    """One way of making a container."""

    name: str
    ready: Spread
    """Milliseconds from the request until the command's first byte."""
    full: Spread
    """And until it is reaped and its cgroup is removed."""
    note: str = ""
    """What it leaves out of contlab's container, or has behind it before the request."""


class Spawns(msgspec.Struct, frozen=True):
    """All ways, in one run."""

    timings: tuple[Timing, ...]
    absent: tuple[str, ...]
    """Programs that aren't installed here."""
    failed: dict[str, str]
    """Programs that are, but can't make one here: their last words."""

    def __getitem__(self, name: str) -> Timing:
        return next(timing for timing in self.timings if timing.name == name)


async def spawns(rounds: int = 50) -> Spawns:
    """Each way so many times, taking turns. Takes root, as runc and the bare calls do."""
    tree = await asyncio.to_thread(rootfs_of, SPEC)
    async with AsyncExitStack() as stack:
        runtime = await stack.enter_async_context(Runtime())
        watched = await stack.enter_async_context(Runtime())
        watched.listen(lambda event: None)
        folder = Path(runtime.directory, "bench")  # it goes with the run
        await asyncio.to_thread(folder.mkdir)
        here, absent = rivals(tree, SPEC.command, SPEC.limits, folder, f"contlab-{runtime.run}")
        group = await runtime.group("bare", Limits())
        bare = _Bare(tree, folder, group.cgroups)
        stack.push_async_callback(bare.close)
        ways: dict[str, Way] = {
            "contlab": lambda turn: _contlab(runtime, turn),
            "contlab, watched": lambda turn: _contlab(watched, turn),
            "bare system calls": bare.cycle,
        }
        failed = {}
        for rival in here:
            try:
                await _rival(rival, -1)
            except RuntimeFailure as failure:
                failed[rival.name] = failure.message
            else:
                ways[rival.name] = lambda turn, rival=rival: _rival(rival, turn)  # type: ignore[misc]
        cycles = await _take_turns(ways, rounds)
    notes = NOTES | {rival.name: rival.without for rival in here}
    timings = tuple(
        Timing(name, spread([ready for ready, _ in taken]), spread([full for _, full in taken]), notes.get(name, ""))
        for name, taken in cycles.items()
    )
    return Spawns(timings, tuple(absent), failed)


async def _take_turns(ways: dict[str, Way], rounds: int) -> dict[str, list[Cycle]]:
    cycles: dict[str, list[Cycle]] = {name: [] for name in ways}
    names = list(ways)
    shuffle = random.Random(rounds).shuffle
    for turn in range(rounds + 1):
        shuffle(names)  # what one leaves behind for a while (cgroups, namespaces, cold caches) meets each of the others
        for name in names:
            await asyncio.sleep(PAUSE)
            async with asyncio.timeout(DEADLINE):
                taken = await ways[name](turn)
            if turn:  # the first of each finds cold caches
                cycles[name].append(taken)
    return cycles


async def _contlab(runtime: Runtime, turn: int) -> Cycle:
    loop = asyncio.get_running_loop()
    reading, writing = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    os.set_blocking(writing, True)
    null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    ready: asyncio.Future[float] = loop.create_future()

    def first_byte() -> None:
        loop.remove_reader(reading)
        ready.set_result(time.perf_counter())

    loop.add_reader(reading, first_byte)
    try:
        began = time.perf_counter()
        container = await runtime.spawn(f"bench-{turn}", SPEC, (null, writing, null), remove=True)
        await container.removed
        full = time.perf_counter()
        return (await ready - began) * 1e3, (full - began) * 1e3
    finally:
        loop.remove_reader(reading)
        for fd in (reading, writing, null):
            os.close(fd)


async def _rival(rival: Rival, turn: int) -> Cycle:
    return await asyncio.to_thread(_run, rival.turn(turn), rival.name)


def _run(command: list[str], name: str) -> Cycle:
    """fork and exec by vfork(2), a read and a wait that block: nothing of ours is charged to them."""
    began = time.perf_counter()
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        first = process.stdout.read(1)
        ready = time.perf_counter()
        status = process.wait()
        full = time.perf_counter()
        if status or not first:
            words = process.stderr.read().decode(errors="replace").strip().rpartition("\n")[2]
            raise RuntimeFailure(f"{name} ended with status {status}: {words or 'it said nothing'}")
    return (ready - began) * 1e3, (full - began) * 1e3


class _Bare:
    """A process of its own that makes contlab's container by the plan's calls alone (``contlab.runtime.bare``)."""

    def __init__(self, tree: str, folder: Path, group: dict[str, str]) -> None:
        spec, cgroups = (msgspec.json.encode(given).decode() for given in (SPEC, group))
        self._arguments = (spec, tree, str(folder), cgroups)
        self._process: asyncio.subprocess.Process | None = None

    async def cycle(self, turn: int) -> Cycle:
        """``turn`` doesn't matter: it makes the same one again."""
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "contlab.runtime.bare", *self._arguments,
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeFailure("the bare system calls could not make a container", "Run `contlab doctor` to see why.")
        ready, full = map(float, line.split())
        return ready * 1e3, full * 1e3

    async def close(self) -> None:
        """It ends at the end of its stdin."""
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            await self._process.wait()
