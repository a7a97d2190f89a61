"""Measuring: a container and a guest made, filled and worked in on this host, one step after another."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import tempfile
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from contlab import paths
from contlab.errors import ContlabError, UnavailableError
from contlab.lab.compare import Measuring
from contlab.lab.compare_mischief import STEPS, Outcomes, mischief
from contlab.lab.compare_work import WORKS, Results, Site, Work, measure, prepare_disk
from contlab.lab.guest import MEMORY, Guests, RunningGuest
from contlab.lab.guest_places import ContainerPlace, container_spec, held, host
from contlab.lab.guest_starter import open_guests
from contlab.observe.sampler import Sampler, Target
from contlab.observe.snapshot import CgroupSample, MemorySample, Snapshot, Unavailable
from contlab.observe.source import HostSource
from contlab.runtime import events
from contlab.runtime.client import Runtime
from contlab.runtime.spec import ALL_NAMESPACES, Bind, Namespace
from contlab.vm.qemu import MIB
from contlab.vm.waterfall import Waterfall

LOAD = 32
"""MiB that are written to a memory file system on both sides: the same load."""

FILL = f"dd if=/dev/zero of=/tmp/load bs=1M count={LOAD} 2>/dev/null"
DISK = "/disk"
FORMAT = (
    f"mke2fs -b 4096 /dev/nvme0n1 >/dev/null 2>&1 && mkdir -p {DISK} && mount -t ext4 /dev/nvme0n1 {DISK} "
    f"&& dd if=/dev/zero of={DISK}/read bs=1M count=16 conv=fsync 2>/dev/null"
)
DRIVE = 64 * MIB
"""Bytes of the guest's disk."""

ENOUGH = 30.0
"""Seconds in which any single command of the preparation must be done."""


@dataclass
class Memory:
    """Bytes that one side has of the host's memory."""

    idle: int = 0
    loaded: int = 0
    freed: int = 0
    """After the load is gone."""


