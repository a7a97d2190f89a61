"""Starter: who runs a guest's process. vm says what to run; the supervisor runs it or, without one, this process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from contlab.errors import UnavailableError


class Process(Protocol):
    """A started process, with all that it starts in a process group of its own."""

    @property
    def pid(self) -> int:
        """On this host."""
        ...

    async def wait(self) -> int:
        """Its exit status once it ends; negative: the signal that ended it. May be called by several."""
        ...

    async def kill(self) -> None:
        """SIGKILL, to all of its group; fine when it has ended. ``wait`` says when it has."""
        ...


class Starter(Protocol):
    """Runs programs that must not outlive contlab."""

    async def start(self, command: Sequence[str], fds: Sequence[int], stderr: int) -> Process:
        """Run ``command`` with ``fds`` kept open under the same numbers, stdin and stdout null."""
        ...


class LocalStarter:
    """Runs them as children of this process, on a leash."""

    async def start(self, command: Sequence[str], fds: Sequence[int], stderr: int) -> Process:
        """As Starter says. The parent-death signal follows the thread that starts it: call it from the main one."""
        leash = Path(__file__).with_name("leash.py")
        try:
            started = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", str(leash), str(os.getpid()), *command,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=stderr,
                pass_fds=tuple(fds), process_group=0,
            )  # fmt: skip
        except OSError as error:
            raise UnavailableError(f"{command[0]} could not be started: {error.strerror}") from error
        return _Child(started)


class _Child:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    async def wait(self) -> int:
        return await self._process.wait()

    async def kill(self) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
