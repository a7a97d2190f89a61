"""Trials: what only doing it tells. Each is done in a process of its own and leaves nothing; the app never forks.

``python -m contlab.doctor.trial`` prints one JSON object, word -> why not ("" when it worked).
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from contlab.linux.errno import SyscallError
from contlab.linux.flags import CLONE, MS
from contlab.linux.syscalls import mount, pivot_root, unshare

WORKPLACE = "/tmp"
"""Covered by a tmpfs in the trial's own mount namespace, so nothing that is written there stays."""


def _userns() -> None:
    # clone(2) may succeed and the capabilities still be denied (AppArmor), so they are used.
    _workplace(own_user=True)


def _overlay() -> None:
    own_user = os.geteuid() != 0
    _workplace(own_user)
    _mount_overlay(own_user)


def _overlay_userns() -> None:
    _workplace(own_user=True)
    _mount_overlay(own_user=True)


def _pivot_root() -> None:
    _workplace(own_user=os.geteuid() != 0)
    os.chdir(WORKPLACE)
    pivot_root(".", ".")


def _proc() -> None:
    # Refused when the proc that is already there has files covered by mounts, as container engines do.
    own_user = os.geteuid() != 0
    _workplace(own_user)
    unshare(CLONE.NEWPID)
    if reason := _in_child(lambda: mount("proc", WORKPLACE, "proc", MS.NOSUID | MS.NODEV | MS.NOEXEC)):
        raise RuntimeError(reason)


TRIALS: dict[str, Callable[[], None]] = {
    "userns": _userns,
    "overlay": _overlay,
    "overlay-userns": _overlay_userns,
    "pivot_root": _pivot_root,
    "proc": _proc,
}


def _workplace(own_user: bool) -> None:
    """Enter a new mount namespace (in a new user namespace, as its root) with an empty tmpfs at the workplace."""
    uid, gid = os.geteuid(), os.getegid()
    unshare(CLONE.NEWNS | (CLONE.NEWUSER if own_user else CLONE(0)))
    if own_user:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
        Path("/proc/self/gid_map").write_text(f"0 {gid} 1")
    mount("", "/", "", MS.REC | MS.PRIVATE)
    mount("contlab-trial", WORKPLACE, "tmpfs", MS.NOSUID | MS.NODEV)


def _mount_overlay(own_user: bool) -> None:
    lower, upper, work, merged = (f"{WORKPLACE}/{name}" for name in ("lower", "upper", "work", "merged"))
    for directory in (lower, upper, work, merged):
        Path(directory).mkdir()
    options = ",userxattr" if own_user else ""  # as the runtime does
    if own_user:
        try:
            os.setxattr(upper, "user.contlab", b"")
        except OSError:
            raise RuntimeError("tmpfs keeps no user attributes here (Linux 6.6 does)") from None
    mount("contlab-trial", merged, "overlay", MS(0), f"lowerdir={lower},upperdir={upper},workdir={work}{options}")


def _in_child(action: Callable[[], None]) -> str:
    """Do it in a forked child; why it failed, or ""."""
    receive, send = os.pipe()
    child = os.fork()
    if child == 0:
        reason = ""
        try:
            action()
        except SyscallError as error:
            reason = f"{error.call}: {error.explanation}"
        except (OSError, RuntimeError) as error:
            reason = str(error)
        os.write(send, reason.encode())
        os._exit(0)
    os.close(send)
    with open(receive, encoding="utf-8") as report:  # noqa: PTH123 - a descriptor
        reason = report.read()
    os.waitpid(child, 0)
    return reason


if __name__ == "__main__":
    print(json.dumps({word: _in_child(trial) for word, trial in TRIALS.items()}))  # noqa: T201 - its whole purpose
