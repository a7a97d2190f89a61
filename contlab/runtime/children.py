"""The supervisor's children: watched, listened to, reaped."""

from __future__ import annotations

import contextlib
import os
import select
import time
from typing import Protocol

from contlab.errors import RuntimeFailure
from contlab.runtime import stage
from contlab.runtime.loop import Loop
from contlab.runtime.nursery import Newborn
from contlab.runtime.process import Process, Status

MANY = 200
"""Operations, whose report a pipe (64 KiB) may not hold."""


class Listener(Protocol):
    """Who is told what the children do."""

    def reported(self, process: Process, reports: list[stage.Report]) -> None:
        """It did some operations, or was refused the last of them."""

    def started(self, process: Process) -> None:
        """It became its command."""

    def ended(self, process: Process, status: Status) -> None:
        """It is gone and reaped; ``process.started`` says whether its command ever ran."""


class Children:
    """All children that live or wait to be reaped, in the order of their birth."""

    def __init__(self, loop: Loop, listener: Listener) -> None:
        self._loop = loop
        self._listener = listener
        self._living: dict[int, Process] = {}
        self._at_work: set[Process] = set()

    @property
    def at_work(self) -> bool:
        """One of them is on its way to its command."""
        return bool(self._at_work)

    def of(self, container: str) -> list[Process]:
        """Those of one container."""
        return [process for process in self._living.values() if process.container == container]

    def first(self, container: str) -> Process | None:
        """A container's first process, when its command runs."""
        return next((p for p in self.of(container) if p.exec_id is None and p.started), None)

    def begin(self, process: Process, newborn: Newborn) -> None:
        """``process`` is ``newborn``; watch it from now on."""
        process.begin(newborn)
        self._at_work.add(process)
        # Woken by what it says before exec, we would only get in its way; a long report needs a reader, though.
        at_once = process.exec_id is not None or len(process.operations) > MANY
        self._loop.watch(process.report, lambda: self._hear(process), only_end=not at_once)
        self._adopt(process)

    def abandon(self, process: Process) -> None:
        """Kill and reap one that never got its orders, without a word to the listener."""
        process.let_go()
        if process.pidfd != -1:
            process.kill()
            self._bury(process)

    def end(self, container: str, deadline: float = 5.0) -> None:
        """Reap all of a container's children, which were killed before; RuntimeFailure after ``deadline`` seconds.

        In the order of their deaths: PID 1 ends only once we have reaped our other children in its namespace.
        """
        until = time.monotonic() + deadline
        while left := self.of(container):
            poll = select.poll()
            for process in left:
                poll.register(process.pidfd, select.POLLIN)
            if not poll.poll(max(0.0, until - time.monotonic()) * 1000):
                raise RuntimeFailure(
                    f"process {', '.join(str(p.pid) for p in left)} was killed but does not end",
                    "It waits inside the kernel (state D in `ps`), for a disk or a debugger; close it again later.",
                )
            self.reap_dead(container)

    def reap_dead(self, container: str) -> None:
        """Those of a container that are dead by now."""
        for process in self.of(container):
            if process.dead():
                self._end(process)

    def reap_strays(self) -> None:
        """Orphans of containers without a PID namespace of their own come to us (PR_SET_CHILD_SUBREAPER)."""
        if any(process.successor_awaited for process in self._living.values()):
            return  # an unknown child may be the successor
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
                if found.si_pid in self._living:
                    return  # its pidfd is readable, and after it we come back here
                os.waitpid(found.si_pid, 0)

    def _adopt(self, process: Process) -> None:
        self._living[process.pid] = process
        self._loop.watch(process.pidfd, lambda: self._end(process))

    def _hear(self, process: Process) -> None:
        reports, ended = process.reports()
        for successor in (report.pid for report in reports if report.pid):
            self._succeed(process, successor)
        self._listener.reported(process, reports)
        if ended:
            self._stop_listening(process)
            if process.completed:
                process.started = True
                process.let_go()
                self._listener.started(process)

    def _succeed(self, process: Process, pid: int) -> None:
        self._loop.forget(process.pidfd)
        self._living.pop(process.pid)
        process.go_on_as(pid)
        self._adopt(process)
        self.reap_strays()

    def _end(self, process: Process) -> None:
        pid = process.pid
        if process.report != -1:
            self._hear(process)  # what it had to say comes first, and may be that another goes on in its place
        if process.pid == pid:
            status = self._bury(process)
            self._listener.ended(process, status)
            process.let_go()
            self.reap_strays()

    def _stop_listening(self, process: Process) -> None:
        if process.report != -1:
            self._at_work.discard(process)
            self._loop.forget(process.report)
            os.close(process.report)
            process.report = -1

    def _bury(self, process: Process) -> Status:
        self._stop_listening(process)
        self._loop.forget(process.pidfd)
        self._living.pop(process.pid)
        return process.reap()
