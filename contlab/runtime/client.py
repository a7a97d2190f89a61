"""The client: what everyone above the runtime uses. Async, and never a fork in the app's own process."""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
import socket
import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from contlab import paths
from contlab.errors import ExitCode, RuntimeFailure
from contlab.rootfs import build, recipe
from contlab.runtime import events, protocol, sweep
from contlab.runtime.handle import Container, Execution, Stdio
from contlab.runtime.spec import ContainerSpec, Limits, Namespace, RootMethod

Listener = Callable[[events.AnyEvent], None]
EventT = TypeVar("EventT", bound=events.Event)


class Runtime:
    """One supervisor and its containers. ``async with Runtime() as runtime: ...``"""

    def __init__(self) -> None:
        self.run = secrets.token_hex(4)
        self.swept = sweep.Swept()
        self._root = str(paths.runtime_root())
        self._containers: dict[str, Container] = {}
        self._executions: dict[int, Execution] = {}
        self._groups: dict[str, asyncio.Future[events.GroupReady]] = {}
        self._asked: dict[str, list[asyncio.Future[events.HostnameIs]]] = {}
        self._listeners: list[Listener] = []
        self._process: asyncio.subprocess.Process | None = None
        self._control: socket.socket | None = None
        self._ready: asyncio.Future[events.Ready]
        self._closing = False
        self._lost: RuntimeFailure | None = None

    # --- life -------------------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Remove what dead runs left, and start the supervisor."""
        self.swept = await asyncio.to_thread(sweep.sweep, self._root)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        with theirs:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-P", "-m", "contlab.runtime.supervisor",
                str(theirs.fileno()), self.run, self._root,
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
                pass_fds=(theirs.fileno(),), start_new_session=True,
            )  # fmt: skip
        ours.setblocking(False)
        self._control = ours
        self._ready = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().add_reader(ours.fileno(), self._receive)
        await self._ready

    @property
    def directory(self) -> str:
        """The run's own directory, which the supervisor makes and removes."""
        return f"{self._root}/contlab-{self.run}"

    @property
    def supervisor_pid(self) -> int | None:
        """The supervisor, as the host counts."""
        return self._process.pid if self._process else None

    async def close(self) -> None:
        """End every container and the supervisor; returns when nothing is left. May be called twice."""
        if self._process is None or self._closing:
            return
        self._closing = True
        if self._control is not None:
            asyncio.get_running_loop().remove_reader(self._control.fileno())
            self._control.close()
            self._control = None
        await self._process.communicate()
        self._fail_all(RuntimeFailure("the run was closed"))
        await asyncio.to_thread(sweep.sweep, self._root)

    # --- requests ---------------------------------------------------------------------------------------------------

    def listen(self, listener: Listener) -> None:
        """Call ``listener`` with every event, in order, from the event loop."""
        self._listeners.append(listener)

    async def group(self, name: str, limits: Limits) -> events.GroupReady:
        """A parent cgroup with limits of its own; its limits were read back when this returns."""
        future: asyncio.Future[events.GroupReady] = asyncio.get_running_loop().create_future()
        self._groups[name] = future
        self.send(protocol.CreateGroup(container=name, limits=limits))
        return await future

    async def spawn(self, name: str, spec: ContainerSpec, stdio: Stdio) -> Container:
        """Make a container; returns once its command runs. ContlabError with the reason when it can't."""
        rootfs = await asyncio.to_thread(rootfs_of, spec)
        container = Container(self, name, spec)
        self._containers[name] = container
        request = protocol.Spawn(container=name, spec=spec, rootfs=rootfs, requested_at=time.monotonic_ns() / 1000)
        self.send(request, stdio)
        await asyncio.shield(container.started)
        return container

    async def exec(
        self, container: str, command: tuple[str, ...], stdio: Stdio, environment: dict[str, str]
    ) -> Execution:
        """Run a further command in a running container; returns once it runs."""
        execution = Execution(self, container, len(self._executions) + 1)
        self._executions[execution.exec_id] = execution
        self.send(
            protocol.Exec(
                container=container, exec_id=execution.exec_id, command=command, environment=environment,
                requested_at=time.monotonic_ns() / 1000,
            ),
            stdio,
        )  # fmt: skip
        await asyncio.shield(execution.started)
        return execution

    async def hostname(self, container: str) -> str | None:
        """What the container's uts namespace says now; None when it is gone or can't be entered."""
        future: asyncio.Future[events.HostnameIs] = asyncio.get_running_loop().create_future()
        self._asked.setdefault(container, []).append(future)
        self.send(protocol.AskHostname(container=container))
        return (await future).hostname

    async def close_container(self, name: str) -> events.Removed:
        """Kill what is in a container (or a group) and wait until nothing is left of it."""
        container = self._containers.get(name)
        if container is None:
            container = self._containers[name] = Container(self, name, ContainerSpec())
        self.send(protocol.Close(container=name))
        removed = await asyncio.shield(container.removed)
        self._containers.pop(name, None)
        return removed

    def send(self, request: protocol.AnyRequest, stdio: Stdio | tuple[()] = ()) -> None:
        """Send one request; RuntimeFailure when the supervisor is gone."""
        if self._lost is not None or self._control is None:
            raise self._lost or RuntimeFailure("the run is closed")
        message = protocol.encode(request)
        try:
            socket.send_fds(self._control, [message], list(stdio))
        except (BrokenPipeError, ConnectionResetError):
            raise self._lose() from None
        except OSError as error:
            raise RuntimeFailure(f"a request of {len(message)} bytes can't be sent: {error.strerror}") from None

    # --- events -----------------------------------------------------------------------------------------------------

    def _receive(self) -> None:
        assert self._control is not None
        try:
            message = self._control.recv(1 << 20)
        except BlockingIOError:
            return
        except ConnectionResetError:
            message = b""
        if not message:
            self._lose()
            return
        event = events.decode(message)
        self._settle(event)
        for listener in self._listeners:
            listener(event)

    def _settle(self, event: events.AnyEvent) -> None:
        container = self._containers.get(event.container)
        match event:
            case events.ExecStarted():
                _resolve(self._executions[event.exec_id].started, event)
            case events.ExecExited():
                _resolve(self._executions[event.exec_id].exited, event)
            case events.Ready():
                _resolve(self._ready, event)
            case events.HostnameIs():
                _resolve(self._asked[event.container].pop(0), event)
            case events.GroupReady() if event.container in self._groups:
                _resolve(self._groups[event.container], event)
            case events.Failed():
                self._failed(event)
            case events.Started() if container:
                _resolve(container.started, event)
            case events.Exited() if container:
                _resolve(container.exited, event)
            case events.Removed() if container:
                _resolve(container.removed, event)
            case _:
                pass

    def _failed(self, event: events.Failed) -> None:
        error = RuntimeFailure(event.message, event.hint, exit_code=ExitCode(event.exit_code))
        if event.exec_id is not None:
            execution = self._executions[event.exec_id]
            _reject(execution.started, error)
            _reject(execution.exited, error)
            return
        if (group := self._groups.pop(event.container, None)) is not None:
            _reject(group, error)
        if (container := self._containers.get(event.container)) is not None:
            _reject(container.started, error)
            _reject(container.exited, error)
            if not container.started.done() or container.started.exception():
                self._containers.pop(event.container)

    def _lose(self) -> RuntimeFailure:
        """The supervisor is gone, unasked: its containers died with it; what is left is removed now."""
        if self._lost is None:
            self._lost = RuntimeFailure(
                "the supervisor is gone, and every container with it",
                "Start the lesson again; what was left behind is being removed.",
            )
            if self._control is not None:
                asyncio.get_running_loop().remove_reader(self._control.fileno())
            self._fail_all(self._lost)
            self._clean_up = asyncio.get_running_loop().run_in_executor(None, self._sweep_own)
        return self._lost

    def _sweep_own(self) -> None:
        # The lock is free once the supervisor is really dead, a moment after its end of the socket closed.
        deadline = time.monotonic() + 5
        while self.run in (swept := sweep.sweep(self._root)).alive and time.monotonic() < deadline:
            time.sleep(0.01)
        self.swept = swept

    def _fail_all(self, error: RuntimeFailure) -> None:
        _reject(self._ready, error)
        for container in self._containers.values():
            for future in (container.started, container.exited, container.removed):
                _reject(future, error)
        for execution in self._executions.values():
            _reject(execution.started, error)
            _reject(execution.exited, error)
        for group in self._groups.values():
            _reject(group, error)
        for question in itertools.chain.from_iterable(self._asked.values()):
            _reject(question, error)


def _resolve(future: asyncio.Future[EventT], event: EventT) -> None:
    if not future.done():
        future.set_result(event)


def _reject(future: asyncio.Future[Any], error: RuntimeFailure) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # nobody may be waiting, and that is no mistake


def rootfs_of(spec: ContainerSpec) -> str:
    """The tree that a spec's root is made from; "" when it keeps the host's."""
    if spec.root is RootMethod.HOST:
        return ""
    if os.path.isabs(spec.rootfs):
        return spec.rootfs
    owner = spec.id_map.outside if spec.own(Namespace.USER) else 0
    return str(build(recipe(spec.rootfs), owner).path)
