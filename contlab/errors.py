"""The errors contlab shows to people, and the exit codes that go with them."""

from __future__ import annotations

from enum import IntEnum
from typing import Self


class ExitCode(IntEnum):
    """What a ``contlab`` command's exit status means; ``contlab --help`` prints this list.

    ``contlab spawn`` is the exception: there the command's own status is passed on, and contlab's own
    failures use 125, 126 and 127 as ``docker run`` and ``env`` do.
    """

    meaning: str
    """For people, one line."""

    def __new__(cls, value: int, meaning: str = "") -> Self:
        """Both halves of a member below, as in ``http.HTTPStatus``."""
        code = int.__new__(cls, value)
        code._value_ = value
        code.meaning = meaning
        return code

    OK = 0, "done"
    EXPECT_FAILED = 1, "a lesson's expect did not hold"
    USAGE = 2, "the command line was wrong"
    LESSON = 65, "a lesson or spec has a mistake"  # EX_DATAERR of sysexits.h
    TRACE = 66, "a recording can't be read to its end"  # EX_NOINPUT
    UNAVAILABLE = 69, "this host lacks something that was asked for"  # EX_UNAVAILABLE
    SOFTWARE = 70, "a mistake of contlab's own; a report was written"  # EX_SOFTWARE
    ROOTFS = 72, "a root filesystem could not be built"  # EX_OSFILE
    CGROUP = 73, "the cgroup could not be made or written"  # EX_CANTCREAT
    NOTE = 76, "a note was refused and is as it was"  # EX_PROTOCOL
    NOT_PERMITTED = 77, "this user may not do that"  # EX_NOPERM
    RUNTIME = 125, "the container could not be started"
    NOT_EXECUTABLE = 126, "the command was found in the container but could not be executed"
    NOT_FOUND = 127, "the command was not found in the container"
    INTERRUPTED = 130, "Ctrl-C"  # 128 + SIGINT
    BROKEN_PIPE = 141, "whoever read the output went away"  # 128 + SIGPIPE


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
