"""Why the kernel said no: errno(3) of a call, in a learner's words."""

from __future__ import annotations

import errno
import os

_BY_CALL: dict[tuple[str, int], str] = {
    ("pivot_root", errno.EBUSY): "the new root must be a mount point of its own, on another mount than today's root",
    ("pivot_root", errno.EINVAL): "the new root or its parent mount is shared, or today's root is the initial ramfs",
    ("mount", errno.EPERM): "mounting needs CAP_SYS_ADMIN in the user namespace that owns this mount namespace",
    ("mount", errno.EACCES): "a security module (AppArmor, SELinux) forbids mounting to this process",
    ("mount", errno.ENODEV): "this kernel has no such file system, or its module is not loaded",
    ("mount", errno.EINVAL): "the file system refused these options, or the target is no mount point",
    ("unshare", errno.EPERM): "new namespaces need CAP_SYS_ADMIN, or a user namespace of one's own first",
    ("unshare", errno.EINVAL): "this kernel lacks the namespace, or the process has threads",
    ("unshare", errno.ENOSPC): "the host's limit on namespaces (user.max_*_namespaces) is reached",
    ("clone3", errno.EPERM): "new namespaces need CAP_SYS_ADMIN, or the host forbids unprivileged user namespaces",
    ("clone3", errno.ENOSPC): "the host's limit on namespaces (user.max_*_namespaces) is reached",
    ("clone3", errno.EAGAIN): "pids.max of the cgroup, or RLIMIT_NPROC, refuses another task",
    ("clone3", errno.ENOMEM): "the PID namespace's first process is dead, so it takes no new ones",
    (
        "clone3",
        errno.ENOSYS,
    ): "a seccomp filter (often a container engine's) hides clone3, or the kernel is older than 5.3",
    ("clone3", errno.EBUSY): "the cgroup has controllers enabled for its children, so it takes no processes itself",
    ("setns", errno.EPERM): "entering needs CAP_SYS_ADMIN in the namespace's owner and in one's own user namespace",
    ("setns", errno.ESRCH): "the process is gone",
    ("sethostname", errno.EPERM): "a hostname belongs to a uts namespace, and this one is not ours to change",
    ("chroot", errno.EPERM): "chroot needs CAP_SYS_CHROOT",
    ("execve", errno.ENOENT): "no such command in the container, or its #! interpreter or ELF loader is missing",
    ("execve", errno.EACCES): "the file is there but not executable, or its file system is mounted noexec",
    ("execve", errno.ENOEXEC): "the file is neither an ELF program nor a script that begins with #!",
    ("ip link add", errno.EOPNOTSUPP): "this kernel has no bridge or veth driver, or its module is not loaded",
    ("seccomp", errno.EACCES): "a filter takes no_new_privs first, or CAP_SYS_ADMIN in one's user namespace",
    ("seccomp", errno.EINVAL): "this kernel was built without seccomp filters",
    ("seccomp", errno.ENOSYS): "there is a filter for x86_64 and aarch64 only",
    ("kill", errno.ESRCH): "no such process in this PID namespace",
    ("write", errno.EBUSY): "the kernel refuses: a cgroup that holds processes can't pass on controllers",
}

_BY_ERRNO: dict[int, str] = {
    errno.EPERM: "this process lacks the capability for it",
    errno.EACCES: "the file's permissions, or a read-only file system, forbid it",
    errno.EROFS: "the file system is mounted read-only",
    errno.ENOENT: "it does not exist",
    errno.ENOSYS: "this kernel has no such call, or a seccomp filter hides it",
    errno.EBUSY: "something still uses it",
    errno.ENOSPC: "no room is left, or a limit of the host is reached",
    errno.ENOMEM: "the kernel has no memory for it",
    errno.ELOOP: "too many symbolic links",
    errno.ENOTDIR: "a part of the path is not a directory",
}


class SyscallError(OSError):
    """A call that the kernel refused: which one, with what, and why.

    ``errno`` and ``strerror`` are OSError's; ``explanation`` is for people who have not met it yet.
    """

    def __init__(self, call: str, number: int, *arguments: object) -> None:
        super().__init__(number, os.strerror(number))
        self.call = call
        self.arguments = arguments
        self.explanation = explain(call, number)

    def __str__(self) -> str:
        shown = ", ".join(repr(a) if isinstance(a, str) else str(a) for a in self.arguments)
        name = errno.errorcode.get(self.errno or 0, str(self.errno))
        return f"{self.call}({shown}): {name} ({self.strerror}): {self.explanation}"


def explain(call: str, number: int) -> str:
    """Why ``call`` fails with errno ``number``, in one clause."""
    return _BY_CALL.get((call, number)) or _BY_ERRNO.get(number) or os.strerror(number)
