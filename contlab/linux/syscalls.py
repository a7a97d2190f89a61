"""Calls into the kernel that Python's os module lacks: one thin function each, SyscallError when refused.

libc's wrapper where there is one; ``syscall`` with the number of x86_64 or aarch64 where there is none.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
from collections.abc import Iterable

from contlab.linux.errno import SyscallError
from contlab.linux.flags import CAP, CLONE, MNT, MS, PR

# syscalls(2) numbers; those added since Linux 5.1 are the same on every architecture.
_NUMBERS = {
    "x86_64": {"futex": 202, "pivot_root": 155, "capget": 125, "capset": 126},
    "aarch64": {"futex": 98, "pivot_root": 41, "capget": 90, "capset": 91},
}
_COMMON = {"pidfd_send_signal": 424, "pidfd_open": 434, "clone3": 435}

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mount.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p)
_libc.umount2.argtypes = (ctypes.c_char_p, ctypes.c_int)
_libc.sethostname.argtypes = (ctypes.c_char_p, ctypes.c_size_t)
_libc.setns.argtypes = (ctypes.c_int, ctypes.c_int)
_libc.unshare.argtypes = (ctypes.c_int,)
_libc.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
_libc.prctl.argtypes = (ctypes.c_int, *(ctypes.c_ulong,) * 4)
_libc.syscall.restype = ctypes.c_long

# PyDLL keeps the GIL across the call: after clone3 the child holds it, as it does after os.fork().
_libc_gil = ctypes.PyDLL(None, use_errno=True)
_libc_gil.syscall.restype = ctypes.c_long


def _number(call: str) -> int:
    machine = platform.machine()
    try:
        return _COMMON.get(call) or _NUMBERS[machine][call]
    except KeyError:
        raise SyscallError(call, 38, machine) from None  # ENOSYS


def _check(result: int, call: str, *arguments: object) -> int:
    if result < 0:
        raise SyscallError(call, ctypes.get_errno(), *arguments)
    return result


def mount(source: str, target: str, fs_type: str, flags: MS = MS(0), data: str = "") -> None:
    """mount(2)."""
    result = _libc.mount(
        os.fsencode(source), os.fsencode(target), fs_type.encode() or None, flags, os.fsencode(data) or None
    )
    _check(result, "mount", source, target, fs_type, flags, data)


def umount2(target: str, flags: MNT = MNT(0)) -> None:
    """umount2(2)."""
    _check(_libc.umount2(os.fsencode(target), flags), "umount2", target, flags)


def pivot_root(new_root: str, put_old: str) -> None:
    """pivot_root(2): ``new_root`` becomes the mount namespace's root, the old one moves to ``put_old``."""
    new, old = ctypes.c_char_p(os.fsencode(new_root)), ctypes.c_char_p(os.fsencode(put_old))
    _check(_libc.syscall(_number("pivot_root"), new, old), "pivot_root", new_root, put_old)


def unshare(flags: CLONE) -> None:
    """unshare(2)."""
    _check(_libc.unshare(flags), "unshare", flags)


def setns(fd: int, flags: CLONE = CLONE(0)) -> None:
    """setns(2): enter the namespace of ``fd``; with a pidfd (Linux 5.8), several kinds of that process at once."""
    _check(_libc.setns(fd, flags), "setns", fd, flags)


def sethostname(name: str) -> None:
    """sethostname(2)."""
    raw = name.encode()
    _check(_libc.sethostname(raw, len(raw)), "sethostname", name)


def prctl(operation: PR, argument: int = 0) -> int:
    """prctl(2), for operations that take one number."""
    return _check(_libc.prctl(operation, argument, 0, 0, 0), "prctl", operation.name, argument)


def set_name(name: str) -> None:
    """PR_SET_NAME: the task's comm, 15 bytes of it."""
    buffer = ctypes.create_string_buffer(name.encode()[:15])
    _check(_libc.prctl(PR.SET_NAME, ctypes.addressof(buffer), 0, 0, 0), "prctl", "SET_NAME", name)


class _sock_fprog(ctypes.Structure):
    """struct sock_fprog of <linux/filter.h>: how many instructions, and where."""

    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


