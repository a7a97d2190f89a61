"""Leash: starts a program that is killed when its parent ends, however that ends.

Run as ``python leash.py PARENT_PID COMMAND...``.

The kernel's parent-death signal must be asked for in the child between fork and exec; running Python there, in a
process with threads, can deadlock. So this small program is executed, asks, and executes the command.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Arm the signal, and become the command. The parent may have died before: then there is nothing to do."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)
    os.execvp(sys.argv[2], sys.argv[2:])


if __name__ == "__main__":
    main()