@dataclass
class Measured:
    """All that was measured, growing; what is not there could not be."""

    births: list[tuple[float, tuple[events.OperationDone, ...]]] = field(default_factory=list)
    """Of containers: µs until the command ran, and the operations."""
    boots: list[Waterfall] = field(default_factory=list)
    container_memory: Memory | None = None
    guest_memory: Memory | None = None
    container_inside: Snapshot | None = None
    guest_inside: Snapshot | None = None
    accelerator: str = ""
    guest_kernel: str = ""
    container_total: int = 0
    """Bytes that the container's processes believe there are (MemTotal)."""
    guest_total: int = 0
    """Bytes that are left to the guest's (MemTotal)."""
    work: Results = field(default_factory=Results)
    clock: float = 1.0
    """Seconds of the guest's clock in one of the host's, while it worked."""
    mischief: Outcomes = field(default_factory=dict)
    why: list[str] = field(default_factory=list)
    """What did not work, a sentence each."""

    def forget_guest(self) -> None:
        """Half a guest is none: what was measured of one is not to stand beside a model's figures."""
        self.boots.clear()
        self.guest_memory = self.guest_inside = None
        self.accelerator = self.guest_kernel = ""
        self.guest_total = 0


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured."""

    memory: int = MEMORY
    """Bytes of RAM of each guest."""
    births: int = 20
    boots: int = 5
    rounds: int = 5
    works: tuple[Work, ...] = WORKS
    mischief: bool = True
    """Whether the worst is tried, too."""

    @property
    def steps(self) -> int:
        """Into how many parts the progress is divided."""
        return 1 + 2 + self.boots + 1 + 1 + self.later

    @property
    def later(self) -> int:
        """Those after everything has been made."""
        return len(self.works) * (self.rounds + 1) + (STEPS if self.mischief else 0)


async def measuring(into: Measured, extent: Extent, with_guest: bool) -> AsyncGenerator[Measuring, None]:
    """Measure, and say before each step what it is. What fails is noted in ``into.why``; the rest goes on."""
    done = 0

    def step(words: str) -> Measuring:
        nonlocal done
        done += 1
        return Measuring(done, extent.steps, words)

    async with contextlib.AsyncExitStack() as stack:
        yield step("making the root file system")
        runtime = await _runtime(into, stack)
        guests = await stack.enter_async_context(open_guests(runtime)) if with_guest else None
        if runtime is not None:
            yield step(f"{extent.births} containers, one after another")
            await _births(into, runtime, extent.births)
            yield step("a container, idle, filled and emptied")
            await _container_memory(into, runtime)
        if guests is not None:
            async with contextlib.aclosing(_booting(into, guests, extent)) as booting:
                async for words in booting:
                    yield step(words)
            guests = guests if into.boots else None
        done = extent.steps - 1 - extent.later
        yield step("a host, a container and a guest to work in" if guests else "a host and a container to work in")
        sites = await _sites(into, stack, runtime, guests, extent.memory)
        clock = await _clock(sites)
        async with contextlib.aclosing(measure(sites, extent.rounds, into.work, extent.works)) as working:
            async for words in working:
                yield step(words)
        if clock is not None and (later := await _clock(sites)) is not None:
            into.clock = (later[1] - clock[1]) / (later[0] - clock[0])
        if extent.mischief:
            trying = mischief(into.mischief, into.why, runtime, guests, extent.memory)
            async with contextlib.aclosing(trying) as tried:
                async for words in tried:
                    yield step(words)


async def _runtime(into: Measured, stack: contextlib.AsyncExitStack) -> Runtime | None:
    if os.geteuid() != 0:
        into.why.append("containers are not measured: that needs root here (sudo contlab compare)")
        return None
    return await stack.enter_async_context(Runtime())


async def _births(into: Measured, runtime: Runtime, count: int) -> None:
    done: list[events.OperationDone] = []
    runtime.listen(lambda event: done.append(event) if isinstance(event, events.OperationDone) else None)
    for _ in range(count):
        done.clear()
        async with held(runtime, "birth", container_spec()) as place:
            into.births.append((place.container.started.result().ready_us, tuple(done)))


async def _container_memory(into: Measured, runtime: Runtime) -> None:
    async with held(runtime, "filled", container_spec()) as place:
        started = place.container.started.result()
        sampler = Sampler(HostSource(), Target("container", started.pid, started.cgroups))

        async def used() -> int:
            into.container_inside = into.container_inside or await asyncio.to_thread(sampler.sample, 1.0)
            return _charged(await asyncio.to_thread(sampler.sample, 1.0))

        memory = Memory(idle=await used())
        into.container_total = _mem_total((await place.run("cat /proc/meminfo", ENOUGH)).output)
        await place.run(FILL, ENOUGH)
        memory.loaded = await used()
        await place.run("rm /tmp/load", ENOUGH)
        memory.freed = await used()
        into.container_memory = memory


def _charged(snapshot: Snapshot) -> int:
    """Bytes in the cgroup; ContlabError where the host doesn't count them."""
    cgroup = snapshot.cgroup
    if isinstance(cgroup, CgroupSample) and isinstance(cgroup.memory, MemorySample):
        return cgroup.memory.current
    reason = cgroup.memory.reason if isinstance(cgroup, CgroupSample) and isinstance(cgroup.memory, Unavailable) else ""
    raise ContlabError(f"a container's memory can't be read: {reason}", "contlab doctor")


