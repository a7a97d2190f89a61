"""Guests: real virtual machines of one run, booted within the host's memory, looked into, and ended with the run."""

from __future__ import annotations

import asyncio
import re
import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec.structs import replace

from contlab.errors import UnavailableError
from contlab.observe.sampler import Sampler, Target
from contlab.observe.snapshot import GuestSample, Snapshot, Unavailable
from contlab.rootfs import Rootfs, build, recipe
from contlab.vm import image, kernel, power
from contlab.vm.agent import Ran
from contlab.vm.budget import Budget
from contlab.vm.kernel import Kernel
from contlab.vm.machine import Ending, OnStart, Reason
from contlab.vm.picture import GuestSource, Picture
from contlab.vm.qemu import MIB, Accelerator, Guest
from contlab.vm.starter import LocalStarter, Starter

MEMORY = 128 * MIB
"""Bytes of RAM of a guest, when nothing is said: the least that boots everywhere with some to spare."""

ROOT_CGROUP = {"": "/sys/fs/cgroup"}
"""Where all of a guest's processes are, its kernel's threads among them."""

LAST_WORDS = 2.0
"""Seconds in which a guest that has stopped answering must be known to be dead, if it is."""

StarterFor = Callable[[str, int], Starter]
"""Guest's name and bytes of RAM -> who runs its QEMU."""


class EndedError(UnavailableError):
    """A guest that ended while something was asked of it."""

    def __init__(self, name: str, ending: Ending) -> None:
        how = {
            Reason.OFF: "switched itself off",
            Reason.PANIC: f"ended: its kernel gave up ({ending.words})",
            Reason.KILLED: f"was killed from outside ({ending.words})",
            Reason.FAILED: f"ended: QEMU failed ({ending.words})",
        }[ending.reason]
        super().__init__(f"the guest {name} {how}", "Boot it again: the host and other guests go on.")
        self.ending = ending


class RunningGuest:
    """One guest that came up. Every method but ``memory`` and the ends may raise EndedError."""

    def __init__(self, name: str, up: power.Up) -> None:
        self.name = name
        self.machine = up.machine
        self.failed = up.failed
        """What was tried before it came up, a sentence each."""
        self._source: GuestSource | None = None
        self._sampler: Sampler | None = None

    async def run(
        self,
        command: str | Sequence[str],
        limit: float = float("inf"),
        on_output: Callable[[bytes], None] = lambda piece: None,
    ) -> Ran:
        """A shell line, or a command and its arguments, to its end or for ``limit`` seconds; then it is killed."""
        line = command if isinstance(command, str) else shlex.join(command)
        try:
            return await self.machine.agent.run(line, limit, on_output)
        except UnavailableError as error:
            raise await self._why(error) from error

    async def sample(self) -> Snapshot:
        """Its inside now, by the same parsers as a container's: its processes (kernel threads too), mounts, links; and
        the machine itself, as the host sees it. Takes as long as the guest does, which may be for ever."""
        try:
            picture = await self.machine.agent.read(patient=True)
        except UnavailableError as error:
            raise await self._why(error) from error
        if self._source is None or self._sampler is None:
            self._source = GuestSource(picture)
            self._sampler = Sampler(self._source, Target(self.name, 1, ROOT_CGROUP))
        self._source.picture = picture
        machine = replace(
            self.outside(""),
            total=_kib(picture, "/proc/meminfo", rb"MemTotal:\s+(\d+) kB"),
            available=_kib(picture, "/proc/meminfo", rb"MemAvailable:\s+(\d+) kB"),
            oom_kills=_number(picture, "/proc/vmstat", rb"oom_kill (\d+)"),
        )
        return replace(self._sampler.sample(time.monotonic_ns() / 1000), guest=machine)

    def outside(self, why: str) -> GuestSample:
        """What the host knows of it without asking it; ``why`` the rest isn't known."""
        unknown = Unavailable(why)
        return GuestSample(
            accelerator="kvm" if self.machine.guest.accelerator is Accelerator.KVM else "tcg",
            boot_seconds=self.machine.boot_seconds,
            memory=self.machine.guest.memory,
            taken=self._taken(),
            total=unknown,
            available=unknown,
            oom_kills=unknown,
        )

    def _taken(self) -> int | Unavailable:
        try:
            return self.memory()
        except OSError as error:
            return Unavailable(f"its QEMU's memory can't be read: {error.strerror}")

    def memory(self) -> int:
        """Bytes that this host has given up to it: the proportional set size of its QEMU; 0 when it has ended."""
        return pss(self.machine.process.pid)

    async def off(self) -> Ending:
        """Ask it to end, and kill it when it doesn't."""
        return await self.machine.off()

    async def kill(self) -> Ending:
        """End it now."""
        return await self.machine.kill()

    async def _why(self, error: UnavailableError) -> UnavailableError:
        """What an unanswered question means: it is dead, or it just does not answer."""
        try:
            return EndedError(self.name, await asyncio.wait_for(self.machine.ended(), LAST_WORDS))
        except TimeoutError:
            return error


