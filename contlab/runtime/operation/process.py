"""Operations on the process itself: its root, its privileges, and the program it becomes."""

from __future__ import annotations

import errno
import platform
import shlex
from dataclasses import dataclass

from contlab.linux.errno import SyscallError
from contlab.linux.flags import CAP, MNT, PR
from contlab.linux.seccomp import ARCHES, DENIED, deny
from contlab.runtime.kernel import Kernel
from contlab.runtime.operation.base import Operation, quote


@dataclass(frozen=True, slots=True)
class PivotRoot(Operation):
    """pivot_root(2): swap the root mount, then let go of the old one, so there is nothing left to climb to."""

    new_root: str

    def describe(self) -> str:
        return f"pivot_root to {self.new_root}, and unmount the old root"

    def shell(self) -> str:
        return f"cd {quote(self.new_root)} && pivot_root . . && umount -l . && cd /"

    def run(self, kernel: Kernel) -> None:
        # pivot_root(2), NOTES: with "." twice the old root is stacked on the new one, and no directory for it is
        # needed; umount2 of "." then takes the upper one, the old root.
        kernel.chdir(self.new_root)
        kernel.pivot_root(".", ".")
        kernel.umount2(".", MNT.DETACH)
        kernel.chdir("/")


@dataclass(frozen=True, slots=True)
class Chroot(Operation):
    """chroot(2): path lookup begins elsewhere. The old root is still mounted, and root can climb back to it."""

    new_root: str

    def describe(self) -> str:
        return f"chroot to {self.new_root}"

    def shell(self) -> str:
        return f"chroot {quote(self.new_root)}"

    def run(self, kernel: Kernel) -> None:
        kernel.chroot(self.new_root)
        kernel.chdir("/")


@dataclass(frozen=True, slots=True)
class BoundCapabilities(Operation):
    """Give up every capability but a few, for good: out of the bounding set, execve can't bring them back."""

    kept: frozenset[str]

    def describe(self) -> str:
        return f"keep {len(self.kept)} capabilities, drop the others for good"

    def shell(self) -> str:
        kept = ",".join(f"+{name.removeprefix('CAP_').lower()}" for name in sorted(self.kept))
        return f"setpriv --bounding-set -all{',' + kept if kept else ''} --inh-caps -all"

    def run(self, kernel: Kernel) -> str | None:
        if kernel.bound_capabilities([CAP[name] for name in self.kept]):
            return None
        return "a plain user has none, and may not change the set that setuid programs are bounded by"


@dataclass(frozen=True, slots=True)
class BecomeUser(Operation):
    """setresuid(2) to a plain user: with the uid go all effective and permitted capabilities (capabilities(7))."""

    uid: int

    def describe(self) -> str:
        return f"become user {self.uid}, who has no capabilities"

    def shell(self) -> str:
        return f"setpriv --reuid {self.uid} --regid {self.uid} --clear-groups"

    def run(self, kernel: Kernel) -> None:
        kernel.setids(self.uid, self.uid)


@dataclass(frozen=True, slots=True)
class LimitResources(Operation):
    """setrlimit(2), so that a container has the same limits whoever makes it. One that is lower already stays so."""

    limits: tuple[tuple[str, int, int], ...]
    """Name as prlimit(1)'s option, soft limit, hard limit."""

    def describe(self) -> str:
        words = (
            f"{name} {hard}" if soft == hard else f"{name} {soft}, {hard} at most" for name, soft, hard in self.limits
        )
        return f"limit resources: {'; '.join(words)}"

    def shell(self) -> str:
        return f"prlimit --pid $$ {' '.join(f'--{name}={soft}:{hard}' for name, soft, hard in self.limits)}"

    def run(self, kernel: Kernel) -> None:
        for name, soft, hard in self.limits:
            kernel.limit_resource(name, soft, hard)


@dataclass(frozen=True, slots=True)
class NoNewPrivileges(Operation):
    """PR_SET_NO_NEW_PRIVS: a setuid program no longer gives more than one has."""

    def describe(self) -> str:
        return "no_new_privs: setuid programs give nothing"

    def shell(self) -> str:
        return "setpriv --no-new-privs"

    def run(self, kernel: Kernel) -> None:
        kernel.prctl(PR.SET_NO_NEW_PRIVS, 1)


@dataclass(frozen=True, slots=True)
class FilterSyscalls(Operation):
    """seccomp(2): system calls that speak to the whole machine, or make namespaces and mounts, are refused to all."""

    allowed: frozenset[str] = frozenset()
    """Calls of ``seccomp.DENIED`` that are let through."""

    def describe(self) -> str:
        but = f", but let {', '.join(sorted(self.allowed))} through" if self.allowed else ""
        return f"seccomp: refuse {len(DENIED) - len(self.allowed)} system calls, whatever the rights{but}"

    def shell(self) -> str:
        names = " ".join(sorted(DENIED.keys() - self.allowed))
        return (
            f"systemd-run --pty --property SystemCallErrorNumber=EPERM --property {quote(f'SystemCallFilter=~{names}')}"
        )

    def prepare(self) -> None:
        if (machine := platform.machine()) in ARCHES:
            deny(machine, self.allowed)

    def run(self, kernel: Kernel) -> str | None:
        try:
            kernel.filter_syscalls(self.allowed)
        except SyscallError as refusal:
            if refusal.errno != errno.ENOSYS:
                raise
            return f"none: {refusal.explanation}"  # told by protection.unprotected, too
        return None


@dataclass(frozen=True, slots=True)
class OpenTerminal(Operation):
    """A pseudoterminal of the container's own devpts (pty(7)): the other end goes to whoever asked for it."""

    multiplexer: str
    rows: int
    columns: int
    owner: int | None = None
    """The uid inside that it belongs to; None: who opens it."""

    def describe(self) -> str:
        return f"open a terminal of {self.rows} rows and {self.columns} columns, and let it control the session"

    def shell(self) -> str:
        return f"script --command sh /dev/null; stty rows {self.rows} columns {self.columns}"

    def run(self, kernel: Kernel) -> str:
        return f"/dev/pts/{kernel.open_terminal(self.multiplexer, self.rows, self.columns, self.owner)}"


@dataclass(frozen=True, slots=True)
class ChangeDirectory(Operation):
    """chdir(2) to the command's working directory."""

    path: str

    def describe(self) -> str:
        return f"go to {self.path}"

    def shell(self) -> str:
        return f"cd {quote(self.path)}"

    def run(self, kernel: Kernel) -> None:
        kernel.chdir(self.path)


@dataclass(frozen=True, slots=True)
class Execute(Operation):
    """execve(2): the stage becomes the command. Looked up in PATH as execvp(3) does."""

    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...]

    def describe(self) -> str:
        return f"exec {shlex.join(self.argv)}"

    def shell(self) -> str:
        return f"exec {shlex.join(self.argv)}"

    def run(self, kernel: Kernel) -> None:
        environment = dict(self.environment)
        name = self.argv[0]
        if "/" in name:
            return kernel.execve(name, self.argv, environment)
        denied: SyscallError | None = None
        for folder in environment.get("PATH", "/bin:/usr/bin").split(":"):
            try:
                kernel.execve(f"{folder}/{name}", self.argv, environment)
            except SyscallError as refusal:
                if refusal.errno == errno.EACCES:
                    denied = refusal
                elif refusal.errno not in (errno.ENOENT, errno.ENOTDIR):
                    raise
        raise denied or SyscallError("execve", errno.ENOENT, name)
