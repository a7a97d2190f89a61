"""Operations on the mount tree."""

from __future__ import annotations

import errno
from dataclasses import dataclass

from contlab.linux.errno import SyscallError
from contlab.linux.flags import MS
from contlab.runtime.kernel import Kernel
from contlab.runtime.operation.base import Operation, quote
from contlab.runtime.overlay import copy_tree

# Put together here, once: an IntFlag's "or" is much code, and the first use of any costs a newborn process page faults.
_PRIVATE = MS.REC | MS.PRIVATE
_BIND_ALL = MS.BIND | MS.REC
_REMOUNT_READ_ONLY = MS.REMOUNT | MS.BIND | MS.RDONLY


@dataclass(frozen=True, slots=True)
class MakePrivate(Operation):
    """No mount event passes between this mount namespace and the host's from now on."""

    def describe(self) -> str:
        return "make every mount private: nothing propagates to the host"

    def shell(self) -> str:
        return "mount --make-rprivate /"

    def run(self, kernel: Kernel) -> None:
        kernel.mount("", "/", "", _PRIVATE)


@dataclass(frozen=True, slots=True)
class Mount(Operation):
    """mount(2) of a file system."""

    fs_type: str
    target: str
    flags: MS = MS(0)
    data: str = ""
    source: str = ""
    root: str = ""
    """The new root that ``target`` is looked up in, links included."""
    instead: str = ""
    """The host's own, which is shown read-only where the kernel refuses a fresh one."""

    def describe(self) -> str:
        return f"mount {self.fs_type} on {self.root}{self.target}"

    def shell(self) -> str:
        options = ["ro" if flag is MS.RDONLY else (flag.name or "").lower() for flag in MS(self.flags)]
        text = ",".join((*options, *((self.data,) if self.data else ())))
        text = f" -o {quote(text)}" if text else ""
        return f"mount -t {self.fs_type}{text} {self._source()} {quote(self.root + self.target)}"

    def _source(self) -> str:
        return self.source or self.fs_type

    def run(self, kernel: Kernel) -> str | None:
        target = kernel.within(self.root, self.target) if self.root else self.target
        try:
            kernel.mount(self._source(), target, self.fs_type, self.flags, self.data)
        except SyscallError as refusal:
            if not self.instead or refusal.errno != errno.EPERM:
                raise
            # In a user namespace proc and sysfs may be mounted only where they are to be seen uncovered already
            # (mount_too_revealing in fs/namespace.c), and container engines cover parts of both.
            kernel.mount(self.instead, target, "", _BIND_ALL)
            _remount_read_only(target, kernel, self.flags)
            return f"refused; the host's {self.instead} instead, read-only"
        return None


@dataclass(frozen=True, slots=True)
class MountOverlay(Operation):
    """A writable layer over a read-only tree; a copy of the tree where the kernel refuses overlay."""

    lower: str
    upper: str
    work: str
    target: str
    user_xattr: bool = False
    """Its notes on files go into user.* attributes: in a user namespace trusted.* ones are refused (overlayfs.rst)."""

    def describe(self) -> str:
        return f"mount overlay on {self.target}: writable layer over {self.lower}"

    def _options(self) -> str:
        # In lowerdir a colon separates layers and a backslash escapes it (overlayfs.rst).
        lower = self.lower.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")
        return f"lowerdir={lower},upperdir={self.upper},workdir={self.work}{',userxattr' if self.user_xattr else ''}"

    def shell(self) -> str:
        return f"mount -t overlay -o {quote(self._options())} overlay {quote(self.target)}"

    def run(self, kernel: Kernel) -> str | None:
        if self.user_xattr and not kernel.keeps_attributes(self.upper):
            # It would mount, and then every rmdir of a directory of the lower layer would end in EIO.
            return self._copy(kernel, "the upper layer's tmpfs keeps no user attributes (Linux 6.6 does)")
        try:
            kernel.mount("overlay", self.target, "overlay", MS(0), self._options())
        except SyscallError as refusal:
            if refusal.errno not in (errno.ENODEV, errno.EPERM, errno.EINVAL, errno.EOPNOTSUPP):
                raise
            return self._copy(kernel, refusal.explanation)
        return None

    def _copy(self, kernel: Kernel, why: str) -> str:
        kernel.mount(self.target, self.target, "", MS.BIND)  # pivot_root and a read-only root take a mount
        copy_tree(self.lower, self.target)
        return f"copied instead: {why}"


