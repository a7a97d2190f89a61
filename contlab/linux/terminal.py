"""Pseudoterminals: pty(7), and the requests of ioctl_tty(2), whose numbers x86_64 and aarch64 share."""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
import termios

from contlab.linux.errno import SyscallError

_TIOCSPTLCK, _TIOCGPTPEER, _TIOCGPTN = 0x4004_5431, 0x5441, 0x8004_5430
_MULTIPLEXER = os.makedev(5, 2)
_IUTF8 = 0o40000
"""termios(3): the line editor rubs out whole characters of UTF-8. The termios module lacks it before Python 3.12."""


def open_pair(multiplexer: str) -> tuple[int, int]:
    """A new terminal of the devpts that ``multiplexer`` (its ptmx) belongs to: master, which never blocks, and slave.

    The slave comes from the master itself: by its name another file could be met. SyscallError.
    """
    try:
        # O_NONBLOCK: whoever may write there could have put a FIFO in its place, which would wait for a writer.
        master = os.open(multiplexer, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise SyscallError("open", error.errno or 0, multiplexer) from None
    try:
        if os.fstat(master).st_rdev != _MULTIPLEXER:
            raise SyscallError("open", errno.ENOTTY, multiplexer)
        fcntl.ioctl(master, _TIOCSPTLCK, struct.pack("i", 0))
        return master, fcntl.ioctl(master, _TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except SyscallError:
        os.close(master)
        raise
    except OSError as error:
        os.close(master)
        raise SyscallError("ioctl", error.errno or 0, multiplexer) from None


def number(master: int) -> int:
    """N of its slave's name, /dev/pts/N."""
    found: int = struct.unpack("i", fcntl.ioctl(master, _TIOCGPTN, bytes(4)))[0]
    return found


def set_size(terminal: int, rows: int, columns: int) -> None:
    """Its window's; SIGWINCH goes to its foreground process group when that is news (TIOCSWINSZ)."""
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))


def size(terminal: int) -> tuple[int, int]:
    """Rows and columns (TIOCGWINSZ); OSError when it is no terminal."""
    rows, columns, _, _ = struct.unpack("4H", fcntl.ioctl(terminal, termios.TIOCGWINSZ, bytes(8)))
    return rows, columns


def take(multiplexer: str, rows: int, columns: int, owner: int | None) -> int:
    """A new terminal for this process, a session's leader: its controlling one, and its stdin, stdout and stderr.

    Descriptor 0 is a socket before, and the master goes over it. Returns the slave's number; SyscallError.
    ``owner``: the uid that the slave is given to.
    """
    master, slave = open_pair(multiplexer)
    try:
        set_size(slave, rows, columns)
        modes = termios.tcgetattr(slave)
        modes[0] |= _IUTF8
        termios.tcsetattr(slave, termios.TCSANOW, modes)
        if owner is not None:
            os.fchown(slave, owner, -1)
        fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        with socket.socket(fileno=os.dup(0)) as over:
            socket.send_fds(over, [b"terminal"], [master])
        for fd in (0, 1, 2):
            os.dup2(slave, fd)
        return number(master)
    except (OSError, termios.error) as error:
        raise SyscallError("ioctl", int(error.args[0]), multiplexer) from None
    finally:
        os.close(master)
        os.close(slave)
