"""The stage: what the newborn child does until it is the command. Nothing here returns to its caller.

It waits for the supervisor's orders, runs the plan's inner half, reports each operation over a pipe, and execs. The
pipe closes by itself at exec (FD_CLOEXEC): end of file is the sign of success.
"""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import pickle
import select
import signal
import socket
import time
from collections.abc import Sequence
from typing import NoReturn

import msgspec

from contlab.linux import syscalls
from contlab.linux.flags import CLONE, NAMESPACE_FLAGS, PR
from contlab.runtime.kernel import Linux
from contlab.runtime.operation import Operation
from contlab.runtime.protocol import MOST_DESCRIPTORS

FAILED = 125
"""The stage's own exit status when it could not become the command."""

LARGEST = 1 << 18
"""Bytes of the largest orders: a request's files and environment come along (``protocol.MESSAGE_SIZE``)."""

ABOVE = 1 << 20
"""Any descriptor (fs.nr_open)."""


class Report(msgspec.Struct, frozen=True, array_like=True):
    """One operation done, or refused, or (``pid`` set) the number of the process that goes on instead."""

    index: int
    microseconds: float = 0.0
    errno: int = 0
    error: str = ""
    remark: str = ""
    pid: int = 0


_encoder = msgspec.json.Encoder()
decoder: msgspec.json.Decoder[Report] = msgspec.json.Decoder(Report)


class Joining(msgspec.Struct, frozen=True):
    """For a further process: the container to go into."""

    pid: int
    """Its first process."""
    kinds: tuple[str, ...]
    """The namespaces to enter."""
    chroot: bool
    """Take over its root directory, too, which setns(2) does not when that was set by chroot(2)."""
    cgroups: tuple[str, ...]
    """Its v1 cgroups' directories."""


class Orders(msgspec.Struct, frozen=True):
    """What a stage does; the command's stdin, stdout and stderr come along with it, and what it is to keep besides."""

    first: int
    """The place of ``operations[0]`` in the plan."""
    operations: tuple[Operation, ...]
    keep: tuple[int, ...]
    """The numbers in the command of what it keeps."""
    joining: Joining | None = None


def timed(index: int, operation: Operation, kernel: Linux) -> Report:
    """Run one operation: how long it took, µs, and how it ended."""
    # Both perf_counter and CLOCK_MONOTONIC_RAW jump on the way into a time namespace; the wall clock does not.
    clock = time.time_ns if operation.shifts_clock else time.perf_counter_ns
    begun = clock()
    number, error, remark = 0, "", ""
    try:
        remark = operation.run(kernel) or ""
    except OSError as refusal:
        number, error = refusal.errno or errno.EIO, str(refusal)
    return Report(index, (clock() - begun) / 1000, number, error, remark)


def wait(orders: int, report: int, admin: bool) -> NoReturn:
    """Wait for ``Orders`` (a message; end of file when the supervisor is dead) and carry them out.

    ``admin``: it is root's on the host; its own uid says so of everyone, once its ids are mapped.
    """
    try:
        close_all_but(orders, report)
        for fd in (orders, report):
            os.set_inheritable(fd, False)
        syscalls.set_name("contlab:waits")
        os.setsid()
        _tie(report)
        if admin:  # else its own files in /proc would be root's: those that map its ids and set its clocks off
            hide()
        told = socket.socket(fileno=orders)
        message, given, _, _ = socket.recv_fds(told, LARGEST, MOST_DESCRIPTORS)
        todo = pickle.loads(message) if message else None
        if isinstance(todo, Orders):
            syscalls.set_name("contlab:stage")
            report = _number(given, todo.keep, report)
            if todo.joining is not None:
                hide()
                _enter(todo.joining, report)
            _perform(todo.first, todo.operations, report)
    except BaseException as error:
        _send(report, [_broken(error)])
    finally:
        os._exit(FAILED)


def close_all_but(*kept: int) -> None:
    """Of what was inherited, stdio aside."""
    for low, high in itertools.pairwise((2, *sorted(kept), ABOVE)):
        os.closerange(low + 1, high)


def _broken(error: BaseException) -> Report:
    """Nothing may be swallowed here, where no traceback is seen."""
    number = error.errno if isinstance(error, OSError) and error.errno else errno.EINVAL
    return Report(-1, 0.0, number, f"{type(error).__name__}: {error}")


def _enter(joining: Joining, report: int) -> None:
    pid, kinds, chroot = joining.pid, joining.kinds, joining.chroot
    for directory in joining.cgroups:
        Linux().write(f"{directory}/tasks", "0")
    root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY) if chroot else -1
    flags = CLONE(0)
    for kind in kinds:
        flags |= NAMESPACE_FLAGS[kind]
    if flags:
        target = syscalls.pidfd_open(pid)
        syscalls.setns(target, flags)
        os.close(target)
    if chroot:
        os.fchdir(root)
        os.chroot(".")
        os.close(root)
    if "user" in kinds:
        Linux().setids(0, 0)
    if "pid" in kinds:
        # setns(2) to a PID namespace holds for children only. CLONE_PARENT: the child is the supervisor's own, so
        # that it is the one who reaps it.
        over, held = os.pipe2(os.O_CLOEXEC)
        child, _ = syscalls.clone3(CLONE.PARENT)
        if child:
            _send(report, [Report(-1, pid=child)])
            os._exit(0)
        # Not before the other is gone: it holds the report pipe, too, whose end of file is to mean our exec.
        os.close(held)
        os.read(over, 1)
        os.close(over)
        os.setsid()
        _tie(report)


def hide() -> None:
    """Until execve(2), nobody without CAP_SYS_PTRACE on the host may look at this process: through /proc/PID/exe those
    inside could write to the host's interpreter (CVE-2019-5736, of runc)."""
    syscalls.prctl(PR.SET_DUMPABLE, 0)


def _number(given: Sequence[int], keep: Sequence[int], report: int) -> int:
    """Give what is given the numbers that the command knows; what has such a number now makes way: so ``report``."""
    if not keep:  # nothing given, nor ``report``, has such a number: Python keeps its stdin, stdout and stderr open
        for number, fd in enumerate(given):
            os.dup2(fd, number)
            os.close(fd)
        return report
    above = max((2, *keep)) + 1
    moved, *parked = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, above) for fd in (report, *given))
    for fd in (report, *given):
        os.close(fd)
    for number, fd in zip((0, 1, 2, *keep), parked, strict=True):
        os.dup2(fd, number)
    for fd in parked:
        os.close(fd)
    return moved


def _tie(report: int) -> None:
    """Die with the supervisor, also when it died a moment ago: then nobody reads the report any more."""
    syscalls.prctl(PR.SET_PDEATHSIG, signal.SIGKILL)
    poll = select.poll()
    poll.register(report, 0)
    if poll.poll(0):  # POLLERR: the reading end is closed
        os._exit(FAILED)


def _perform(first: int, operations: Sequence[Operation], report: int) -> None:
    kernel = Linux(os.getpid())
    done: list[Report] = []
    for index, operation in enumerate(operations, first):
        if operation is operations[-1]:
            _tie(report)  # a change of ids takes PR_SET_PDEATHSIG away
            _send(report, done)  # execve leaves no later moment
            done = []
        done.append(timed(index, operation, kernel))
        if done[-1].errno:
            break
    _send(report, done)


def _send(report: int, reports: Sequence[Report]) -> None:
    data = _encoder.encode_lines(reports)
    while data:
        data = data[os.write(report, data) :]