async def _booting(into: Measured, guests: Guests, extent: Extent) -> AsyncGenerator[str, None]:
    """Boot guests one after another; the last one is filled and emptied. A guest that fails makes the VM a model."""
    try:
        for number in range(extent.boots):
            yield f"boot {number + 1} of {extent.boots}"
            guest = await guests.boot("booted", extent.memory)
            into.why += guest.failed if not number else ()
            boot = await guest.machine.waterfall()
            into.accelerator, into.guest_kernel = guest.machine.guest.accelerator.value, guest.machine.release
            if number == extent.boots - 1:
                yield "a guest, idle, filled and emptied"
                await _guest_memory(into, guest)
            await guest.kill()
            into.boots.append(boot)
    except UnavailableError as error:
        into.forget_guest()
        into.why.append(f"the VM is a model: {error.message}. {error.hint}")


async def _guest_memory(into: Measured, guest: RunningGuest) -> None:
    into.guest_inside = await guest.sample()
    into.guest_total = _mem_total((await guest.machine.agent.read("/proc/meminfo")).read("/proc/meminfo"))
    memory = Memory(idle=guest.memory())
    await guest.run(FILL, ENOUGH)
    memory.loaded = guest.memory()
    await guest.run("rm /tmp/load", ENOUGH)
    memory.freed = guest.memory()
    into.guest_memory = memory


def _mem_total(meminfo: bytes) -> int:
    found = re.search(rb"^MemTotal:\s+(\d+) kB", meminfo, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


async def _sites(
    into: Measured, stack: contextlib.AsyncExitStack, runtime: Runtime | None, guests: Guests | None, memory: int
) -> dict[str, Site]:
    """The places to work in, each with a directory on the same disk of the host's."""
    cache = paths.cache()
    cache.mkdir(parents=True, exist_ok=True)
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="compare-", dir=cache)))
    on_disk = await asyncio.to_thread(prepare_disk, directory)
    if not on_disk:
        into.why.append(f"no disk figures: the file system of {cache} takes no O_DIRECT")
    sites = {}
    if runtime is not None:
        disk = str(directory) if on_disk else None
        sites["host"] = Site(await stack.enter_async_context(host(runtime)), disk)
        sites["container"] = Site(await _working_container(stack, runtime, disk), DISK if disk else None)
    if guests is not None:
        try:
            guest, disk = await _working_guest(into, guests, memory, directory if on_disk else None)
            sites["guest"] = Site(guest, disk)
        except UnavailableError as error:
            into.why.append(f"no work was done in a guest: {error.message}. {error.hint}")
    return sites


async def _working_container(stack: contextlib.AsyncExitStack, runtime: Runtime, disk: str | None) -> ContainerPlace:
    # The directory is ours alone, and root of a user namespace would be a stranger there.
    kinds = ALL_NAMESPACES - {Namespace.USER}
    binds = (Bind(disk, DISK),) if disk else ()
    spec = msgspec.structs.replace(container_spec(), namespaces=kinds, binds=binds)
    return await stack.enter_async_context(held(runtime, "working", spec))


async def _working_guest(
    into: Measured, guests: Guests, memory: int, directory: Path | None
) -> tuple[RunningGuest, str | None]:
    """A guest whose disk is a file in ``directory``."""
    if directory is None:
        return await guests.boot("working", memory), None
    drive = directory / "drive"
    with drive.open("wb") as file:
        file.truncate(DRIVE)
    guest = await guests.boot("working", memory, drive=drive)
    if (await guest.run(FORMAT, ENOUGH)).exit_code:
        into.why.append("no disk figures of the guest: its kernel has no NVMe driver built in, or no ext4")
        return guest, None
    return guest, DISK


async def _clock(sites: dict[str, Site]) -> tuple[float, float] | None:
    """The host's clock and the guest's, at about the same moment; None without a guest."""
    guest = sites["guest"].place if "guest" in sites else None
    if not isinstance(guest, RunningGuest):
        return None
    loop = asyncio.get_running_loop()
    before = loop.time()
    try:
        uptime = (await guest.machine.agent.read("/proc/uptime")).read("/proc/uptime")
    except UnavailableError:
        return None  # what it was to tell is told by the work that failed in it
    return (before + loop.time()) / 2, float(uptime.split()[0])
