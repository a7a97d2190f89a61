"""The nursery: a process that does nothing but bear children, so that the supervisor need not (a fork server).

::

    supervisor                          nursery                     child
      │  flags, a batch, its descriptors ───▶│
      │  (makes cgroups, writes the batch)   │ clone3(CLONE_VM) ──────▶│ waits
      │                                      │ uid_map, gid_map, go ──▶│
      │  go ───────────────────────────────────────────────────────────▶│ makes the batch's calls, the last is execve
      │◀── Birth + pidfd ────────────────────│                         │

A batch (``linux.batch``) is a list of system calls; its child shares the nursery's memory until execve, and nothing is
copied. It is the nursery's and not the supervisor's, for what the OOM killer takes in a cgroup that is too small, it
takes with all who share its memory. What no batch can do (``dictation``) is done by a stage: a child that is forked,
with a copy of the interpreter, and is sent orders over a socket of its own. With CLONE_PARENT each is the supervisor's
own child, to reap and to die with.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import signal
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec

from contlab.errors import RuntimeFailure
from contlab.linux import syscalls
from contlab.linux.arena import Arena
from contlab.linux.batch import Batch
from contlab.linux.errno import SyscallError
from contlab.linux.flags import CLONE, PR
from contlab.runtime import batches, stage
from contlab.runtime.kernel import Linux
from contlab.runtime.loop import ignore_for_oneself
from contlab.runtime.operation import FilterSyscalls

_SEQPACKET = socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC


class Birth(msgspec.Struct, array_like=True):
    """What came of it: a number and the µs of clone3, or why the kernel refused (errno(3)); and the same of its ids."""

    pid: int
    microseconds: float
    errno: int = 0
    mapped: stage.Report | None = None


@dataclass(frozen=True, slots=True)
class Newborn:
    """A stage that waits for its orders, as the supervisor sees it."""

    birth: Birth
    pidfd: int
    report: int
    """Reading end of the pipe that it reports over; never blocks."""
    orders: socket.socket | None
    """For a stage's."""
    batch: Batch | None = None
    """The calls that it makes; None: it waits for ``stage.Orders``."""

    def dismiss(self) -> None:
        """It is not needed."""
        if self.orders:
            self.orders.close()
        os.close(self.report)
        with contextlib.suppress(SyscallError, ChildProcessError):
            syscalls.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED)
        os.close(self.pidfd)
        if self.batch:
            self.batch.taken = False


_Wish = tuple[int, int, bool, tuple[tuple[str, str], ...]]
"""The flags; the address of the batch, or 0; whether a cgroup's directory comes along; the maps."""
_encoder = msgspec.msgpack.Encoder()
_wishes: msgspec.msgpack.Decoder[_Wish] = msgspec.msgpack.Decoder(_Wish)
_births: msgspec.msgpack.Decoder[Birth] = msgspec.msgpack.Decoder(Birth)


class Nursery:
    """The supervisor's end. The process is forked at once, from a supervisor that has only begun, and again when
    somebody killed it."""

    def __init__(self) -> None:
        try:
            self.arena: Arena | None = Arena()
        except SyscallError:  # SELinux's execmem, or another machine: then all is done by stages
            self.arena = None
        self._processors = os.sched_getaffinity(0)
        self._aside_of = -1
        """The processor that it does not run on."""
        self.socket, self._pid, self._pidfd = _fork(self.arena)

    def wish(
        self,
        flags: CLONE,
        cgroup: str = "",
        batch: Batch | None = None,
        stdio: Sequence[int] = (),
        maps: tuple[tuple[str, str], ...] = (),
    ) -> Wish:
        """One child with namespaces of its own, to be born in the v2 cgroup ``cgroup``, while the caller goes on.

        It is a stage, or, with a ``batch``, one that makes these calls, and stdin, stdout and stderr are ``stdio``.
        """  # fmt: skip
        self._step_aside()
        given = Given(int(flags), batch, cgroup, stdio, maps)
        try:
            return Wish(self, given)
        except ConnectionError:
            self.revive()
            return Wish(self, given)

    def revive(self) -> None:
        """Another process for the one that was killed."""
        self.close()
        self._aside_of = -1
        self.socket, self._pid, self._pidfd = _fork(self.arena)

    def _step_aside(self) -> None:
        """Let it run on another processor than the caller, who goes on. Left to itself the kernel takes one that sends
        to a socket for one that waits for the answer (WF_SYNC), and wakes the other in its place."""
        here = syscalls.getcpu()
        others = self._processors - {here}
        if here != self._aside_of and others:
            self._aside_of = here
            with contextlib.suppress(OSError):  # it was killed, or a cpuset has changed
                os.sched_setaffinity(self._pid, others)

    def close(self) -> None:
        """End it."""
        self.socket.close()
        with contextlib.suppress(ChildProcessError):  # it was killed, and reaped as a stray
            os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)
        os.close(self._pidfd)


class Given(NamedTuple):
    """What is to be born."""

    flags: int
    batch: Batch | None
    cgroup: str
    stdio: Sequence[int]
    maps: tuple[tuple[str, str], ...]
    """For a batch: files of its directory in /proc, and what is to be written into them."""


