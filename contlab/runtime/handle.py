"""Handles: what the client's callers hold of a container and of a command in it."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from contlab.errors import RuntimeFailure
from contlab.runtime import events, protocol
from contlab.runtime.spec import ContainerSpec

if TYPE_CHECKING:
    from contlab.runtime.client import Runtime
    from contlab.runtime.terminal import Terminal

Stdio = tuple[int, int, int]
"""Descriptors that become stdin, stdout and stderr; they stay the caller's."""


def _valid(number: int) -> int:
    if number not in signal.valid_signals():
        raise RuntimeFailure(f"there is no signal {number}", "See `kill -l`.")
    return number


class Execution:
    """A further command in a container."""

    def __init__(self, runtime: Runtime, container: str, exec_id: int) -> None:
        self._runtime = runtime
        self.container = container
        self.exec_id = exec_id
        self.started: asyncio.Future[events.ExecStarted] = asyncio.get_running_loop().create_future()
        self.exited: asyncio.Future[events.ExecExited] = asyncio.get_running_loop().create_future()

    async def signal(self, number: int, group: bool = False) -> None:
        """Send it (or its process group) a signal; nothing happens when it is gone."""
        exec_id, number = self.exec_id, _valid(number)
        self._runtime.send(protocol.Signal(container=self.container, number=number, exec_id=exec_id, group=group))

    async def wait(self) -> events.ExecExited:
        """How it ended; RuntimeFailure when it never ran or the supervisor died."""
        return await asyncio.shield(self.exited)


class Container:
    """A container, from the request to its removal."""

    def __init__(self, runtime: Runtime, name: str, spec: ContainerSpec) -> None:
        loop = asyncio.get_running_loop()
        self._runtime = runtime
        self.name = name
        self.spec = spec
        self.started: asyncio.Future[events.Started] = loop.create_future()
        self.exited: asyncio.Future[events.Exited] = loop.create_future()
        self.removed: asyncio.Future[events.Removed] = loop.create_future()

    @property
    def pid(self) -> int:
        """Its first process, as the host counts."""
        return self.started.result().pid

    async def exec(
        self, command: tuple[str, ...], stdio: Stdio | Terminal, environment: dict[str, str] | None = None
    ) -> Execution:
        """Run a further command inside; returns once it runs. RuntimeFailure with the reason when it can't."""
        return await self._runtime.exec(self.name, command, stdio, environment or {})

    async def signal(self, number: int, group: bool = False) -> None:
        """Send its first process (or the process group that it leads, as a terminal does) a signal."""
        self._runtime.send(protocol.Signal(container=self.name, number=_valid(number), group=group))

    async def wait(self) -> events.Exited:
        """How its first process ended."""
        return await asyncio.shield(self.exited)

    async def freeze(self) -> None:
        """Stop all its processes where they are."""
        await self._runtime.freeze(self.name)

    async def thaw(self) -> None:
        """Let them go on."""
        await self._runtime.thaw(self.name)

    async def link(self, up: bool) -> None:
        """Plug its network cable in, or pull it out."""
        await self._runtime.link(self.name, up)

    async def close(self) -> events.Removed:
        """Kill what is in it and wait until nothing is left."""
        if self.removed.done() and self.removed.exception() is None:
            return self.removed.result()
        return await self._runtime.close_container(self.name)
