"""What stopped a container, in words and as an exit code."""

from __future__ import annotations

import errno
import signal

import msgspec
import pytest

from contlab.errors import CgroupError, ContlabError, ExitCode
from contlab.linux.errno import SyscallError
from contlab.runtime import protocol
from contlab.runtime.failure import failure, in_words, never_ran
from contlab.runtime.operation import Execute, JoinCgroup, MakeCgroup, Mount, Operation, SetLimit
from contlab.runtime.process import Process, Status
from contlab.runtime.stage import Report

LS = Execute(("ls",), ())


@pytest.mark.parametrize(
    ("operation", "number", "code"),
    [
        (LS, errno.ENOENT, ExitCode.NOT_FOUND),
        (LS, errno.EACCES, ExitCode.NOT_EXECUTABLE),
        (LS, errno.ENOEXEC, ExitCode.NOT_EXECUTABLE),
        (MakeCgroup("/cg", "v2"), errno.EROFS, ExitCode.CGROUP),
        (SetLimit("/cg/pids.max", "1"), errno.EINVAL, ExitCode.CGROUP),
        (JoinCgroup("/cg", "pids"), errno.EBUSY, ExitCode.CGROUP),
        (Mount("proc", "/proc"), errno.ENOENT, ExitCode.RUNTIME),
        (None, errno.ESRCH, ExitCode.RUNTIME),
    ],
)
def test_the_exit_code_says_what_kind_of_operation_failed(
    operation: Operation | None, number: int, code: ExitCode
) -> None:
    error = failure(Report(3, 1.0, number, "because"), operation)

    assert code == error.exit_code
    assert error.message.endswith("because")
    assert error.hint


@pytest.mark.parametrize(("uid", "code"), [(0, ExitCode.RUNTIME), (1000, ExitCode.NOT_PERMITTED)])
def test_a_refusal_of_permission_is_the_user_s_unless_it_is_root(
    uid: int, code: ExitCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.getuid", lambda: uid)

    assert code == failure(Report(0, 0.0, errno.EPERM, "because"), Mount("proc", "/proc")).exit_code


def process(*reports: Report) -> Process:
    child = Process("box", (Mount("proc", "/proc"), LS), 0.0, None)
    child.failure = next(iter(reports), None)
    return child


def test_a_process_that_was_refused_something_never_ran_for_that_reason() -> None:
    error = never_ran(process(Report(1, 0.0, errno.ENOENT, "because")), Status(125, None), by_oom=False)

    assert "the command ls can't be run: because" == error.message


def test_a_process_killed_before_its_command_ran_names_the_killer() -> None:
    assert "SIGTERM" in never_ran(process(), Status(None, signal.SIGTERM), by_oom=False).message
    assert "OOM killer" in never_ran(process(), Status(None, signal.SIGKILL), by_oom=True).message
    assert "ended before" in never_ran(process(), Status(125, None), by_oom=False).message


def test_any_error_of_a_request_becomes_one_for_people() -> None:
    own = CgroupError("a", "b")
    with pytest.raises(msgspec.DecodeError) as malformed:
        protocol.decode(b"{")

    assert own is in_words(own)
    assert "does not understand" in in_words(malformed.value).message
    assert "open('/x'): ENOENT" in in_words(SyscallError("open", errno.ENOENT, "/x")).message
    assert ExitCode.SOFTWARE == in_words(KeyError("x")).exit_code
    assert isinstance(in_words(KeyError("x")), ContlabError)
