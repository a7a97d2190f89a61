"""Kernel: everything an operation may ask of Linux. The real one calls it; tests pass one that writes down."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import platform
import socket
import struct
from collections.abc import Iterable
from typing import TYPE_CHECKING, Protocol

from contlab.linux import seccomp, syscalls, terminal
from contlab.linux.errno import SyscallError
from contlab.linux.flags import CAP, CLONE, MNT, MS, PR

if TYPE_CHECKING:
    from contlab.runtime.wiring import Wiring


class Kernel(Protocol):
    """The calls that plans are made of; refusals are SyscallError."""

    pid: int
    """The container's first process as the caller's PID namespace counts it; 0 before it is born."""

    def mount(self, source: str, target: str, fs_type: str, flags: MS = MS(0), data: str = "") -> None: ...
    def umount2(self, target: str, flags: MNT = MNT(0)) -> None: ...
    def pivot_root(self, new_root: str, put_old: str) -> None: ...
    def chroot(self, path: str) -> None: ...
    def chdir(self, path: str) -> None: ...
    def mkdir(self, path: str, mode: int, parents: bool = False) -> None: ...
    def mknod(self, path: str, mode: int, device: int) -> None: ...
    def symlink(self, target: str, path: str) -> None: ...
    def create(self, path: str, text: str, mode: int) -> None: ...
    def write(self, path: str, text: str) -> None: ...
    def read(self, path: str) -> str: ...
    def exists(self, path: str) -> bool: ...
    def is_dir(self, path: str) -> bool: ...
    def within(self, root: str, path: str) -> str: ...
    def keeps_attributes(self, path: str) -> bool: ...
    def flags_of(self, path: str) -> MS: ...
    def unshare(self, flags: CLONE) -> None: ...
    def enter(self, link: str, flags: CLONE) -> None: ...
    def sethostname(self, name: str) -> None: ...
    def setids(self, uid: int, gid: int) -> None: ...
    def command(self, *argv: str) -> None: ...
    def prctl(self, operation: PR, argument: int = 0) -> int: ...
    def filter_syscalls(self, allowed: frozenset[str]) -> None: ...
    def open_terminal(self, multiplexer: str, rows: int, columns: int, owner: int | None) -> int: ...
    def limit_resource(self, name: str, soft: int, hard: int) -> None: ...
    def bound_capabilities(self, kept: Iterable[CAP]) -> bool: ...
    def interface_up(self, name: str) -> None: ...
    def set_address(self, interface: str, address: str, prefix_length: int) -> None: ...
    def add_switch(self) -> None: ...
    def add_bridge(self, name: str) -> None: ...
    def add_cable(self, port: str, bridge: str, interface: str) -> None: ...
    def execve(self, path: str, argv: tuple[str, ...], environment: dict[str, str]) -> None: ...


_FLAGS = (
    (os.ST_NOSUID, MS.NOSUID), (os.ST_NODEV, MS.NODEV), (os.ST_NOEXEC, MS.NOEXEC), (os.ST_RDONLY, MS.RDONLY),
    (os.ST_NOATIME, MS.NOATIME), (os.ST_NODIRATIME, MS.NODIRATIME), (os.ST_RELATIME, MS.RELATIME),
)  # fmt: skip
"""statvfs(3)'s bit of a mount -> mount(2)'s."""

MAX_LINKS = 40
"""Symbolic links that one lookup may follow (MAXSYMLINKS of the kernel)."""


def _refuse(call: str, error: OSError, *arguments: object) -> SyscallError:
    return SyscallError(call, error.errno or 0, *arguments)


class Linux:
    """The kernel under us."""

    def __init__(self, pid: int = 0, wiring: Wiring | None = None) -> None:
        """``wiring``: the run's networks, which only the supervisor has."""
        self.pid = pid
        self._wiring = wiring

    mount = staticmethod(syscalls.mount)
    umount2 = staticmethod(syscalls.umount2)
    pivot_root = staticmethod(syscalls.pivot_root)
    unshare = staticmethod(syscalls.unshare)
    sethostname = staticmethod(syscalls.sethostname)
    prctl = staticmethod(syscalls.prctl)
    bound_capabilities = staticmethod(syscalls.bound_capabilities)
    open_terminal = staticmethod(terminal.take)
    limit_resource = staticmethod(syscalls.lower_rlimit)
    exists = staticmethod(os.path.lexists)
    is_dir = staticmethod(os.path.isdir)

    def chroot(self, path: str) -> None:
        try:
            os.chroot(path)
        except OSError as error:
            raise _refuse("chroot", error, path) from None

    def chdir(self, path: str) -> None:
        try:
            os.chdir(path)
        except OSError as error:
            raise _refuse("chdir", error, path) from None

    def mkdir(self, path: str, mode: int, parents: bool = False) -> None:
        try:
            try:
                os.mkdir(path, mode)
            except FileNotFoundError:
                if not parents:
                    raise
                os.makedirs(path, mode, exist_ok=True)
        except FileExistsError:
            return
        except OSError as error:
            raise _refuse("mkdir", error, path) from None

    def mknod(self, path: str, mode: int, device: int) -> None:
        try:
            os.mknod(path, mode, device)
            os.chmod(path, mode & 0o7777)  # the umask does not apply to what a plan says
        except OSError as error:
            raise _refuse("mknod", error, path) from None

    def symlink(self, target: str, path: str) -> None:
        try:
            os.symlink(target, path)
        except FileExistsError:
            return
        except OSError as error:
            raise _refuse("symlink", error, target, path) from None

    def create(self, path: str, text: str, mode: int) -> None:
        try:
            # O_NOFOLLOW: a link in the tree must not lead the write out of it.
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
            try:
                os.write(fd, text.encode())
            finally:
                os.close(fd)
        except OSError as error:
            raise _refuse("open", error, path) from None

    def write(self, path: str, text: str) -> None:
        # One write(2) and no buffer: kernel files take the whole value at once and answer with errno.
        try:
            fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(fd, text.encode())
            finally:
                os.close(fd)
        except OSError as error:
            raise _refuse("write", error, path, text) from None

    def read(self, path: str) -> str:
        try:
            with open(path, "rb", buffering=0) as file:
                return file.read().decode(errors="replace")
        except OSError as error:
            raise _refuse("read", error, path) from None

    def within(self, root: str, path: str) -> str:
        """Where ``path`` leads for one whose root is ``root``: that path from outside. Parts may be missing.

        Nothing else may be changing the tree meanwhile.
        """
        at: list[str] = []
        waiting = path.split("/")[::-1]
        followed = 0
        while waiting:
            part = waiting.pop()
            if part == "..":
                at = at[:-1]
            elif part not in ("", "."):
                try:
                    target = os.readlink("/".join((root, *at, part)))
                except OSError:  # no link, or not there
                    at.append(part)
                    continue
                if (followed := followed + 1) > MAX_LINKS:
                    raise SyscallError("open", errno.ELOOP, path)
                at = [] if target.startswith("/") else at
                waiting += target.split("/")[::-1]
        return "/".join((root, *at))

    def keeps_attributes(self, path: str) -> bool:
        """Whether the file system that a directory is on stores user.* attributes (xattr(7)): tmpfs since Linux 6.6."""
        try:
            os.setxattr(path, "user.contlab", b"")
            os.removexattr(path, "user.contlab")
        except OSError:
            return False
        return True

    def flags_of(self, path: str) -> MS:
        """The flags of the mount that ``path`` lies on (statvfs(3))."""
        try:
            held = os.statvfs(path).f_flag
        except OSError as error:
            raise _refuse("statfs", error, path) from None
        return MS(sum(flag for bit, flag in _FLAGS if held & bit))

    def enter(self, link: str, flags: CLONE) -> None:
        try:
            fd = os.open(link, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise _refuse("open", error, link) from None
        try:
            syscalls.setns(fd, flags)
        finally:
            os.close(fd)

    def setids(self, uid: int, gid: int) -> None:
        try:
            # Denied where a plain user mapped their gid (user_namespaces(7)): then their groups stay. For lack of a
            # capability it can't be, or the next call is refused as well.
            with contextlib.suppress(PermissionError):
                os.setgroups([])
            os.setresgid(gid, gid, gid)
            os.setresuid(uid, uid, uid)
        except OSError as error:
            raise _refuse("setresuid", error, uid, gid) from None

    def command(self, *argv: str) -> None:
        """Run a setuid helper to its end; SyscallError with its own words when it refuses."""
        said, saying = os.pipe2(os.O_CLOEXEC)
        try:
            pid = os.posix_spawnp(
                argv[0], argv, {"PATH": f"{os.environ.get('PATH', '')}:/usr/bin:/bin"},
                file_actions=((os.POSIX_SPAWN_DUP2, saying, 2),),
            )  # fmt: skip
        except OSError as error:
            os.close(said)
            raise _refuse("execve", error, argv[0]) from None
        finally:
            os.close(saying)
        with open(said, encoding="utf-8", errors="replace") as stderr:
            words = stderr.read().strip()
        if os.waitpid(pid, 0)[1]:
            refusal = SyscallError(argv[0], errno.EPERM, *argv[1:])
            refusal.explanation = words.rpartition("\n")[2] or refusal.explanation
            raise refusal

    def add_switch(self) -> None:
        self._networks.make_switch()

    def add_bridge(self, name: str) -> None:
        self._networks.add_bridge(name)

    def add_cable(self, port: str, bridge: str, interface: str) -> None:
        self._networks.add_cable(port, bridge, interface, self.pid)

    @property
    def _networks(self) -> Wiring:
        assert self._wiring is not None, "networks are the supervisor's"
        return self._wiring

    def set_address(self, interface: str, address: str, prefix_length: int) -> None:
        # netdevice(7): SIOCSIFADDR, SIOCSIFNETMASK over struct ifreq (16-byte name, then a struct sockaddr_in).
        mask = (0xFFFF_FFFF << (32 - prefix_length) & 0xFFFF_FFFF).to_bytes(4, "big")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            for call, name, value in (
                (0x8916, "SIOCSIFADDR", socket.inet_aton(address)),
                (0x891C, "SIOCSIFNETMASK", mask),
            ):
                try:
                    request = struct.pack("16sHH4s16x", interface.encode(), socket.AF_INET, 0, value)
                    fcntl.ioctl(sock, call, request)
                except OSError as error:
                    raise _refuse("ioctl", error, name, interface, address) from None

    def interface_up(self, name: str) -> None:
        # netdevice(7): SIOCGIFFLAGS and SIOCSIFFLAGS over struct ifreq (16-byte name, then the flags).
        get_flags, set_flags, up = 0x8913, 0x8914, 0x1
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            try:
                request = struct.pack("16sH22x", name.encode(), 0)
                flags = struct.unpack_from("16xH", fcntl.ioctl(sock, get_flags, request))[0]
                fcntl.ioctl(sock, set_flags, struct.pack("16sH22x", name.encode(), flags | up))
            except OSError as error:
                raise _refuse("ioctl", error, "SIOCSIFFLAGS", name) from None

    def filter_syscalls(self, allowed: frozenset[str]) -> None:
        machine = platform.machine()
        if machine not in seccomp.ARCHES:
            raise SyscallError("seccomp", errno.ENOSYS, machine)
        syscalls.set_filter(seccomp.deny(machine, allowed))

    def execve(self, path: str, argv: tuple[str, ...], environment: dict[str, str]) -> None:
        try:
            os.execve(path, argv, environment)
        except OSError as error:
            raise _refuse("execve", error, path) from None