@dataclass(frozen=True, slots=True)
class Bind(Operation):
    """Show a file or directory in a second place (mount --bind)."""

    source: str
    target: str
    read_only: bool = False
    recursive: bool = True
    root: str = ""
    """The new root that ``target`` is looked up in, links included."""

    def describe(self) -> str:
        return f"bind {self.source} on {self.root}{self.target}{', read-only' if self.read_only else ''}"

    def shell(self) -> str:
        kind, target = "--rbind" if self.recursive else "--bind", quote(self.root + self.target)
        text = f"mount {kind} {quote(self.source)} {target}"
        return f"{text} && mount -o remount,bind,ro {target}" if self.read_only else text

    def run(self, kernel: Kernel) -> None:
        target = kernel.within(self.root, self.target) if self.root else self.target
        if self.root and not kernel.exists(target):
            self._make(target, kernel)
        kernel.mount(self.source, target, "", _BIND_ALL if self.recursive else MS.BIND)
        if self.read_only:
            _remount_read_only(target, kernel)

    def _make(self, target: str, kernel: Kernel) -> None:
        if kernel.is_dir(self.source):
            kernel.mkdir(target, 0o755, parents=True)
        else:
            kernel.mkdir(target.rpartition("/")[0] or "/", 0o755, parents=True)
            kernel.create(target, "", 0o644)


@dataclass(frozen=True, slots=True)
class Mask(Operation):
    """Cover a path that speaks for the whole machine: a file by /dev/null, a directory by an empty tmpfs."""

    path: str

    def describe(self) -> str:
        return f"mask {self.path}"

    def shell(self) -> str:
        path = quote(self.path)
        return f"test -d {path} && mount -t tmpfs -o ro,size=0k tmpfs {path} || mount --bind /dev/null {path}"

    def run(self, kernel: Kernel) -> str | None:
        if not kernel.exists(self.path):
            return "this kernel has no such file"
        if kernel.is_dir(self.path):
            kernel.mount("tmpfs", self.path, "tmpfs", MS.RDONLY, "size=0k")
        else:
            kernel.mount("/dev/null", self.path, "", MS.BIND)
        return None


@dataclass(frozen=True, slots=True)
class ReadOnly(Operation):
    """A subtree of a mounted file system made read-only, by a bind of it onto itself."""

    path: str
    flags: MS = MS.NOSUID | MS.NODEV | MS.NOEXEC

    def describe(self) -> str:
        return f"make {self.path} read-only"

    def shell(self) -> str:
        path = quote(self.path)
        return f"mount --bind {path} {path} && mount -o remount,bind,ro {path}"

    def run(self, kernel: Kernel) -> str | None:
        if not kernel.exists(self.path):
            return "this kernel has no such directory"
        kernel.mount(self.path, self.path, "", _BIND_ALL)
        _remount_read_only(self.path, kernel, self.flags)
        return None


@dataclass(frozen=True, slots=True)
class RemountRoot(Operation):
    """The new root itself made read-only, once everything is in place."""

    path: str

    def describe(self) -> str:
        return f"make the root {self.path} read-only"

    def shell(self) -> str:
        return f"mount -o remount,bind,ro {quote(self.path)}"

    def run(self, kernel: Kernel) -> None:
        _remount_read_only(self.path, kernel)


def _remount_read_only(path: str, kernel: Kernel, flags: MS = MS(0)) -> None:
    """A bind ignores every flag but MS_REC, so read-only takes a second mount(2). That one sets all flags anew: those
    that the mount has are kept, and in a user namespace they must be (mount_namespaces(7), locked flags)."""
    kernel.mount("", path, "", MS(int(_REMOUNT_READ_ONLY) | int(kernel.flags_of(path)) | int(flags)))
