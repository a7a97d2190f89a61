"""What went wrong, in words for people and with the exit code that goes with it."""

from __future__ import annotations

import errno
import os
import signal

import msgspec

from contlab.errors import ContlabError, ExitCode, RuntimeFailure
from contlab.runtime import stage
from contlab.runtime.operation import Execute, Operation
from contlab.runtime.process import Process, Status


def failure(report: stage.Report, operation: Operation | None) -> ContlabError:
    """What stopped a plan, for people, with the exit code that env(1) and docker run would give.

    ``operation``: the one that failed; None when it was the way into a running container.
    """
    if isinstance(operation, Execute):
        missing = report.errno == errno.ENOENT
        return ContlabError(
            f"the command {operation.argv[0]} can't be run: {report.error}",
            "See which commands the container has: contlab spawn -- ls /bin",
            exit_code=ExitCode.NOT_FOUND if missing else ExitCode.NOT_EXECUTABLE,
        )
    what = operation.describe() if operation else "run a command in the container"
    code = ExitCode.RUNTIME
    if operation and operation.__module__.endswith(".cgroups"):
        code = ExitCode.CGROUP
    elif report.errno in (errno.EPERM, errno.EACCES) and os.getuid():
        code = ExitCode.NOT_PERMITTED
    return ContlabError(f"could not {what}: {report.error}", "Run `contlab doctor` to see why.", exit_code=code)


def never_ran(process: Process, status: Status, by_oom: bool) -> ContlabError:
    """Why a process ended before its command ran."""
    if (report := process.failure) is not None:
        return failure(report, process.operations[report.index] if report.index >= 0 else None)
    if by_oom:
        return ContlabError(
            "the OOM killer took the process before its command ran",
            "Give it more memory: 8M is enough for a shell.",
            exit_code=ExitCode.RUNTIME,
        )
    how = f"was killed by {signal.Signals(status.signal).name}" if status.signal else "ended"
    return RuntimeFailure(f"the process {how} before its command ran", "Start it again.")


def in_words(error: Exception) -> ContlabError:
    """Whatever stopped a request, as a ContlabError."""
    match error:
        case ContlabError():
            return error
        case msgspec.MsgspecError():
            return RuntimeFailure(f"the supervisor does not understand a request: {error}")
        case OSError():
            return RuntimeFailure(f"the supervisor was refused: {error}", "Run `contlab doctor` to see why.")
        case _:
            return ContlabError(f"the supervisor made a mistake: {type(error).__name__}: {error}", "Please report it.")