class Wish:
    """One that is being born."""

    def __init__(self, nursery: Nursery, given: Given) -> None:
        self._nursery = nursery
        self._given = given
        self._report, reporting = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._orders: socket.socket | None = None
        self._answered = False
        opened = [reporting]
        try:
            os.set_blocking(reporting, True)
            if given.cgroup:
                opened.append(os.open(given.cgroup, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            if given.batch:
                address, more = given.batch.address, given.stdio
            else:
                self._orders, theirs = socket.socketpair(socket.AF_UNIX, _SEQPACKET)
                self._orders.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * stage.LARGEST)
                opened.append(theirs.detach())
                address, more = 0, ()
            message = _encoder.encode((given.flags, address, bool(given.cgroup), given.maps))
            socket.send_fds(nursery.socket, [message], [*opened, *more])
        except BaseException:
            self._forget()
            raise
        finally:
            for fd in opened:
                os.close(fd)

    def newborn(self) -> Newborn:
        """It is born; SyscallError when that was refused, RuntimeFailure when who should do it is killed each time, or
        when this was asked before."""
        if self._answered:
            raise RuntimeFailure("nobody is being born", "Start again.")
        self._answered = True
        try:
            return self._answer()
        except (ConnectionError, EOFError):
            self._nursery.revive()
        # The batch is lost: there may be one that was born, of whom nobody could tell. It ends before execve, as nobody
        # reads its report.
        try:
            return Wish(self._nursery, self._given._replace(batch=None, maps=()))._answer()
        except (ConnectionError, EOFError):
            raise RuntimeFailure("the process that forks was killed, and killed again", "Start again.") from None

    def _answer(self) -> Newborn:
        try:
            message, fds, _, _ = socket.recv_fds(self._nursery.socket, 1 << 12, 1)
            if not message:
                raise EOFError
            birth = _births.decode(message)
            if birth.errno:
                if self._given.batch:
                    self._given.batch.taken = False
                raise SyscallError("clone3", birth.errno, CLONE(self._given.flags))
        except BaseException:
            self._forget()
            raise
        os.set_inheritable(fds[0], False)
        return Newborn(birth, fds[0], self._report, self._orders, self._given.batch)

    def _forget(self) -> None:
        if self._orders:
            self._orders.close()
        os.close(self._report)


def _fork(arena: Arena | None) -> tuple[socket.socket, int, int]:
    """Its socket, its number and its pidfd."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, _SEQPACKET)
    parent = os.getpid()
    if (pid := os.fork()) == 0:
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGCHLD, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)
            ignore_for_oneself()  # clone3 with CLONE_CLEAR_SIGHAND takes that back
            syscalls.set_name("contlab:nursery")
            syscalls.prctl(PR.SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() == parent:
                stage.close_all_but(theirs.fileno())
                gc.disable()
                _serve(theirs, arena)
        finally:
            os._exit(stage.FAILED)
    theirs.close()
    return ours, pid, os.pidfd_open(pid)


def _serve(wishes: socket.socket, arena: Arena | None) -> None:
    """Until the supervisor is gone."""
    FilterSyscalls().prepare()  # for all that are born
    admin, processors = os.geteuid() == 0, os.sched_getaffinity(0)
    if admin:
        stage.hide()  # and with it who shares its memory
    while True:
        message, fds, _, _ = socket.recv_fds(wishes, 1 << 12, 6)
        if not message:
            return
        for fd in fds:
            os.set_inheritable(fd, False)  # recv_fds drops MSG_CMSG_CLOEXEC
        number, address, in_cgroup, maps = _wishes.decode(message)
        flags = CLONE(number) | CLONE.PARENT | CLONE.CLEAR_SIGHAND
        begun = time.perf_counter_ns()
        pidfd = -1
        try:
            cgroup = fds[1] if in_cgroup else None
            batch = arena.at(address) if arena and address else None
            if arena and batch:
                batches.give(batch, fds[0], fds[-3:])
                pid, pidfd = arena.bear(batch.first, flags, cgroup)
            else:
                pid, pidfd = syscalls.clone3(flags, cgroup)
                if pid == 0:
                    os.sched_setaffinity(0, processors)
                    stage.wait(fds[-1], fds[0], admin)
            birth = Birth(pid, (time.perf_counter_ns() - begun) / 1000)
            if batch and maps:
                birth.mapped = _map(pid, maps)
                if not birth.mapped.errno:
                    batch.go(batches.MAPPED)
        except SyscallError as refusal:
            birth = Birth(0, 0.0, refusal.errno or errno.EINVAL)
        for fd in fds:
            os.close(fd)
        socket.send_fds(wishes, [_encoder.encode(birth)], [] if pidfd == -1 else [pidfd])
        if pidfd != -1:
            os.close(pidfd)


def _map(pid: int, maps: Sequence[tuple[str, str]]) -> stage.Report:
    """Refused: it waits until it is killed."""
    begun = time.perf_counter_ns()
    try:
        for file, text in maps:
            Linux().write(f"/proc/{pid}/{file}", text)
    except SyscallError as refusal:
        return stage.Report(0, 0.0, refusal.errno or errno.EINVAL, str(refusal))
    return stage.Report(0, (time.perf_counter_ns() - begun) / 1000)
