"""The supervisor's voice: events to the client."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from functools import lru_cache

from contlab.errors import ContlabError
from contlab.runtime import events, stage
from contlab.runtime.container import Container
from contlab.runtime.operation import Operation
from contlab.runtime.process import Process, Status

FULL = 64 << 10
"""Bytes of events in one message, when several are told at once."""

LONGEST = 4096
"""Characters of one text: an event must fit into one message, however long a file's text or a command is."""


def now() -> float:
    """CLOCK_MONOTONIC, µs."""
    return time.monotonic_ns() / 1000


class Voice:
    """Sends events; ``unheard`` is called once nobody listens.

    They are kept until ``speak``: whoever does one thing after another is not to be held up by putting it into words,
    nor the client woken for each word.
    """

    def __init__(self, control: socket.socket, new_root: str, unheard: Callable[[], None]) -> None:
        """``new_root``: the long path that stands for $ROOT in what people read."""
        self._control = control
        self._new_root = new_root
        self._unheard = unheard
        self._unsaid: list[Callable[[], events.AnyEvent]] = []
        self._kept_since = 0.0
        self.untold: set[str] = set()
        """Containers whose operations nobody wants to hear of."""

    @property
    def kept_for(self) -> float:
        """Seconds since the first event that is not yet told; 0 without one."""
        return (now() - self._kept_since) / 1e6 if self._unsaid else 0.0

    def speak(self) -> None:
        """Send what there is to tell, in order and in few messages."""
        message = b""
        for event in self._unsaid:
            line = events.encode(event())
            if message and len(message) + len(line) > FULL:
                self._send(message)
                message = b""
            message += b"\n" + line if message else line
        self._unsaid.clear()
        if message:
            self._send(message)

    def _tell(self, event: events.AnyEvent) -> None:
        self._keep(lambda: event)

    def _keep(self, event: Callable[[], events.AnyEvent]) -> None:
        if not self._unsaid:
            self._kept_since = now()
        self._unsaid.append(event)

    def _send(self, message: bytes) -> None:
        try:
            self._control.send(message)
        except (BrokenPipeError, ConnectionResetError):
            self._unheard()

    def ready(self, admin: bool) -> None:
        """The supervisor takes requests from now on; ``admin``: with root's privileges."""
        self._tell(events.Ready(container="", at=now(), pid=os.getpid(), admin=admin))

    def operation(self, container: str, operation: Operation, report: stage.Report) -> None:
        """One operation of the plan is done, or was refused."""
        if container in self.untold and not report.errno:
            return
        at = now()
        self._keep(lambda: self._done(container, at, operation, report))

    def _done(self, container: str, at: float, operation: Operation, report: stage.Report) -> events.OperationDone:
        describe, shell = _words(operation, self._new_root)
        return events.OperationDone(
            container=container,
            at=at,
            index=report.index,
            operation=type(operation).__name__,
            describe=f"{describe} ({_short(report.remark)})" if report.remark else describe,
            shell=shell,
            side="container" if operation.inside else "host",
            microseconds=report.microseconds,
            errno=report.errno,
            error=_short(report.error),
        )

    def hostname(self, container: str, hostname: str | None) -> None:
        """An answer."""
        self._tell(events.HostnameIs(container=container, at=now(), hostname=hostname))

    def link_read(self, text: str, errno: int = 0) -> None:
        """An answer."""
        self._tell(events.LinkRead(container="", at=now(), text=text, errno=errno))

    def frozen(self, container: str, frozen: bool, error: ContlabError | None) -> None:
        """What holds after a request, and why it is not what was asked for."""
        message, hint = (_short(error.message), error.hint) if error else ("", "")
        self._tell(events.FrozenIs(container=container, at=now(), frozen=frozen, message=message, hint=hint))

    def link(self, container: str, up: bool, error: ContlabError | None) -> None:
        """As ``frozen``, of its cable."""
        message, hint = (_short(error.message), error.hint) if error else ("", "")
        self._tell(events.LinkIs(container=container, at=now(), up=up, message=message, hint=hint))

    def group_ready(self, group: Container) -> None:
        """A parent cgroup stands."""
        name, directories, missing = group.name, group.directories, group.missing
        self._tell(events.GroupReady(container=name, at=now(), cgroups=directories, missing=missing))

    def started(self, process: Process, container: Container) -> None:
        """A command runs: its container's first, or a further one."""
        ready, name = now() - process.requested_at, process.container
        if process.exec_id is not None:
            self._tell(
                events.ExecStarted(container=name, at=now(), exec_id=process.exec_id, pid=process.pid, ready_us=ready)
            )
            return
        # execve reports nothing: that the pipe closed is its report.
        self.operation(name, process.operations[-1], stage.Report(len(process.operations) - 1))
        self._tell(
            events.Started(
                container=name,
                at=now(),
                pid=process.pid,
                ready_us=ready,
                cgroups=container.directories,
                missing=container.missing,
                root=container.root,
                peers=container.peers,
                unprotected=container.unprotected,
            )
        )

    def exited(self, process: Process, status: Status, oom_killed: bool) -> None:
        """A command ended."""
        name, pid, code, number = process.container, process.pid, status.exit_code, status.signal
        if process.exec_id is None:
            self._tell(
                events.Exited(container=name, at=now(), pid=pid, exit_code=code, signal=number, oom_killed=oom_killed)
            )
            return
        self._tell(
            events.ExecExited(
                container=name,
                at=now(),
                pid=pid,
                exit_code=code,
                signal=number,
                oom_killed=oom_killed,
                exec_id=process.exec_id,
            )
        )

    def failed(self, container: str, error: ContlabError, exec_id: int | None) -> None:
        """What was asked for did not come to be."""
        self._tell(
            events.Failed(
                container=container,
                at=now(),
                message=_short(error.message),
                hint=_short(error.hint),
                exit_code=int(error.exit_code),
                exec_id=exec_id,
            )
        )

    def removed(self, container: str, removed: tuple[str, ...]) -> None:
        """Nothing of it is left."""
        self._tell(events.Removed(container=container, at=now(), removed=removed))


@lru_cache(maxsize=512)
def _words(operation: Operation, new_root: str) -> tuple[str, str]:
    """The next container has most of its operations in common with the last."""
    return _short(operation.describe().replace(new_root, "$ROOT")), _short(operation.shell())


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
