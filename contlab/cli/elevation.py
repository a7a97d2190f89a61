"""Elevation: ``--sudo`` makes root of the supervisor alone. The password is asked for before anything is drawn."""

from __future__ import annotations

import os
import shutil
import subprocess

from contlab.errors import NotPermittedError, UnavailableError

HELP = "Make contlab's supervisor root by sudo(8); everything else stays you."


def elevate(wanted: bool) -> bool:
    """Whether the supervisor is to be started by sudo, which can then do so without asking again.

    It may ask for a password now, on the terminal. NotPermittedError when it does not let us.
    """
    if not wanted or os.geteuid() == 0:
        return False
    if shutil.which("sudo") is None:
        raise UnavailableError("--sudo: there is no sudo here", "Run contlab as root instead: su -c contlab")
    # A rule without a password may cover commands and not -v, and the other way round.
    if not _quiet("-v") and not _quiet("true") and subprocess.run(["sudo", "-v"], check=False).returncode:
        raise NotPermittedError("sudo does not let you be root", "Try `sudo -v`; it says why.")
    return True


def _quiet(*arguments: str) -> bool:
    done = subprocess.run(["sudo", "-n", *arguments], check=False, stdin=subprocess.DEVNULL, capture_output=True)
    return done.returncode == 0
