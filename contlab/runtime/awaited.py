"""What the client's callers wait for, and which event settles it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, TypeVar

from contlab.errors import ExitCode, RuntimeFailure
from contlab.runtime import events
from contlab.runtime.handle import Container, Execution

EventT = TypeVar("EventT", bound=events.Event)


class Awaited:
    """All that is open between requests and the events that answer them."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[events.Ready] = self._loop.create_future()
        self.executions: dict[int, Execution] = {}
        """By exec_id, until they exit."""
        self.removals: dict[str, asyncio.Future[events.Removed]] = {}
        """By name, from the request on."""
        self._containers: dict[str, Container] = {}
        self._groups: dict[str, asyncio.Future[events.GroupReady]] = {}
        self._answers: dict[tuple[type[events.Event], str], list[asyncio.Future[Any]]] = {}

    # --- beginnings -------------------------------------------------------------------------------------------------

    def birth(self, container: Container) -> None:
        """Its futures are settled from now on; RuntimeFailure when its name is taken."""
        self._refuse_taken(container.name)
        self._containers[container.name] = container

    def give_up(self, container: Container) -> None:
        """It was not even asked for."""
        self._containers.pop(container.name, None)

    def group(self, name: str) -> asyncio.Future[events.GroupReady]:
        """A group that is made; RuntimeFailure when its name is taken."""
        self._refuse_taken(name)
        self._groups[name] = future = self._loop.create_future()
        return future

    def removal(self, name: str) -> asyncio.Future[events.Removed]:
        """The end of a container or group."""
        self.removals[name] = future = self._loop.create_future()
        return future

    def answer(self, kind: type[EventT], container: str) -> asyncio.Future[EventT]:
        """An answer; those of one kind come in the order of the questions."""
        future: asyncio.Future[EventT] = self._loop.create_future()
        self._answers.setdefault((kind, container), []).append(future)
        return future

    def _refuse_taken(self, name: str) -> None:
        if name in self._containers or name in self._groups:
            raise RuntimeFailure(f"there is a {name} already", "Close it first, or give another name.")

    # --- ends -------------------------------------------------------------------------------------------------------

    def settle(self, event: events.AnyEvent) -> None:
        """Give the event to whoever waits for it."""
        name = event.container
        container = self._containers.get(name)
        match event:
            case events.Ready():
                _resolve(self.ready, event)
            case events.GroupReady() if name in self._groups:
                _resolve(self._groups[name], event)
            case events.Started() if container:
                _resolve(container.started, event)
            case events.ExecStarted() if event.exec_id in self.executions:
                _resolve(self.executions[event.exec_id].started, event)
            case events.ExecExited() if event.exec_id in self.executions:
                _resolve(self.executions.pop(event.exec_id).exited, event)
            case events.Exited() if container and not isinstance(event, events.ExecExited):
                _resolve(container.exited, event)
            case events.HostnameIs() | events.LinkRead() | events.FrozenIs() | events.LinkIs():
                _resolve(self._answers[type(event), name].pop(0), event)
            case events.Removed():
                self._removed(event)
            case events.Failed():
                self._failed(event)
            case _:
                pass

    def fail_all(self, error: RuntimeFailure) -> None:
        """Nothing more will be heard."""
        for future in self._all():
            _reject(future, error)
        for names in (self._containers, self.executions, self._groups, self.removals, self._answers):
            names.clear()

    def _all(self) -> Iterator[asyncio.Future[Any]]:
        yield self.ready
        for container in self._containers.values():
            yield from (container.started, container.exited, container.removed)
        for execution in self.executions.values():
            yield from (execution.started, execution.exited)
        yield from self._groups.values()
        yield from self.removals.values()
        for questions in self._answers.values():
            yield from questions

    def _removed(self, event: events.Removed) -> None:
        self._groups.pop(event.container, None)
        if container := self._containers.pop(event.container, None):
            _resolve(container.removed, event)
        if removal := self.removals.pop(event.container, None):
            _resolve(removal, event)

    def _failed(self, event: events.Failed) -> None:
        """What failed follows from what is awaited: a command, a birth, or else a removal."""
        name = event.container
        error = RuntimeFailure(event.message, event.hint, exit_code=ExitCode(event.exit_code))
        if event.exec_id is not None:
            if execution := self.executions.pop(event.exec_id, None):
                _reject(execution.started, error)
                _reject(execution.exited, error)
        elif (container := self._containers.get(name)) and not container.started.done():
            _reject(container.started, error)
            _reject(container.exited, error)
            if name not in self.removals:  # else Removed follows
                self._containers.pop(name)
        elif (group := self._groups.get(name)) and not group.done():
            _reject(group, error)
            self._groups.pop(name)
        else:
            if container:
                _reject(container.removed, error)  # it was to go by itself
            if removal := self.removals.pop(name, None):
                _reject(removal, error)


def _resolve(future: asyncio.Future[EventT], event: EventT) -> None:
    if not future.done():
        future.set_result(event)


def _reject(future: asyncio.Future[Any], error: RuntimeFailure) -> None:
    if not future.done():
        future.set_exception(error)
        future.exception()  # nobody may be waiting, and that is no mistake
