"""Dictation: operations are run on it as on a kernel, and it writes down the calls instead of making them (``batch``).

Whatever an operation asks, it answers as it will be once all before is done; where it can't know, the operation is one
for the stage (``Undictated``). So is a plan of which the kernel refuses a call: there may be another way to go, and
only the stage goes it.
"""

from __future__ import annotations

import errno
import os
import platform
import re
import struct
from collections.abc import Iterable

from contlab.linux import seccomp, syscalls
from contlab.linux.batch import Calls, Words
from contlab.linux.flags import CAP, CLONE, MNT, MS, PR
from contlab.runtime.kernel import Linux

_AT_FDCWD = -100
_EVERY = (1 << max(CAP) + 1) - 1
_KEPT = MS.NOSUID | MS.NODEV | MS.NOEXEC | MS.RDONLY
"""The flags of a mount that a remount has to repeat; how it keeps times, it keeps by itself."""
_EXEC_ENTERS_TIME = (6, 2)
"""Since this Linux execve(2), which gives a process memory of its own, enters the time namespace that it unshared
(fs/exec.c, "switch timens when a task gets a new mm")."""

_TMPFS_KEEPS = (6, 6)
"""Since this Linux tmpfs keeps user.* attributes, if it was built to (CONFIG_TMPFS_XATTR)."""


class Undictated(Exception):
    """Nobody can know before it is done."""