def set_filter(program: bytes) -> None:
    """PR_SET_SECCOMP, SECCOMP_MODE_FILTER: ``program``, an array of struct sock_filter, judges all further calls."""
    instructions = ctypes.create_string_buffer(program, len(program))
    whole = _sock_fprog(len(program) // 8, ctypes.addressof(instructions))
    result = _libc.prctl(PR.SET_SECCOMP, 2, ctypes.addressof(whole), 0, 0)
    _check(result, "seccomp", f"{len(program) // 8} instructions")


class _clone_args(ctypes.Structure):
    """struct clone_args of <linux/sched.h>, version 2 (88 bytes)."""

    _fields_ = [
        (name, ctypes.c_uint64)
        for name in (
            "flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack", "stack_size", "tls",
            "set_tid", "set_tid_size", "cgroup",
        )
    ]  # fmt: skip


def clone_arguments(flags: CLONE, pidfd: ctypes.c_int, cgroup: int | None) -> _clone_args:
    """For clone3(2), with CLONE_PIDFD into ``pidfd``; ``cgroup`` as below."""
    return _clone_args(
        flags=flags | CLONE.PIDFD | (CLONE.INTO_CGROUP if cgroup is not None else 0),
        pidfd=ctypes.addressof(pidfd),
        exit_signal=0 if flags & CLONE.PARENT else signal.SIGCHLD,
        cgroup=cgroup or 0,
    )


def clone3(flags: CLONE, cgroup: int | None = None) -> tuple[int, int]:
    """clone3(2) as a fork: returns (pid, pidfd) to the parent, (0, -1) to the child.

    ``cgroup`` is a directory's descriptor in cgroup v2; the child is born there (CLONE_INTO_CGROUP), which spares
    it the migration. The caller must have a single thread. The pid counts in the caller's PID namespace.
    """
    number = _number("clone3")
    pidfd = ctypes.c_int(-1)
    arguments = clone_arguments(flags, pidfd, cgroup)
    # The interpreter's own bookkeeping around a fork, in the order of os.fork().
    ctypes.pythonapi.PyOS_BeforeFork()
    pid = _libc_gil.syscall(number, ctypes.byref(arguments), ctypes.c_size_t(ctypes.sizeof(arguments)))
    if pid == 0:
        ctypes.pythonapi.PyOS_AfterFork_Child()
        return 0, -1
    error = ctypes.get_errno()
    ctypes.pythonapi.PyOS_AfterFork_Parent()
    if pid < 0:
        raise SyscallError("clone3", error, flags)
    return pid, pidfd.value


def futex_wake(address: int) -> None:
    """futex(2): who waits for the word at ``address`` looks at it again; it may be another process's, too."""
    word = ctypes.c_void_p(address)
    _check(_libc.syscall(_number("futex"), word, 1, 1), "futex", "WAKE")


def getcpu() -> int:
    """sched_getcpu(3): the processor that this is running on, for now."""
    return _check(_libc.sched_getcpu(), "getcpu")


def mprotect(address: int, size: int, protection: int) -> None:
    """mprotect(2): PROT_READ, PROT_WRITE and PROT_EXEC, as mmap has them."""
    _check(_libc.mprotect(address, size, protection), "mprotect", size, protection)


def pidfd_open(pid: int) -> int:
    """pidfd_open(2): a descriptor that keeps meaning this process, whatever becomes of its number."""
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        raise SyscallError("pidfd_open", error.errno or 0, pid) from None


def pidfd_send_signal(pidfd: int, number: int) -> None:
    """pidfd_send_signal(2)."""
    try:
        signal.pidfd_send_signal(pidfd, number)
    except OSError as error:
        raise SyscallError("pidfd_send_signal", error.errno or 0, pidfd, number) from None


def lowered_rlimit(name: str, soft: int, hard: int) -> tuple[int, tuple[int, int]]:
    """RLIMIT_``name`` (lower case), and the two limits, but never upwards, which would take CAP_SYS_RESOURCE."""
    number: int = getattr(resource, f"RLIMIT_{name.upper()}")
    _, ceiling = resource.getrlimit(number)
    most = hard if ceiling == resource.RLIM_INFINITY else min(hard, ceiling)
    return number, (min(soft, most), most)


def lower_rlimit(name: str, soft: int, hard: int) -> None:
    """setrlimit(2) of ``lowered_rlimit``."""
    number, limits = lowered_rlimit(name, soft, hard)
    try:
        resource.setrlimit(number, limits)
    except OSError as error:
        raise SyscallError("setrlimit", error.errno or 0, name, soft, hard) from None


class _cap_header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _cap_data(ctypes.Structure):
    _fields_ = [("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32)]


_LINUX_CAPABILITY_VERSION_3 = 0x20080522
_PR_CAPBSET_DROP = int(PR.CAPBSET_DROP)


_CAPABILITIES = max(CAP) + 1


def bound_capabilities(kept: Iterable[CAP]) -> bool:
    """Give up all but ``kept``, of those that this thread has: out of the bounding set, too, so that execve(2) can't
    bring them back. False when that set is not ours to change (CAP_SETPCAP)."""
    have = permitted()
    mask = sum(1 << cap for cap in kept) & have
    may = bool(have >> CAP.CAP_SETPCAP & 1)
    for number in range(_CAPABILITIES) if may else ():
        # EINVAL: one newer than this kernel.
        if not mask >> number & 1 and _libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0) and ctypes.get_errno() != 22:
            _check(-1, "prctl", "CAPBSET_DROP", number)
    _capset(mask)
    return may


def _capset(mask: int) -> None:
    """capset(2): effective and permitted become ``mask``, inheritable empty."""
    data = (_cap_data * 2)(_cap_data(mask & 0xFFFF_FFFF, mask & 0xFFFF_FFFF, 0), _cap_data(mask >> 32, mask >> 32, 0))
    header = _cap_header(_LINUX_CAPABILITY_VERSION_3, 0)
    result = _libc.syscall(_number("capset"), ctypes.byref(header), ctypes.byref(data))
    _check(result, "capset", f"{mask:#x}")


def capget() -> frozenset[CAP]:
    """capget(2) for this thread: the permitted set."""
    mask = permitted()
    return frozenset(cap for cap in CAP if mask >> cap & 1)


def permitted() -> int:
    """As ``capget``, a bit for each."""
    data = (_cap_data * 2)()
    header = _cap_header(_LINUX_CAPABILITY_VERSION_3, 0)
    _check(_libc.syscall(_number("capget"), ctypes.byref(header), ctypes.byref(data)), "capget")
    return int(data[0].permitted | data[1].permitted << 32)
