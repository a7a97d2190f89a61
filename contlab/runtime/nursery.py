"""The nursery: a process that does nothing but fork, so that the supervisor need not (a fork server).

::

    supervisor                          nursery                     stage
      │  flags, orders' and report's ends ──▶│
      │      (+ a cgroup's directory)        │ clone3(CLONE_PARENT) ──▶│ waits
      │◀── Born + pidfd ─────────────────────│                         │
      │  orders + the command's descriptors ──────────────────────────▶│ carries them out

After a fork, each page that either side writes to is a page fault and a copy, reference counts included: for Python
some hundred of them, which cost more than all system calls of a plan. The nursery writes to little, the supervisor
forks no more, and a stage that is born before it is needed has its share behind it (``spare``). With CLONE_PARENT the
newborn is the supervisor's own child, to reap and to die with.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import os
import select
import signal
import socket
import time
from dataclasses import dataclass

import msgspec

from contlab.errors import RuntimeFailure
from contlab.linux import syscalls
from contlab.linux.errno import SyscallError
from contlab.linux.flags import CLONE, PR
from contlab.runtime import stage
from contlab.runtime.loop import ignore_for_oneself
from contlab.runtime.operation import FilterSyscalls

_SEQPACKET = socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC


class Birth(msgspec.Struct, frozen=True, array_like=True):
    """What came of it: a number and the µs of clone3, or why the kernel refused (errno(3))."""

    pid: int
    microseconds: float
    errno: int = 0


@dataclass(frozen=True, slots=True)
class Newborn:
    """A stage that waits for its orders, as the supervisor sees it."""

    pid: int
    pidfd: int
    report: int
    """Reading end of the pipe that it reports over; never blocks."""
    orders: socket.socket
    microseconds: float
    """That its clone took."""

    @property
    def alive(self) -> bool:
        """Nobody has killed it meanwhile."""
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return not poll.poll(0)

    def dismiss(self) -> None:
        """It is not needed."""
        self.orders.close()
        os.close(self.report)
        with contextlib.suppress(SyscallError, ChildProcessError):
            syscalls.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            os.waitid(os.P_PIDFD, self.pidfd, os.WEXITED)
        os.close(self.pidfd)


_encoder = msgspec.msgpack.Encoder()
_wishes: msgspec.msgpack.Decoder[int] = msgspec.msgpack.Decoder(int)
_births: msgspec.msgpack.Decoder[Birth] = msgspec.msgpack.Decoder(Birth)


class Nursery:
    """The supervisor's end. The process is forked at once, from a supervisor that has only begun, and again when
    somebody killed it."""

    def __init__(self) -> None:
        self._socket, self._pidfd = _fork()

    def bear(self, flags: CLONE, cgroup: str = "") -> Newborn:
        """One stage with namespaces of its own, born in the v2 cgroup ``cgroup``. SyscallError when refused."""
        try:
            return self._bear(flags, cgroup)
        except (ConnectionError, EOFError):
            self.close()
            self._socket, self._pidfd = _fork()
        try:
            return self._bear(flags, cgroup)
        except (ConnectionError, EOFError):
            raise RuntimeFailure("the process that forks was killed, and killed again", "Start again.") from None

    def close(self) -> None:
        """End it."""
        self._socket.close()
        with contextlib.suppress(ChildProcessError):  # it was killed, and reaped as a stray
            os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)
        os.close(self._pidfd)

    def _bear(self, flags: CLONE, cgroup: str) -> Newborn:
        orders, theirs = socket.socketpair(socket.AF_UNIX, _SEQPACKET)
        orders.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * stage.LARGEST)
        report, reporting = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(reporting, True)
        given = [theirs.fileno(), reporting]
        try:
            if cgroup:
                given.append(os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
            socket.send_fds(self._socket, [_encoder.encode(int(flags))], given)
            message, fds, _, _ = socket.recv_fds(self._socket, 1 << 12, 1)
            if not message:
                raise EOFError
            birth = _births.decode(message)
            if birth.errno:
                raise SyscallError("clone3", birth.errno, flags)
        except BaseException:
            orders.close()
            os.close(report)
            raise
        finally:
            theirs.close()
            for fd in given[1:]:
                os.close(fd)
        os.set_inheritable(fds[0], False)
        return Newborn(birth.pid, fds[0], report, orders, birth.microseconds)


def _fork() -> tuple[socket.socket, int]:
    """Its socket and its pidfd."""
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
                _serve(theirs)
        finally:
            os._exit(stage.FAILED)
    theirs.close()
    return ours, os.pidfd_open(pid)


def _serve(wishes: socket.socket) -> None:
    """Until the supervisor is gone."""
    FilterSyscalls().prepare()  # for all that are born
    admin = os.geteuid() == 0
    while True:
        message, fds, _, _ = socket.recv_fds(wishes, 1 << 12, 3)
        if not message:
            return
        flags = CLONE(_wishes.decode(message))
        begun = time.perf_counter_ns()
        pidfd = -1
        try:
            cgroup = fds[2] if len(fds) == 3 else None
            pid, pidfd = syscalls.clone3(flags | CLONE.PARENT | CLONE.CLEAR_SIGHAND, cgroup)
            if pid == 0:
                stage.wait(fds[0], fds[1], admin)
            birth = Birth(pid, (time.perf_counter_ns() - begun) / 1000)
        except SyscallError as refusal:
            birth = Birth(0, 0.0, refusal.errno or errno.EINVAL)
        for fd in fds:
            os.close(fd)
        socket.send_fds(wishes, [_encoder.encode(birth)], [] if pidfd == -1 else [pidfd])
        if pidfd != -1:
            os.close(pidfd)