class Dictation:
    """A ``runtime.kernel.Kernel`` for one plan, that has a mount namespace of its own and the root ``new_root``."""

    pid = 0

    def __init__(self, tree: str, new_root: str, own_user: bool) -> None:
        """``tree``: the directory that ``new_root`` will look like. ``own_user``: with a user namespace of its own."""
        self._tree = tree
        self._root = new_root
        self._own_user = own_user
        self._calls = Calls()
        self._mounts: dict[str, MS | str] = {}
        """Mount point -> its flags, or what is bound there and has the same."""
        self._made: set[str] = set()

    def take(self, first: Calls | None = None) -> Calls:
        """What was asked for since the last time, ``first`` before it."""
        calls, self._calls = self._calls, Calls()
        if first:
            calls.calls[:0] = first.calls  # none of these wants another's result
        return calls

    # --- mounts -----------------------------------------------------------------------------------------------------

    def mount(self, source: str, target: str, fs_type: str, flags: MS = MS(0), data: str = "") -> None:
        self._calls.add("mount", _text(source), _text(target), _text(fs_type) if fs_type else 0, int(flags),
                        _text(data) if data else 0)  # fmt: skip
        if not flags & (MS.REMOUNT | MS.PRIVATE):
            self._mounts[target] = source if flags & MS.BIND else flags & _KEPT

    def umount2(self, target: str, flags: MNT = MNT(0)) -> None:
        self._calls.add("umount2", _text(target), int(flags))

    def pivot_root(self, new_root: str, put_old: str) -> None:
        self._calls.add("pivot_root", _text(new_root), _text(put_old))
        self._mounts["/"] = self._mounts[self._root]

    def flags_of(self, path: str) -> MS:
        at = path
        while at not in self._mounts and at.startswith(self._root):
            at = os.path.dirname(at)
        match self._mounts.get(at):
            case None:
                return Linux().flags_of(path) & _KEPT
            case str(source):
                return self.flags_of(source if source != path else os.path.dirname(source))
            case flags:
                return flags

    def keeps_attributes(self, path: str) -> bool:
        if _release() < _TMPFS_KEEPS:
            raise Undictated
        for call in (("setxattr", b"", 0, 0), ("removexattr",)):
            self._calls.add(call[0], _text(path), b"user.contlab", *call[1:])
        return True

    # --- paths ------------------------------------------------------------------------------------------------------

    def chroot(self, path: str) -> None:
        self._calls.add("chroot", _text(path))
        self._mounts["/"] = self._mounts[self._root]

    def chdir(self, path: str) -> None:
        self._calls.add("chdir", _text(path))

    def mkdir(self, path: str, mode: int, parents: bool = False) -> None:
        self._made.add(path)
        self._calls.add("mkdirat", _AT_FDCWD, _text(path), mode, unless=errno.EEXIST)

    def mknod(self, path: str, mode: int, device: int) -> None:
        self._made.add(path)
        self._calls.add("mknodat", _AT_FDCWD, _text(path), mode, device)
        self._calls.add("fchmodat", _AT_FDCWD, _text(path), mode & 0o7777)

    def symlink(self, target: str, path: str) -> None:
        self._calls.add("symlinkat", _text(target), _AT_FDCWD, _text(path), unless=errno.EEXIST)

    def create(self, path: str, text: str, mode: int) -> None:
        self._made.add(path)
        self._put(path, text, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)

    def write(self, path: str, text: str) -> None:
        self._put(path, text, os.O_WRONLY, 0)

    def _put(self, path: str, text: str, flags: int, mode: int) -> None:
        file = self._calls.add("openat", _AT_FDCWD, _text(path), flags | os.O_CLOEXEC, mode)
        raw = text.encode()
        if raw:
            self._calls.add("write", file, raw, len(raw))
        self._calls.add("close", file)

    def read(self, path: str) -> str:
        raise Undictated

    def exists(self, path: str) -> bool:
        return path in self._made or os.path.lexists(self._outside(path))

    def is_dir(self, path: str) -> bool:
        return os.path.isdir(self._outside(path))

    def _outside(self, path: str) -> str:
        """Where it can be seen already: /proc and /sys have the same things everywhere, as far as operations ask."""
        if not path.startswith(f"{self._root}/"):
            return path
        inner = path[len(self._root) :]
        first = inner.split("/")[1]
        return inner if first in ("proc", "sys") else "" if first == "dev" else self._tree + inner

    def within(self, root: str, path: str) -> str:
        if root != self._root:
            raise Undictated
        return root + Linux().within(self._tree, path)[len(self._tree) :]

    # --- the process ------------------------------------------------------------------------------------------------

    def unshare(self, flags: CLONE) -> None:
        self._calls.add("unshare", int(flags))

    def enter(self, link: str, flags: CLONE) -> None:
        # setns(2) of a time namespace is for who shares its memory with nobody; for others execve does it.
        if flags != CLONE.NEWTIME or _release() < _EXEC_ENTERS_TIME:
            raise Undictated

    def sethostname(self, name: str) -> None:
        self._calls.add("sethostname", name.encode(), len(name.encode()))

    def setids(self, uid: int, gid: int) -> None:
        if uid and os.geteuid():
            raise Undictated  # a change of ids takes from all that share the memory their own files in /proc
        self._calls.add("setgroups", 0, 0, unless=errno.EPERM)
        self._calls.add("setresgid", gid, gid, gid)
        self._calls.add("setresuid", uid, uid, uid)

    def prctl(self, operation: PR, argument: int = 0) -> int:
        self._calls.add("prctl", int(operation), argument)
        return 0

    def filter_syscalls(self, allowed: frozenset[str]) -> None:
        program = seccomp.deny(platform.machine(), allowed)
        # struct sock_fprog: how many instructions of eight bytes, and where.
        self._calls.add("prctl", int(PR.SET_SECCOMP), 2, Words((len(program) // 8, program)))

    def limit_resource(self, name: str, soft: int, hard: int) -> None:
        number, limits = syscalls.lowered_rlimit(name, soft, hard)
        self._calls.add("prlimit64", 0, number, Words(limits), 0)

    def bound_capabilities(self, kept: Iterable[CAP]) -> bool:
        have = _EVERY if self._own_user else syscalls.permitted()
        mask = sum(1 << cap for cap in kept) & have
        may = bool(have >> CAP.CAP_SETPCAP & 1)
        for number in range(max(CAP) + 1) if may else ():
            if not mask >> number & 1:
                self._calls.add("prctl", int(PR.CAPBSET_DROP), number, unless=errno.EINVAL)
        low, high = mask & 0xFFFF_FFFF, mask >> 32
        self._calls.add("capset", struct.pack("<Ii", 0x20080522, 0), struct.pack("<6I", low, low, 0, high, high, 0))
        return may

    def interface_up(self, name: str) -> None:
        if name != "lo":  # which has no other flags that could be lost
            raise Undictated
        socket = self._calls.add("socket", 2, 2 | 0o2000000, 0)  # AF_INET, SOCK_DGRAM | SOCK_CLOEXEC
        self._calls.add("ioctl", socket, 0x8914, struct.pack("16sH22x", name.encode(), 1))  # SIOCSIFFLAGS, IFF_UP
        self._calls.add("close", socket)

    def execve(self, path: str, argv: tuple[str, ...], environment: dict[str, str]) -> None:
        texts = (_text(f"{name}={value}") for name, value in environment.items())
        self._calls.add(
            "execve", _text(path), Words((*map(_text, argv), 0)), Words((*texts, 0)), anyway=True
        )  # the next one may be there

    # --- not here ---------------------------------------------------------------------------------------------------

    def command(self, *argv: str) -> None:
        raise Undictated

    def open_terminal(self, multiplexer: str, rows: int, columns: int, owner: int | None) -> int:
        raise Undictated

    def set_address(self, interface: str, address: str, prefix_length: int) -> None:
        raise Undictated

    def add_switch(self) -> None:
        raise Undictated

    def add_bridge(self, name: str) -> None:
        raise Undictated

    def add_cable(self, port: str, bridge: str, interface: str) -> None:
        raise Undictated


def _text(text: str) -> bytes:
    return os.fsencode(text)


def _release() -> tuple[int, int]:
    found = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return (int(found[1]), int(found[2])) if found else (0, 0)
