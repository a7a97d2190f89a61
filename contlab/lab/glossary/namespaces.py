"""The fields of the namespaces panel: one for each kind, what they translate, and the protections that are off."""

from __future__ import annotations

from functools import partial

from contlab.lab.glossary.entry import Entry, Field, Shown
from contlab.observe.snapshot import NamespaceSet


def _number(kind: str, spaces: NamespaceSet) -> str:
    link = next(link for link in spaces.links if link.kind == kind)
    return f"{link.inode}, {'its own' if link.own else 'the host’s'}"


_KINDS = {
    "mnt": "Which mounts it sees.",
    "pid": "Which processes it sees, and how they are numbered.",
    "net": "Interfaces, addresses, routes and ports.",
    "uts": "Host name and domain name.",
    "ipc": "System V IPC and POSIX message queues.",
    "user": "Which users it knows, and over what its root has power.",
    "cgroup": "Which cgroup it takes for the root of the tree. It hides names, and limits nothing.",
    "time": "What the clocks that count from boot say.",
}
"""In the order of ``observe.views.KINDS``."""

_SAME = (
    "The number is the namespace's inode: two processes with the same one share it. Printed below are its and yours."
)

ENTRIES = {
    f"namespace.{kind}": Entry(
        f"{kind} namespace",
        f"{what} {_SAME}",
        partial(_number, kind),
        f"/proc/{{pid}}/ns/{kind}",
        "a link, read with readlink(2)",
        f"readlink /proc/{{pid}}/ns/{kind} /proc/self/ns/{kind}",
        guest=f"readlink /proc/{{pid}}/ns/{kind}",
    )
    for kind, what in _KINDS.items()
} | {
    "namespace.hostname": Entry(
        "hostname",
        "The node name of its uts namespace. The file shows each reader its own namespace's, so that of another one is "
        "asked for from inside: contlab goes there for a moment (setns(2)) and calls uname(2).",
        lambda spaces: "not known" if spaces.hostname is None else spaces.hostname,
        "/proc/sys/kernel/hostname",
        "read within its uts namespace",
        "nsenter -t {pid} -u hostname",
        guest="hostname",
    ),
    "namespace.root": Entry(
        "root",
        "Its root directory, under the name that the reader has for it. Behind pivot_root(2) that is the top of a "
        "mount tree which the reader doesn't have: then it says / as well, and ls shows which one is meant.",
        lambda spaces: spaces.root,
        "/proc/{pid}/root",
        "a link, read with readlink(2)",
        "readlink /proc/{pid}/root; ls -H /proc/{pid}/root",
        guest="readlink /proc/{pid}/root",
    ),
    "namespace.uid_map": Entry(
        "uid_map",
        "Which users outside its users really are. Three numbers a line: the first user inside, the first outside, as "
        "the reader counts, and how many in a row.",
        lambda spaces: "; ".join(f"{line.inside} {line.outside} {line.length}" for line in spaces.uid_map) or "empty",
        "/proc/{pid}/uid_map",
        "",
        "cat /proc/{pid}/uid_map",
    ),
    "protection.capabilities": Entry(
        "capabilities",
        "The parts of root's power that no program in it can ever have again are missing from this bounding set, a "
        "mask in hexadecimal (capsh --decode=MASK names them). This container keeps more than the default one.",
        "; ".join,
        "/proc/{pid}/status",
        "CapBnd",
        "grep CapBnd /proc/{pid}/status",
    ),
    "protection.no_new_privs": Entry(
        "no_new_privs",
        "1: execve(2) gives no more rights than one has, so that setuid programs are programs as any other. Here it is "
        "off.",
        "; ".join,
        "/proc/{pid}/status",
        "NoNewPrivs",
        "grep NoNewPrivs /proc/{pid}/status",
    ),
    "protection.seccomp": Entry(
        "seccomp",
        "2: a filter looks at each system call and refuses those that containers have no use for; 0: none does.",
        "; ".join,
        "/proc/{pid}/status",
        "Seccomp",
        "grep Seccomp /proc/{pid}/status",
    ),
    "protection.masked": Entry(
        "masked files",
        "Files of /proc and /sys speak of the whole machine, memory and keys among them. By default an empty mount "
        "lies over each of those, or it is read-only; here none does.",
        "; ".join,
        "/proc/{pid}/mountinfo",
        "mount points below /proc and /sys",
        "grep -E ' /(proc|sys)' /proc/{pid}/mountinfo",
    ),
    "protection.limits": Entry(
        "no limit of its own",
        "Without one it may take all that its parent's cgroup has, which may be all the host has. The file says max, "
        "or on cgroup v1, for memory, a number beyond all memory.",
        "; ".join,
        "memory.max and pids.max of its cgroup; on v1 memory.limit_in_bytes and pids.max",
        "",
        "cat /proc/{pid}/cgroup",
    ),
    "protection.rlimits": Entry(
        "resource limits",
        "What one process may take (getrlimit(2)): open files, locked memory, core dumps. These were not set: they are "
        "those of the process that made the container.",
        "; ".join,
        "/proc/{pid}/limits",
        "",
        "cat /proc/{pid}/limits",
    ),
}  # fmt: skip

_WORDS = {
    "capabilities are not bounded": "capabilities",
    "keeps ": "capabilities",
    "setuid programs": "no_new_privs",
    "no seccomp filter": "seccomp",
    "seccomp lets": "seccomp",
    "/proc and /sys are the host's": "masked",
    "nothing in /proc and /sys": "masked",
    "resource limits": "rlimits",
}
"""How ``runtime.protection.unprotected`` begins -> which protection is meant. The others are limits."""


def protection(words: str) -> str:
    """The key of a protection that is off, from what is said of it."""
    return f"protection.{next((name for start, name in _WORDS.items() if words.startswith(start)), 'limits')}"


def of(key: str, subject: NamespaceSet | tuple[str, ...], shown: Shown) -> Field:
    """One field of a set of namespaces; that of a protection, of what is said of all that are off."""
    if isinstance(subject, tuple):
        subject = tuple(words for words in subject if protection(words) == key)
    return ENTRIES[key].of(subject, {"pid": shown.pid}, shown.guest)
