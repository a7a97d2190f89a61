"""The errors contlab shows to people, and the exit codes that go with them."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a ``contlab`` command's exit status means.

    ``contlab spawn`` is the exception: there the command's own status is passed on, and contlab's own
    failures use 125, 126 and 127 as ``docker run`` and ``env`` do.
    """

    OK = 0
    EXPECT_FAILED = 1
    """A lesson's ``expect`` did not hold."""
    USAGE = 2
    """The command line was wrong (click's own code)."""
    LESSON = 65
    """A lesson or spec has a mistake (EX_DATAERR)."""
    TRACE = 66
    """A recording can't be read to its end (EX_NOINPUT)."""
    UNAVAILABLE = 69
    """This host lacks something that was asked for (EX_UNAVAILABLE)."""
    SOFTWARE = 70
    """A mistake of contlab's own (EX_SOFTWARE)."""
    ROOTFS = 72
    """A root filesystem could not be built: a host tool is missing (EX_OSFILE)."""
    CGROUP = 73
    """The cgroup could not be made or written (EX_CANTCREAT)."""
    NOT_PERMITTED = 77
    """This user may not do that (EX_NOPERM)."""
    RUNTIME = 125
    """The container could not be started; the operation that failed is named."""
    NOT_EXECUTABLE = 126
    """The command was found in the container but could not be executed."""
    NOT_FOUND = 127
    """The command was not found in the container."""
    INTERRUPTED = 130
    """Ctrl-C (128 + SIGINT)."""


class ContlabError(Exception):
    """Something a person has to know: what happened and why, and the command or act that mends it."""

    exit_code: ExitCode = ExitCode.SOFTWARE

    def __init__(self, message: str, hint: str = "", *, exit_code: ExitCode | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        if exit_code is not None:
            self.exit_code = exit_code

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class LessonError(ContlabError):
    """A lesson file has a mistake."""

    exit_code = ExitCode.LESSON


class TraceError(ContlabError):
    """A recording is damaged or of another format."""

    exit_code = ExitCode.TRACE


class UnavailableError(ContlabError):
    """The host lacks a capability, a controller or a tool."""

    exit_code = ExitCode.UNAVAILABLE


class RootfsError(ContlabError):
    """A root filesystem could not be built."""

    exit_code = ExitCode.ROOTFS


class CgroupError(ContlabError):
    """A cgroup could not be made, written or read back."""

    exit_code = ExitCode.CGROUP


class NotPermittedError(ContlabError):
    """The user may not do what was asked."""

    exit_code = ExitCode.NOT_PERMITTED


class RuntimeFailure(ContlabError):
    """A container's plan stopped at an operation, or the supervisor is gone."""

    exit_code = ExitCode.RUNTIME
