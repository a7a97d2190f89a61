"""A child of the supervisor: a container's first process, or a further command in it. Born, watched, reaped."""

from __future__ import annotations

import errno
import itertools
import os
import signal
from dataclasses import dataclass

from contlab.errors import RuntimeFailure
from contlab.linux.batch import Batch
from contlab.linux.errno import SyscallError
from contlab.linux.flags import CLONE
from contlab.linux.syscalls import pidfd_send_signal, setns
from contlab.runtime import stage
from contlab.runtime.nursery import Newborn
from contlab.runtime.operation import Operation
from contlab.runtime.plan import Plan


@dataclass(frozen=True, slots=True)
class Status:
    """How a process ended: one of the two is set."""

    exit_code: int | None
    signal: int | None


class Process:
    """One child and the pipe it reports over."""

    def __init__(
        self, container: str, operations: tuple[Operation, ...], requested_at: float, exec_id: int | None
    ) -> None:
        self.container = container
        self.operations = operations
        """What it is to do, by the index that its reports give; the last one is Execute, which reports nothing."""
        self.requested_at = requested_at
        self.exec_id = exec_id
        """None: the container's first process."""
        self.pid = 0
        self.pidfd = -1
        self.report = -1
        """Reading end; -1 once it said all it had to say."""
        self.failure: stage.Report | None = None
        self.started = False
        self.successor_awaited = False
        """It will fork into a PID namespace (CLONE_PARENT), and that other child of ours goes on in its place."""
        self.batch: Batch | None = None
        """The calls that it makes; None: it reports by itself, or has nothing to report any more."""
        self.plan: Plan | None = None
        """For who makes the calls of a batch: what a stage could do instead, and in another way."""
        self.given: list[int] = []
        """And what its command would be given, as long as it doesn't run."""
        self._held: list[tuple[int, bool]] = []
        self._last_index = -1
        self._partial = b""

    def begin(self, newborn: Newborn) -> None:
        """It is the one that was born for it."""
        self.pid, self.pidfd, self.report, self.batch = newborn.birth.pid, newborn.pidfd, newborn.report, newborn.batch

    def reports(self) -> tuple[list[stage.Report], bool]:
        """What it has told since the last call, and whether that was the end: it became the command, or died."""
        ended = False
        while True:
            try:
                data = os.read(self.report, 1 << 16)
            except BlockingIOError:
                break
            if not data:
                ended = True
                break
            self._partial += data
        if self.batch:
            return self._read(self.batch) if ended else [], ended
        *lines, self._partial = self._partial.split(b"\n")
        found = [stage.decoder.decode(line) for line in lines]
        for report in found:
            self._last_index = max(self._last_index, report.index)
            if report.errno:
                self.failure = report
        return found, ended

    def _read(self, batch: Batch) -> list[stage.Report]:
        """What the batch has done: all, or nothing that counts. Its first step and its last are not the plan's, nor
        does exec return."""
        times = batch.done()
        self._release()
        if len(times) != batch.steps - 2:
            return []
        self._last_index = len(self.operations) - 2
        first = len(self.operations) - len(times)
        return [
            stage.Report(index, at - before, remark=remark)
            for index, ((before, _), (at, remark)) in enumerate(itertools.pairwise(times), first)
        ]

    def let_go(self) -> None:
        """It runs, or never will."""
        for fd in self.given:
            os.close(fd)
        self.given.clear()

    def _release(self) -> None:
        """It shares no memory with the nursery any more."""
        if self.batch:
            self.batch.taken = False
            self.batch = None

    @property
    def completed(self) -> bool:
        """All was done up to exec. Only then does the report's end mean that exec succeeded: a kill ends it, too."""
        return self.failure is None and self._last_index == len(self.operations) - 2

    def go_on_as(self, pid: int) -> None:
        """``pid`` is the awaited successor. The predecessor is about to exit, and is reaped as a stray."""
        os.close(self.pidfd)
        # No race: it is our child, and as long as a successor is awaited no unknown child is reaped.
        self.pid, self.pidfd = pid, os.pidfd_open(pid)
        self.successor_awaited = False
        for number, group in self._held:
            self.kill(number, group)
        self._held.clear()

    def pass_on(self, number: int, group: bool = False) -> None:
        """As ``kill``, for whoever will be the command: one that forks just now would die, and its successor go on."""
        if self.successor_awaited:
            self._held.append((number, group))
        else:
            self.kill(number, group)

    def dead(self) -> bool:
        """It ended and waits to be reaped."""
        return os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def reap(self) -> Status:
        """Wait for its end and release its number."""
        found = os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED)
        os.close(self.pidfd)
        self.pidfd = -1
        self._release()
        assert found is not None
        killed = found.si_code in (os.CLD_KILLED, os.CLD_DUMPED)
        return Status(None if killed else found.si_status, found.si_status if killed else None)

    def nodename(self) -> str | None:
        """What its uts namespace is called: there for a moment and back; None when it can't be entered."""
        home = os.open("/proc/self/ns/uts", os.O_RDONLY | os.O_CLOEXEC)
        try:
            setns(self.pidfd, CLONE.NEWUTS)
        except SyscallError as refusal:
            return self._nodename_from_inside() if refusal.errno == errno.EPERM else None
        else:
            name = os.uname().nodename
            setns(home, CLONE.NEWUTS)
            return name
        finally:
            os.close(home)

    def _nodename_from_inside(self) -> str | None:
        """Without privileges the way leads through its user namespace, and no process comes back from there."""
        answer, answering = os.pipe2(os.O_CLOEXEC)
        child = os.fork()
        if child == 0:
            try:
                setns(self.pidfd, CLONE.NEWUSER | CLONE.NEWUTS)
                os.write(answering, os.fsencode(os.uname().nodename))
            finally:
                os._exit(0)
        os.close(answering)
        with open(answer, "rb") as told:
            name = told.read()
        os.waitpid(child, 0)
        return os.fsdecode(name) or None

    def kill(self, number: int = signal.SIGKILL, group: bool = False) -> None:
        """Send a signal, or send it to the process group that it leads; nothing happens when it is dead."""
        try:
            if group and os.getpgid(self.pid) == self.pid:  # a newborn does not lead its group yet
                os.killpg(self.pid, number)
            else:
                pidfd_send_signal(self.pidfd, number)
        except OSError as refusal:
            if refusal.errno != errno.ESRCH:
                raise RuntimeFailure(f"signal {number} can't be sent: {refusal}") from None
