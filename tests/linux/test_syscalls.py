"""The calls as anyone may make them: what is refused is refused as SyscallError, with everything it needs to say."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import signal
import subprocess
import sys

import pytest

from contlab.linux import syscalls
from contlab.linux.errno import SyscallError
from contlab.linux.flags import CLONE, MNT, MS, PR


@pytest.mark.parametrize(
    ("call", "arguments", "number"),
    [
        (syscalls.mount, ("x", "/nowhere/at/all", "tmpfs"), {errno.ENOENT, errno.EPERM}),
        (syscalls.umount2, ("/nowhere/at/all", MNT.DETACH), {errno.ENOENT, errno.EPERM}),
        (syscalls.pivot_root, ("/nowhere/at/all", "/"), {errno.ENOENT, errno.EPERM}),
        (syscalls.setns, (-1,), {errno.EBADF}),
        (syscalls.unshare, (CLONE(1),), {errno.EINVAL}),
        (syscalls.pidfd_send_signal, (-1, signal.SIGTERM), {errno.EBADF}),
        (syscalls.prctl, (PR.SET_PDEATHSIG, 9999), {errno.EINVAL}),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_refusal_names_the_call_and_the_errno(call, arguments: tuple[object, ...], number: set[int]) -> None:
    with pytest.raises(SyscallError) as refusal:
        call(*arguments)

    assert refusal.value.errno in number
    assert call.__name__ == refusal.value.call


def test_a_process_that_is_gone_has_no_pidfd() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()

    with pytest.raises(SyscallError) as refusal:
        syscalls.pidfd_open(process.pid)
    assert errno.ESRCH == refusal.value.errno


def test_paths_are_bytes_to_the_kernel_whatever_they_hold() -> None:
    with pytest.raises(SyscallError) as refusal:
        syscalls.umount2(os.fsdecode(b"/no\xff\nwhere"))

    assert refusal.value.errno in (errno.ENOENT, errno.EPERM)


def test_clone_args_are_version_2_of_the_kernel_s_struct() -> None:
    assert 88 == ctypes.sizeof(syscalls._clone_args)
    assert 80 == syscalls._clone_args.cgroup.offset


@pytest.mark.parametrize(("machine", "number"), [("x86_64", 155), ("aarch64", 41)])
def test_numbers_are_the_machine_s(machine: str, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)

    assert number == syscalls._number("pivot_root")
    assert 435 == syscalls._number("clone3")


def test_a_machine_whose_numbers_are_unknown_is_refused_and_not_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")

    with pytest.raises(SyscallError) as refusal:
        syscalls._number("capset")
    assert errno.ENOSYS == refusal.value.errno


def test_the_permitted_capabilities_are_those_that_proc_shows() -> None:
    with open("/proc/thread-self/status") as file:
        (line,) = (line for line in file if line.startswith("CapPrm:"))

    shown = int(line.split()[1], 16)
    assert shown & (1 << 41) - 1 == sum(1 << cap for cap in syscalls.capget())


def test_flags_keep_their_type_so_that_an_error_can_name_them() -> None:
    with pytest.raises(SyscallError) as refusal:
        syscalls.mount("", "/nowhere/at/all", "", MS.BIND | MS.REC)

    assert MS.BIND | MS.REC in refusal.value.arguments


@pytest.mark.parametrize(
    ("before", "asked", "after"),
    [
        ("(500, 900)", "50, 90", "(50, 90)"),
        ("(500, 900)", "600, 1000", "(600, 900)"),
        ("(500, 900)", "1000, 2000", "(900, 900)"),
    ],
)
def test_a_resource_limit_goes_down_and_never_up(before: str, asked: str, after: str) -> None:
    script = (
        "import resource; from contlab.linux import syscalls; "
        f"resource.setrlimit(resource.RLIMIT_NOFILE, {before}); syscalls.lower_rlimit('nofile', {asked}); "
        "print(resource.getrlimit(resource.RLIMIT_NOFILE))"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert after == done.stdout.strip()
