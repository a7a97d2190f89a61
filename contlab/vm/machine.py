"""Machine: one guest that runs, from the request to its end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum

from contlab.errors import UnavailableError
from contlab.vm import qemu
from contlab.vm.agent import Agent
from contlab.vm.monitor import Monitor
from contlab.vm.qemu import Guest
from contlab.vm.starter import Process, Starter
from contlab.vm.waterfall import Waterfall, uptimes

CONSOLE = 256 << 10
"""Bytes that are kept of what the guest writes on its console."""

BOOT_NOTE = "/run/contlab/boot"
"""Where the agent notes when it and init began."""

GOODBYE = 5.0
"""Seconds in which a guest that was asked to end must have ended."""


class Reason(StrEnum):
    """Why a guest ended."""

    OFF = "off"
    """It was asked to."""
    PANIC = "panic"
    """Its kernel gave up."""
    KILLED = "killed"
    """Its process was, by us or another."""
    FAILED = "failed"
    """QEMU ended with an error."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a guest ended."""

    reason: Reason
    words: str
    """The panic's, or QEMU's, if there are any."""


class Machine:
    """Made by ``boot``, ended by ``off`` or ``kill``."""

    def __init__(self, guest: Guest, process: Process, agent: Agent, monitor: Monitor) -> None:
        self.guest, self.process, self.agent, self.monitor = guest, process, agent, monitor
        self.release = ""
        """The guest's ``uname -r``."""
        self._waterfall = Waterfall(0.0, None, 0.0)
        self._console = bytearray()
        self._errors = bytearray()
        self._first_byte: float | None = None
        self._readers: list[asyncio.Task[None]] = []
        self._writers: list[asyncio.StreamWriter] = []
        self._asked = False
        self._ended: asyncio.Task[Ending] | None = None

    @classmethod
    async def boot(
        cls, guest: Guest, starter: Starter, deadline: float, on_start: OnStart = lambda machine: None
    ) -> Machine:
        """Start a guest and wait until its agent answers; BootError, and nothing left, when it doesn't in time.

        ``on_start`` is given the machine as soon as its QEMU runs.
        """
        began = time.monotonic()
        console, agent, monitor = pairs = tuple(socket.socketpair() for _ in range(3))
        errors, errors_end = os.pipe()
        ends = tuple(theirs.fileno() for _, theirs in pairs)
        try:
            process = await starter.start(qemu.command(guest, *ends), ends, errors_end)
        except BaseException:
            for ours, _ in pairs:
                ours.close()
            os.close(errors)
            raise
        finally:
            for _, theirs in pairs:
                theirs.close()
            os.close(errors_end)
        started = time.monotonic() - began
        reader, writer = await asyncio.open_connection(sock=agent[0])
        machine = cls(guest, process, Agent(reader, writer), Monitor(monitor[0]))
        machine._writers.append(writer)
        await machine._listen(console[0], errors)
        on_start(machine)
        try:
            machine.release = await machine._hello(deadline)
        except BaseException:
            await machine.kill()
            raise
        first = machine._first_byte
        machine._waterfall = Waterfall(started, None if first is None else first - began, time.monotonic() - began)
        return machine

    async def waterfall(self) -> Waterfall:
        """Where the time of its boot went, by the host's clock and by what the guest noted."""
        if not self._waterfall.agent_uptime:
            noted = (await self.agent.read(BOOT_NOTE)).read(BOOT_NOTE)
            init, agent = uptimes(noted)
            self._waterfall = replace(self._waterfall, init_uptime=init, agent_uptime=agent)
        return self._waterfall

    @property
    def boot_seconds(self) -> float:
        """From the request until its agent answered, by the host's clock."""
        return self._waterfall.agent

    @property
    def speaks(self) -> bool:
        """Something came on its console: its kernel has begun."""
        return self._first_byte is not None

    @property
    def console(self) -> str:
        """The end of what stands on the console; kernel text, never markup."""
        return self._console.decode("utf-8", "backslashreplace")

    async def ended(self) -> Ending:
        """Wait for the end, however it comes."""
        if self._ended is None:
            self._ended = asyncio.create_task(self._end())
        return await asyncio.shield(self._ended)

    async def off(self) -> Ending:
        """Ask the guest to end, and kill it when it doesn't."""
        self._asked = True
        with contextlib.suppress(ConnectionError):
            await self.agent.off()
        try:
            return await asyncio.wait_for(self.ended(), GOODBYE)
        except TimeoutError:
            return await self.kill()

    async def kill(self) -> Ending:
        """End it now; fine when it has ended."""
        await self.process.kill()
        return await self.ended()

    async def _hello(self, deadline: float) -> str:
        """The agent's first words, unless the process ends or the time is over before."""
        hello = asyncio.create_task(self.agent.hello())
        ended = asyncio.create_task(self.ended())
        try:
            await asyncio.wait((hello, ended), timeout=deadline, return_when=asyncio.FIRST_COMPLETED)
            if hello.done() and hello.exception() is None:
                return hello.result()
            if ended.done() or hello.done():
                raise _ended_early(self.guest, await ended)
            raise BootError(
                f"the guest did not come up within {deadline:.0f} s ({self.guest.accelerator}, {self.guest.board})",
                "Its console's last words: " + (self.console.strip()[-200:] or "none"),
            )
        finally:
            for task in (hello, ended):
                task.cancel()
            await asyncio.gather(hello, ended, return_exceptions=True)

    async def _listen(self, console: socket.socket, errors: int) -> None:
        reader, writer = await asyncio.open_connection(sock=console)
        self._writers.append(writer)
        self._readers.append(asyncio.create_task(self._keep(reader, self._console)))
        stream = asyncio.StreamReader()
        pipe = os.fdopen(errors, "rb", 0)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(stream), pipe)
        self._readers.append(asyncio.create_task(self._keep(stream, self._errors)))

    async def _keep(self, reader: asyncio.StreamReader, kept: bytearray) -> None:
        while data := await reader.read(1 << 16):
            if kept is self._console and self._first_byte is None:
                self._first_byte = time.monotonic()
            kept += data
            del kept[:-CONSOLE]

    async def _end(self) -> Ending:
        status = await self.process.wait()
        await asyncio.gather(*self._readers)  # to the last byte: that is where a panic speaks
        await self.monitor.close()
        for writer in self._writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in self._writers), return_exceptions=True)
        if (why := qemu.panic(self.console)) is not None:
            return Ending(Reason.PANIC, why)
        said = self._errors.decode("utf-8", "backslashreplace").strip()
        if (number := -status if status < 0 else qemu.terminated(said)) > 0:
            return Ending(Reason.KILLED, f"signal {number}")
        if status > 0:
            lines = said.splitlines()
            return Ending(Reason.FAILED, lines[-1] if lines else f"exit {status}")
        return Ending(Reason.OFF, "" if self._asked else "by itself")


OnStart = Callable[[Machine], None]
"""Called when a guest's QEMU runs and its boot begins."""


class BootError(UnavailableError):
    """A guest that was never there; ``ending`` is None when it just didn't come up in time."""

    def __init__(self, message: str, hint: str = "", ending: Ending | None = None) -> None:
        super().__init__(message, hint)
        self.ending = ending


def _ended_early(guest: Guest, ending: Ending) -> BootError:
    size = guest.memory // qemu.MIB
    little = f"A guest of {size} MiB may have too little memory: give it 128 MiB or more."
    match ending.reason:
        case Reason.PANIC:
            return BootError(f"the guest's kernel gave up while booting: {ending.words}", little, ending)
        case Reason.KILLED:
            words = f"the guest was killed while booting ({ending.words})"
            return BootError(words, f"Has the host {size} MiB to spare?", ending)
        case Reason.FAILED:
            return BootError(f"QEMU could not run the guest: {ending.words}", "Look at: contlab vm status", ending)
        case Reason.OFF:
            return BootError("the guest ended while booting", little, ending)
