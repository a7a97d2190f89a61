"""The client: what everyone above the runtime uses. Async, and never a fork in the app's own process."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import secrets
import signal
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from contlab import paths
from contlab.errors import ContlabError, RuntimeFailure
from contlab.runtime import events, launch, protocol, sweep
from contlab.runtime.awaited import Awaited
from contlab.runtime.handle import Container, Execution, Stdio
from contlab.runtime.spec import ContainerSpec, Limits
from contlab.runtime.terminal import Terminal
from contlab.runtime.trees import Trees
from contlab.runtime.wire import Wire

Listener = Callable[[events.AnyEvent], None]

PATIENCE = 30.0
"""Seconds the supervisor may take to end its containers and itself."""


class Runtime:
    """One supervisor and its containers. ``async with Runtime() as runtime: ...``"""

    def __init__(self, sudo: bool = False) -> None:
        """``sudo``: the supervisor, and it alone, is started by sudo(8), which must not have to ask for a password."""
        self._sudo = sudo
        self.admin = os.geteuid() == 0
        """The supervisor has root's privileges; known for sure once it is started."""
        self.run = secrets.token_hex(4)
        self.swept = sweep.Swept()
        """What dead runs had left, removed at the start; and at last what this one left when its supervisor died."""
        self._root = launch.ELEVATED_ROOT if sudo else str(paths.runtime_root())
        self._trees = Trees()
        self._exec_ids = itertools.count(1)
        self._listeners: list[Listener] = []
        self._process: asyncio.subprocess.Process | None = None
        self._pid: int | None = None
        self._wire: Wire | None = None
        self._awaited: Awaited
        self._lost = RuntimeFailure("the run is not open")
        self._mourning: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    # --- life -------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Remove what dead runs left, and start the supervisor. RuntimeFailure with its last words when it can't."""
        self.swept = await self._sweep()
        *others, last = await asyncio.to_thread(launch.ways, self._sudo)
        for way in others:
            try:
                async with asyncio.timeout(PATIENCE):
                    return await self._start(way)
            except (RuntimeFailure, TimeoutError, OSError):
                await self._close()
                self._process, self._mourning = None, None
        try:
            await self._start(last)
        except BaseException:
            await self.close()
            raise

    async def _start(self, way: launch.Way) -> None:
        self._awaited = Awaited()
        self._process, ours = await launch.launch(way, self.run, self._root)
        self._wire = Wire(ours, self._heard, self._supervisor_gone)
        ready = await self._awaited.ready
        self.admin, self._pid = ready.admin, ready.pid

    @property
    def directory(self) -> str:
        """The run's own directory, which the supervisor makes and removes."""
        return f"{self._root}/contlab-{self.run}"

    @property
    def supervisor_pid(self) -> int | None:
        """The supervisor, as the host counts."""
        return self._pid or (self._process.pid if self._process else None)

    async def close(self) -> None:
        """End every container and the supervisor; returns when nothing is left. May be called twice."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close())
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        if self._process is None:
            return
        if self._wire is not None:
            self._wire.close()
            self._wire = None
        self._lost = RuntimeFailure("the run is closed")
        if self._mourning is not None:
            await self._mourning
        try:
            await asyncio.wait_for(self._process.communicate(), PATIENCE)
        except TimeoutError:
            with contextlib.suppress(PermissionError):  # sudo's is not ours to kill
                self._process.kill()  # its containers die with it, and the sweep removes the rest
                await self._process.communicate()  # wait() alone would leave its stderr open
        self._awaited.fail_all(self._lost)
        await self._sweep()

    async def _sweep(self) -> sweep.Swept:
        """What root's runs left is the elevated supervisor's to remove, when the next one starts."""
        return sweep.Swept() if self._sudo else await asyncio.to_thread(sweep.sweep, self._root)

    # --- requests ---------------------------------------------------------------------------------------------------

    def listen(self, listener: Listener) -> None:
        """Call ``listener`` with every event, in order, from the event loop."""
        self._listeners.append(listener)

    async def group(self, name: str, limits: Limits) -> events.GroupReady:
        """A parent cgroup with limits of its own; its limits were read back when this returns."""
        ready = self._awaited.group(name)
        self.send(protocol.CreateGroup(container=name, limits=limits))
        return await asyncio.shield(ready)

    async def spawn(
        self, name: str, spec: ContainerSpec, stdio: Stdio | Terminal, keep: Sequence[int] = (), remove: bool = False
    ) -> Container:
        """Make a container; returns once its command runs. ContlabError with the reason when it can't.

        ``keep``: further descriptors, which the command has under the same numbers (3 or more). ``remove``: it is
        closed as soon as its first process has ended.
        When it is cancelled, what was made is removed first.
        """
        container = Container(self, name, spec)
        self._awaited.birth(container)
        try:
            # Only root can give files to those who are root inside: an elevated supervisor builds the tree itself.
            rootfs = "" if self._sudo else await self._rootfs(spec)
            request = protocol.Spawn(
                container=name, spec=spec, rootfs=rootfs, keep=tuple(keep), terminal=_window(stdio),
                tell=bool(self._listeners), remove=remove, requested_at=time.monotonic_ns() / 1000,
            )  # fmt: skip
            self.send(request, (*_descriptors(stdio), *keep))
        except BaseException:
            self._awaited.give_up(container)
            raise
        try:
            await asyncio.shield(container.started)
            _arrive(stdio)
        except asyncio.CancelledError:
            with contextlib.suppress(ContlabError):  # the supervisor is gone, and the container with it
                await self.close_container(name)
            raise
        return container

    async def _rootfs(self, spec: ContainerSpec) -> str:
        if (tree := self._trees.at_hand(spec, self.admin)) is not None:
            return tree
        return await asyncio.to_thread(self._trees.look, spec, self.admin)

    async def exec(
        self, container: str, command: tuple[str, ...], stdio: Stdio | Terminal, environment: dict[str, str]
    ) -> Execution:
        """Run a further command in a running container; returns once it runs. When cancelled, it is killed."""
        execution = Execution(self, container, next(self._exec_ids))
        request = protocol.Exec(
            container=container, exec_id=execution.exec_id, command=command, environment=environment,
            terminal=_window(stdio), requested_at=time.monotonic_ns() / 1000,
        )  # fmt: skip
        self.send(request, _descriptors(stdio))
        self._awaited.executions[execution.exec_id] = execution
        try:
            await asyncio.shield(execution.started)
            _arrive(stdio)
        except asyncio.CancelledError:
            with contextlib.suppress(ContlabError):
                await execution.signal(signal.SIGKILL)
            raise
        return execution

    async def close_container(self, name: str) -> events.Removed:
        """Kill what is in a container (or a group) and wait until nothing is left of it."""
        if (removal := self._awaited.removals.get(name)) is None:
            self.send(protocol.Close(container=name))
            removal = self._awaited.removal(name)
        return await asyncio.shield(removal)

    async def hostname(self, container: str) -> str | None:
        """What the container's uts namespace says now; None when it is gone or can't be entered."""
        self.send(protocol.AskHostname(container=container))
        return (await self._awaited.answer(events.HostnameIs, container)).hostname

    async def readlink(self, path: str) -> tuple[str, int]:
        """A link in /proc of a container's first process, read by the supervisor: its text, or why not (errno(3))."""
        self.send(protocol.ReadLink(container="", path=path))
        read = await self._awaited.answer(events.LinkRead, "")
        return read.text, read.errno

    async def freeze(self, name: str) -> None:
        """Stop every process of a container (or a group) where it is; RuntimeFailure when it can't be."""
        await self._set_frozen(name, True)

    async def thaw(self, name: str) -> None:
        """Let them go on."""
        await self._set_frozen(name, False)

    async def _set_frozen(self, name: str, frozen: bool) -> None:
        self.send(protocol.Freeze(container=name, frozen=frozen))
        _refused(await self._awaited.answer(events.FrozenIs, name))

    async def link(self, name: str, up: bool) -> None:
        """Plug a container's network cable in, or (``up`` false) pull it out; RuntimeFailure when it has none."""
        self.send(protocol.SetLink(container=name, up=up))
        _refused(await self._awaited.answer(events.LinkIs, name))

    def send(self, request: protocol.AnyRequest, fds: Sequence[int] = ()) -> None:
        """Send one request; RuntimeFailure when the supervisor is gone."""
        if self._wire is None:
            raise self._lost
        self._wire.send(protocol.encode(request), fds)

    # --- events -----------------------------------------------------------------------------------------------------

    def _heard(self, message: bytes) -> None:
        for line in message.split(b"\n"):
            event = events.decode(line)
            self._awaited.settle(event)
            for listener in self._listeners:
                listener(event)

    def _supervisor_gone(self) -> None:
        """Unasked: its containers died with it; what is left is removed now."""
        self._wire = None
        self._lost = RuntimeFailure("the supervisor is gone, and every container with it", self._what_is_left)
        self._mourning = asyncio.create_task(self._mourn())

    async def _mourn(self) -> None:
        assert self._process is not None
        _, stderr = await self._process.communicate()
        status = self._process.returncode or 0
        said = stderr.decode(errors="replace").strip().rpartition("\n")[2]
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended: {said or f'status {status}'}"
        began = self._awaited.ready.done()
        self._lost = RuntimeFailure(
            f"the supervisor {how}, and every container with it" if began else f"the supervisor can't start: it {how}",
            self._what_is_left if began else "Run `contlab doctor` to see why.",
        )
        self._awaited.fail_all(self._lost)
        self.swept = await self._sweep()

    @property
    def _what_is_left(self) -> str:
        if self._sudo:
            return "Start again: what was left behind is removed first; or do it now: sudo contlab doctor --clean"
        return "Start again; what was left behind is being removed."


def _descriptors(stdio: Stdio | Terminal) -> Stdio:
    return stdio.stdio if isinstance(stdio, Terminal) else stdio


def _window(stdio: Stdio | Terminal) -> protocol.Window | None:
    return stdio.window if isinstance(stdio, Terminal) else None


def _arrive(stdio: Stdio | Terminal) -> None:
    if isinstance(stdio, Terminal):
        stdio.arrive()


def _refused(answer: events.FrozenIs | events.LinkIs) -> None:
    if answer.message:
        raise RuntimeFailure(answer.message, answer.hint)
