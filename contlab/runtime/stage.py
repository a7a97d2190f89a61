"""The stage: what the newborn child does until it is the command. Nothing here returns to its caller.

It waits for the supervisor's word, runs the plan's inner half, reports each operation over a pipe, and execs. The
pipe closes by itself at exec (FD_CLOEXEC): end of file is the sign of success.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import signal
import time
from collections.abc import Sequence
from typing import NoReturn

import msgspec

from contlab.linux import syscalls
from contlab.linux.flags import CLONE, NAMESPACE_FLAGS, PR
from contlab.runtime.kernel import Linux
from contlab.runtime.operation import JoinCgroup, Operation

FAILED = 125
"""The stage's own exit status when it could not become the command."""


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


class Pipes(msgspec.Struct, frozen=True):
    """The stage's descriptors."""

    go: int
    """Read end: one byte when the supervisor has done its half; end of file when it is dead."""
    report: int
    """Write end."""
    stdio: tuple[int, int, int]
    further: tuple[int, ...] = ()
    """What the command is to keep beside them."""


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


def run(first: int, operations: Sequence[Operation], pipes: Pipes, keep: Sequence[int] = ()) -> NoReturn:
    """Become a container's first process. ``first``: the place of ``operations[0]`` in the plan; ``keep``: the numbers
    of ``pipes.further`` in the command."""
    try:
        _settle("contlab:stage", pipes)
        pipes = _number(pipes, keep)
        if os.geteuid() == 0:  # a plain user could no longer write to /proc/self/timens_offsets
            _hide()
        _perform(first, operations, pipes.report)
    except BaseException as error:
        _send(pipes.report, [_broken(error)])
    finally:
        os._exit(FAILED)


def join(
    pid: int, kinds: Sequence[str], chroot: bool, cgroups: Sequence[str], operations: Sequence[Operation], pipes: Pipes
) -> NoReturn:
    """Become a further process of the container whose first process is ``pid``.

    ``kinds``: the namespaces to enter; ``chroot``: take over its root directory, too, which setns(2) does not when
    that was set by chroot(2); ``cgroups``: the directories of its v1 cgroups.
    """
    try:
        _settle("contlab:join", pipes)
        _hide()
        for directory in cgroups:
            JoinCgroup(directory, "").run(Linux())
        _enter(pid, kinds, chroot, pipes)
        _perform(0, operations, pipes.report)
    except BaseException as error:
        _send(pipes.report, [_broken(error)])
    finally:
        os._exit(FAILED)


def _broken(error: BaseException) -> Report:
    """Nothing may be swallowed here, where no traceback is seen."""
    number = error.errno if isinstance(error, OSError) and error.errno else errno.EINVAL
    return Report(-1, 0.0, number, f"{type(error).__name__}: {error}")


def _enter(pid: int, kinds: Sequence[str], chroot: bool, pipes: Pipes) -> None:
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
            _send(pipes.report, [Report(-1, pid=child)])
            os._exit(0)
        # Not before the other is gone: it holds the report pipe, too, whose end of file is to mean our exec.
        os.close(held)
        os.read(over, 1)
        os.close(over)
        os.setsid()
        _tie(pipes.report)


def _settle(name: str, pipes: Pipes) -> None:
    """From a fork of the supervisor to a process that could be anyone's."""
    syscalls.set_name(name)
    os.setsid()
    _tie(pipes.report)
    if not os.read(pipes.go, 1):
        os._exit(FAILED)
    for number, fd in enumerate(pipes.stdio):
        os.dup2(fd, number)


def _hide() -> None:
    """Until execve(2), nobody without CAP_SYS_PTRACE on the host may look at this process: through /proc/PID/exe those
    inside could write to the host's interpreter (CVE-2019-5736, of runc)."""
    syscalls.prctl(PR.SET_DUMPABLE, 0)


def _number(pipes: Pipes, keep: Sequence[int]) -> Pipes:
    """Give the further descriptors the numbers that the command knows; what has such a number now makes way."""
    if not keep:
        return pipes
    above = max(keep) + 1
    report, *further = (fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, above) for fd in (pipes.report, *pipes.further))
    os.close(pipes.report)
    for number, fd in zip(keep, further, strict=True):
        os.dup2(fd, number)
    return msgspec.structs.replace(pipes, report=report)


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
    data = b"".join(_encoder.encode(one) + b"\n" for one in reports)
    while data:
        data = data[os.write(report, data) :]
