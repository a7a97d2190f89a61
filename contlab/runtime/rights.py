"""Rights: what the supervisor's user may do here, and so by which way containers are made."""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass

from contlab.linux.flags import CAP
from contlab.linux.syscalls import capget

IdRange = tuple[int, int]
"""First id and count."""


@dataclass(frozen=True, slots=True)
class Rights:
    """One user's, on one host."""

    uid: int
    gid: int
    admin: bool
    """CAP_SYS_ADMIN: namespaces, mounts and chroot without a user namespace of one's own first."""
    uids: IdRange | None = None
    """The range of subordinate uids that newuidmap(1) may map for this user (subuid(5)); None: it can't."""
    gids: IdRange | None = None

    @property
    def ranges(self) -> bool:
        """Whether more than the own ids can be mapped."""
        return self.uids is not None and self.gids is not None


ROOT = Rights(0, 0, True)
"""Whom nothing is denied."""


def read_rights() -> Rights:
    """Those of this process."""
    uid, gid = os.geteuid(), os.getegid()
    if CAP.CAP_SYS_ADMIN in capget():
        return Rights(uid, gid, True)
    if not (_in_path("newuidmap") and _in_path("newgidmap")):
        return Rights(uid, gid, False)
    return Rights(uid, gid, False, _subordinate("/etc/subuid", uid), _subordinate("/etc/subgid", uid))


def _in_path(program: str) -> bool:
    folders = (*os.environ.get("PATH", "").split(":"), "/usr/bin", "/bin")
    return any(os.access(f"{folder}/{program}", os.X_OK) for folder in folders if folder)


def _subordinate(file: str, uid: int) -> IdRange | None:
    """The user's first range in subuid(5) or subgid(5), where users stand by name or number."""
    try:
        names = {str(uid), pwd.getpwuid(uid).pw_name}
    except KeyError:
        names = {str(uid)}
    try:
        with open(file, encoding="utf-8") as lines:
            rows = [line.strip().split(":") for line in lines]
    except OSError:
        return None
    for row in rows:
        if len(row) == 3 and row[0] in names and row[1].isdecimal() and row[2].isdecimal() and int(row[2]) > 0:
            return int(row[1]), int(row[2])
    return None