class Guests:
    """All guests of one run. ``async with Guests() as guests: await guests.boot("one")``"""

    def __init__(self, starter: StarterFor = lambda name, memory: LocalStarter(), budget: Budget | None = None) -> None:
        """``starter``: who runs the QEMUs; best the supervisor, see ``guest_starter``."""
        self.running: dict[str, RunningGuest] = {}
        self._starter = starter
        self._budget = budget or Budget.of_host()
        self._watching: dict[str, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def boot(
        self,
        name: str,
        memory: int = MEMORY,
        *,
        rootfs: str = "busybox",
        drive: Path | None = None,
        on_start: OnStart = lambda machine: None,
    ) -> RunningGuest:
        """Boot one; UnavailableError with the reason when it can't be, and nothing left.

        ``rootfs``: the recipe that a container would be made from, too. ``drive``: a file that is its disk.
        ``on_start`` is given the machine of each attempt while it boots.
        """
        if name in self.running:
            raise UnavailableError(f"there is a guest {name} already", "End it first, or give another name.")
        power.require_qemu()
        self._budget.take(name, memory)
        try:
            found, made = await asyncio.to_thread(ingredients, rootfs)
            guest = Guest(found.path, made, memory, drive=drive)
            up = await power.bring_up(guest, self._starter(name, memory), on_start)
        except BaseException:
            self._budget.give_back(name)
            raise
        self.running[name] = running = RunningGuest(name, up)
        self._watching[name] = asyncio.create_task(self._watch(running))
        return running

    async def end(self, name: str) -> None:
        """End one now, if it runs; its name and its memory are free then."""
        if (guest := self.running.get(name)) is not None:
            await guest.kill()
            await self._watching[name]

    async def close(self) -> None:
        """End all of them; returns when none is left."""
        await asyncio.gather(*(guest.kill() for guest in self.running.values()))
        await asyncio.gather(*self._watching.values())

    async def _watch(self, guest: RunningGuest) -> None:
        """Its memory is free again as soon as it has ended, however that was."""
        await guest.machine.ended()
        self.running.pop(guest.name)
        self._budget.give_back(guest.name)


def ingredients(rootfs: str) -> tuple[Kernel, Path]:
    """The kernel and the root file system to boot; made now unless they are there. Blocks."""
    return kernel.find(), image.build(tree(rootfs))


def tree(rootfs: str) -> Rootfs:
    """The files that a container and a guest both begin with."""
    return build(recipe(rootfs))


def _number(picture: Picture, path: str, pattern: bytes) -> int | Unavailable:
    try:
        found = re.search(rb"^%s$" % pattern, picture.read(path), re.MULTILINE)
    except OSError:
        found = None
    return int(found[1]) if found else Unavailable(f"its {path} does not tell")


def _kib(picture: Picture, path: str, pattern: bytes) -> int | Unavailable:
    number = _number(picture, path, pattern)
    return number if isinstance(number, Unavailable) else number * 1024


def pss(pid: int) -> int:
    """A process's proportional set size in bytes: its own memory, and its share of what it has in common."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    found = re.search(rb"^Pss:\s+(\d+) kB", rollup, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
