"""Agent: contlab's end of the line to a guest. Reads its files, runs commands in it, ends it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from contlab.errors import UnavailableError
from contlab.vm import picture, wire
from contlab.vm.picture import Picture
from contlab.vm.wire import Reply

ANSWER = 20.0
"""Seconds in which a guest must answer: an emulated one under load takes a few."""

QUICK, SLOW = 0.02, 0.25
"""Seconds between two looks at a command that runs: short at first, as most are."""

HELD = 0.3
"""Seconds that output is still waited for when a command has ended but not all that it started."""

RUNNING = b"running"


class SilentError(UnavailableError):
    """A guest that did not answer in time."""

    def __init__(self) -> None:
        super().__init__(
            f"the guest did not answer for {ANSWER:.0f} s", "It may be out of memory or stopped: end it and boot again."
        )


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command in the guest ended."""

    exit_code: int
    """0-255; 128 + signal when it was killed."""
    output: bytes
    """stdout and stderr as they came, at most the first MiB."""
    seconds: float
    """Host's clock, from the request to the answer that says it is over."""
    timed_out: bool = False


class Agent:
    """One guest's agent. Requests are answered one after the other; every method may raise UnavailableError."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._decoder = wire.Decoder()
        self._waiting: list[Reply] = []
        self._turn = asyncio.Lock()
        self._number = wire.HELLO
        self._runs = 0
        self._killed = False
        """The run that is under way is to be killed."""

    async def hello(self) -> str:
        """Wait, however long, until the agent is there; returns the guest's ``uname -r``."""
        return (await self._reply(wire.HELLO)).content.decode("utf-8", "backslashreplace")

    async def read(self, *patterns: str, patient: bool = False) -> Picture:
        """The guest's files and links that match shell patterns, at about the same moment.

        ``patient``: it is not given up while the guest is there, however long it doesn't answer.
        """
        reply = await self._ask("read", *(patterns or picture.ALL), patient=patient)
        try:
            return Picture(reply.content)
        except ValueError as error:
            raise UnavailableError(
                f"the guest's files came damaged: {error}", "Look again; it may be out of memory."
            ) from error

    async def list(self, directory: str) -> list[str]:
        """The names in one of its directories."""
        reply = await self._ask("list", directory)
        names = reply.content.decode(errors="surrogateescape").split("\0")
        return sorted(name.removeprefix("./") for name in names if name)

    async def run(
        self, command: str, limit: float = 10.0, on_output: Callable[[bytes], None] = lambda piece: None
    ) -> Ran:
        """A shell line, to its end or ``limit`` seconds; what it prints is given to ``on_output`` as it comes."""
        self._runs += 1
        name, output = f"run-{self._runs}", bytearray()
        began = time.monotonic()
        pause, timed_out, last = QUICK, False, began
        self._killed = False
        await self._ask("start", name, command)
        while True:
            head, _, piece = (await self._ask("poll", name, str(len(output)))).content.partition(b"\n")
            now = time.monotonic()
            if piece:
                output += piece
                on_output(piece)
                last = now
            held = head.startswith(b"held ")
            if head != RUNNING and (not held or now - last > HELD):
                return Ran(int(head.split()[-1]), bytes(output), now - began, timed_out)
            if head == RUNNING and not timed_out and now - began > limit:
                timed_out = self._killed = True
            if self._killed:
                self._killed = False
                await self._ask("stop", name)
            await asyncio.sleep(pause)
            pause = min(SLOW, pause * 1.5)

    def kill(self) -> None:
        """Kill what ``run`` runs now, at its next look."""
        self._killed = True

    async def off(self) -> None:
        """Ask the guest to end; nothing answers."""
        await self._send("off")

    async def _ask(self, verb: str, *arguments: str, patient: bool = False) -> Reply:
        """One deadline for our turn and the answer together."""
        try:
            async with asyncio.timeout(None if patient else ANSWER), self._turn:
                reply = await self._answer(verb, *arguments)
        except TimeoutError as error:
            raise SilentError from error
        except ConnectionError as error:
            raise _gone() from error
        if reply.status != 0:
            words = reply.content.decode("utf-8", "backslashreplace")
            raise UnavailableError(f"the guest's agent can't {verb} {' '.join(arguments)}: {words}")
        return reply

    async def _answer(self, verb: str, *arguments: str) -> Reply:
        """An agent that says hello has begun anew: what the one before was asked is lost, and asked again.

        But no command is started twice: the hello may be from before the question.
        """
        number = await self._send(verb, *arguments)
        while (reply := await self._reply(number, wire.HELLO)).number != number:
            if verb != "start":
                number = await self._send(verb, *arguments)
        return reply

    async def _send(self, verb: str, *arguments: str) -> int:
        number = self._next_number()
        self._writer.write(wire.encode(number, verb, *arguments))
        await self._writer.drain()
        return number

    async def _reply(self, *numbers: int) -> Reply:
        """The next reply to one of these requests; those to requests that were given up are dropped."""
        while True:
            while self._waiting:
                reply = self._waiting.pop(0)
                if reply.number in numbers:
                    return reply
            data = await self._reader.read(1 << 16)
            if not data:
                raise _gone()
            self._waiting += self._decoder.feed(data)

    def _next_number(self) -> int:
        self._number += 1
        return self._number


def _gone() -> UnavailableError:
    return UnavailableError("the guest is gone", "Boot it again.")
