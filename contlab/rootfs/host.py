"""What this host has: its commands, the directories its ld.so searches, and the packages that bring what is missing."""

from __future__ import annotations

import glob
import os
import shutil
from pathlib import Path

from contlab.errors import RootfsError
from contlab.rootfs.closure import SearchPath

DIRECTORIES = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin")
"""Searched before PATH: a plain user's PATH lacks the sbin directories, and a virtual environment is in front of it."""

LD_SO_CACHE = "/etc/ld.so.cache"
"""Rewritten by ldconfig(8) whenever libraries come or go."""

COREUTILS = """
[ cat chmod chown chroot cp cut date dd df du echo env expr false head id ln ls mkdir mknod mktemp mv nproc od printf
pwd readlink rm rmdir seq sleep sort stat sync tail tee test timeout touch tr true tty uname wc whoami yes
"""

PACKAGES: dict[str, tuple[str, str]] = {
    "busybox": ("busybox-static", "busybox"),
    "sh": ("dash", "bash"),
    "bash": ("bash", "bash"),
    "grep": ("grep", "grep"),
    "sed": ("sed", "sed"),
    "awk": ("mawk", "gawk"),
    "hostname": ("hostname", "hostname"),
    **dict.fromkeys(("ps", "free", "top", "pgrep", "sysctl", "uptime"), ("procps", "procps-ng")),
    "kill": ("procps", "util-linux"),
    **dict.fromkeys(("lsns", "nsenter", "setsid", "unshare"), ("util-linux", "util-linux")),
    **dict.fromkeys(("mount", "umount"), ("mount", "util-linux")),
    **dict.fromkeys(("ip", "ss"), ("iproute2", "iproute")),
    **dict.fromkeys(("find", "xargs"), ("findutils", "findutils")),
    **dict.fromkeys(COREUTILS.split(), ("coreutils", "coreutils")),
}
"""Command -> its Debian and its Fedora package."""


def which(name: str) -> str | None:
    """The absolute path of a command, links not followed; an absolute name is looked at as it is."""
    return shutil.which(name, path=os.pathsep.join((*DIRECTORIES, os.environ.get("PATH", ""))))


def program(name: str) -> str | None:
    """The regular file behind a command, links followed."""
    path = which(name)
    real = None if path is None else os.path.realpath(path)
    return real if real is not None and Path(real).is_file() else None


def missing(tools: list[str]) -> RootfsError:
    """The error that names the tools a recipe can't do without, and what installs them."""
    known = [PACKAGES[tool] for tool in tools if tool in PACKAGES]
    debian = " ".join(sorted({package for pair in known for package in pair[0].split()}))
    fedora = " ".join(sorted({pair[1] for pair in known}))
    unknown = [tool for tool in tools if tool not in PACKAGES]
    hints = [f"Debian, Ubuntu: apt-get install {debian} · Fedora: dnf install {fedora}"] if known else []
    hints += [f"Which package has {tool}: apt-file search bin/{tool} · dnf provides '*/bin/{tool}'" for tool in unknown]
    names = ", ".join(tools)
    return RootfsError(f"this host has no {names}, which the root filesystem needs", "\n".join(hints))


def search_path(configuration: str = "/etc/ld.so.conf") -> SearchPath:
    """Where this host's ld.so looks for libraries. musl's default directories are among glibc's."""
    multiarch = f"{os.uname().machine}-linux-gnu"
    lib = f"lib/{multiarch}" if Path("/lib", multiarch).is_dir() else "lib64"
    default = dict.fromkeys((f"/{lib}", f"/usr/{lib}", *SearchPath().default))
    return SearchPath(tuple(dict.fromkeys(_configured(configuration, set()))), tuple(default), lib)


def _configured(pattern: str, seen: set[str]) -> list[str]:
    """The directories named by ld.so.conf(5)-like files, ``include`` followed, each file once."""
    directories: list[str] = []
    for path in sorted(glob.glob(pattern)):  # noqa: PTH207 (the pattern is absolute)
        if path in seen:
            continue
        seen.add(path)
        try:
            text = Path(path).read_text(errors="surrogateescape")
        except OSError:
            continue  # ldconfig passes over unreadable files too
        for line in text.splitlines():
            words = line.split("#", 1)[0].replace(",", " ").replace(":", " ").split()
            if words[:1] == ["include"]:
                for inner in words[1:]:
                    directories += _configured(os.path.join(os.path.dirname(path), inner), seen)  # noqa: PTH118, PTH120
            elif words[:1] != ["hwcap"]:
                directories += [word.rstrip("/") for word in words if word.startswith("/")]
    return directories
