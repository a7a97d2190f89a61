"""Refusals in a learner's words."""

from __future__ import annotations

import errno
import os

import pytest

from contlab.linux.errno import SyscallError, explain


def test_an_error_says_call_arguments_name_and_reason() -> None:
    error = SyscallError("mount", errno.EPERM, "proc", "/a b", 14)

    assert (
        "mount('proc', '/a b', 14): EPERM (Operation not permitted): "
        "mounting needs CAP_SYS_ADMIN in the user namespace that owns this mount namespace"
    ) == str(error)


def test_it_is_an_oserror_with_its_errno() -> None:
    error = SyscallError("open", errno.ENOENT, "/x")

    assert isinstance(error, OSError)
    assert (errno.ENOENT, os.strerror(errno.ENOENT)) == (error.errno, error.strerror)
    assert ("open", ("/x",)) == (error.call, error.arguments)


@pytest.mark.parametrize(
    ("call", "number", "words"),
    [
        ("pivot_root", errno.EBUSY, "mount point of its own"),
        ("pivot_root", errno.EINVAL, "shared"),
        ("clone3", errno.EAGAIN, "pids.max"),
        ("clone3", errno.ENOSYS, "seccomp"),
        ("clone3", errno.ENOSPC, "user.max_"),
        ("execve", errno.ENOENT, "interpreter"),
        ("execve", errno.ENOEXEC, "#!"),
        ("write", errno.EBUSY, "cgroup"),
        ("open", errno.ENOENT, "does not exist"),
        ("open", errno.ELOOP, "symbolic links"),
    ],
)
def test_the_reason_is_the_call_s_own_where_there_is_one(call: str, number: int, words: str) -> None:
    assert words in explain(call, number)


def test_an_errno_nobody_explained_has_the_system_s_text() -> None:
    assert os.strerror(errno.EXDEV) == explain("rename", errno.EXDEV)
    assert "Unknown error 9999" == explain("rename", 9999)
    assert "9999" in str(SyscallError("rename", 9999))
