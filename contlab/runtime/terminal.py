"""The near end of a container's terminal, and its ties to our own one."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import termios
import time
import tty
from collections.abc import Callable, Iterator
from typing import Self

from contlab.linux import terminal as pty
from contlab.runtime.handle import Stdio
from contlab.runtime.protocol import Window

CHUNK = 4096
"""Bytes at a time: a slow reader of what it prints must not keep the keys waiting."""
USUAL = Window()
ESCAPE, ESCAPES, WITHIN = 0x1D, 3, 1.0
"""Ctrl-], so often within so many seconds, asks for the container's end: systemd-nspawn's habit."""
END_OF_FILE = b"\x04"


class Terminal:
    """Given to ``Runtime.spawn`` or ``Container.exec`` instead of three descriptors; to be closed, as by ``with``."""

    def __init__(self, window: Window = USUAL) -> None:
        self.window = window
        self.master = -1
        """Once the command runs: what is written goes in as if typed, what is read the container printed."""
        self._ours, self._theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def stdio(self) -> Stdio:
        """What goes along with the request: the socket that the master comes back over."""
        return (self._theirs.fileno(),) * 3

    def arrive(self) -> None:
        """Take the master, which was sent before the command ran."""
        _, fds, _, _ = socket.recv_fds(self._ours, 16, 1)
        (self.master,) = fds
        os.set_inheritable(self.master, False)
        self._close_sockets()

    def resize(self, window: Window) -> None:
        """The window has changed: SIGWINCH for what is in the foreground inside."""
        self.window = window
        if self.master != -1:
            pty.set_size(self.master, window.rows, window.columns)

    def close(self) -> None:
        """Hang up: SIGHUP for what still runs on it."""
        self._close_sockets()
        if self.master != -1:
            os.close(self.master)
            self.master = -1

    def _close_sockets(self) -> None:
        self._ours.close()
        self._theirs.close()


def window_of(fd: int) -> Window:
    """The size of the terminal that a descriptor is; the usual one when it is none, or does not know."""
    with contextlib.suppress(OSError):
        rows, columns = pty.size(fd)
        if rows and columns:
            return Window(rows, columns)
    return USUAL


@contextlib.contextmanager
def raw(fd: int) -> Iterator[None]:
    """Every key is the container's, Ctrl-C and Ctrl-Z too; as before afterwards, and while we are stopped (SIGTSTP).

    Whatever ends the block ends this; SIGKILL alone leaves the terminal raw: `reset` and Ctrl-J mend it.
    """
    if not os.isatty(fd):
        yield
        return
    kept = termios.tcgetattr(fd)

    def restore() -> None:
        with contextlib.suppress(termios.error):  # it hung up
            termios.tcsetattr(fd, termios.TCSANOW, kept)

    def stop() -> None:
        restore()
        os.kill(os.getpid(), signal.SIGSTOP)

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTSTP, stop)
    loop.add_signal_handler(signal.SIGCONT, tty.setraw, fd, termios.TCSANOW)
    try:
        tty.setraw(fd, termios.TCSANOW)
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTSTP)
        loop.remove_signal_handler(signal.SIGCONT)
        restore()


class Attachment:
    """Our stdin and stdout, tied to a container's terminal: keys go in, what it prints comes out, sizes follow."""

    def __init__(self, terminal: Terminal, source: int, sink: int, escaped: Callable[[], None]) -> None:
        """``escaped``: called at three Ctrl-] within a second."""
        self._terminal = terminal
        self._source, self._sink = source, sink
        self._escaped = escaped
        self._typed = b""
        self._last_typed = b"\n"
        self._printed = b""
        self._escapes: list[float] = []
        self._loop = asyncio.get_running_loop()
        self.ended = asyncio.Event()
        """No process has the terminal open any more, or nobody reads what we print."""

    @contextlib.contextmanager
    def attached(self) -> Iterator[Self]:
        """While this lasts."""
        self._loop.add_signal_handler(signal.SIGWINCH, self._resized)
        self._listen()
        self._loop.add_reader(self._terminal.master, self._print)
        try:
            with raw(self._source):
                yield self
        finally:
            self._loop.remove_signal_handler(signal.SIGWINCH)
            self._loop.remove_reader(self._source)
            self._loop.remove_writer(self._sink)
            self._loop.remove_reader(self._terminal.master)
            self._loop.remove_writer(self._terminal.master)

    async def drained(self, seconds: float = 1.0) -> None:
        """The rest of what was printed; what has the terminal open all the same is not waited for any longer."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.ended.wait(), seconds)

    def _resized(self) -> None:
        self._terminal.resize(window_of(self._source))

    # --- keys -------------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        try:
            self._loop.add_reader(self._source, self._type)
        except PermissionError:  # epoll(7) takes no files, which can always be read
            self._loop.add_writer(self._terminal.master, self._type)

    def _type(self) -> None:
        try:
            keys = os.read(self._source, CHUNK)
        except BlockingIOError:
            return
        except OSError:  # our terminal hung up
            keys = b""
        self._loop.remove_reader(self._source)
        self._typed = keys or (END_OF_FILE if self._last_typed.endswith(b"\n") else END_OF_FILE * 2)
        self._last_typed = keys[-1:] or self._last_typed
        self._count_escapes(keys)
        self._feed(over=not keys)

    def _feed(self, over: bool = False) -> None:
        """Write what was typed; the next keys are read when it is in."""
        try:
            self._typed = self._typed[os.write(self._terminal.master, self._typed) :]
        except BlockingIOError:
            pass
        except OSError:  # EIO: nobody has it open
            return
        self._loop.remove_writer(self._terminal.master)
        if self._typed:
            self._loop.add_writer(self._terminal.master, self._feed, over)
        elif not over:
            self._listen()

    def _count_escapes(self, keys: bytes) -> None:
        now = time.monotonic()
        self._escapes = [at for at in self._escapes if at > now - WITHIN] + [now] * keys.count(ESCAPE)
        if len(self._escapes) >= ESCAPES:
            self._escapes = []
            self._escaped()

    # --- what it prints ---------------------------------------------------------------------------------------------

    def _print(self) -> None:
        try:
            self._printed = os.read(self._terminal.master, CHUNK)
        except BlockingIOError:
            return
        except OSError:  # EIO: the last one closed it
            self._printed = b""
        self._loop.remove_reader(self._terminal.master)
        if not self._printed:
            self.ended.set()
            return
        try:
            self._loop.add_writer(self._sink, self._flush)  # as fast as we are read, so fast it may print
        except PermissionError:
            while self._printed:
                self._flush()

    def _flush(self) -> None:
        try:
            self._printed = self._printed[os.write(self._sink, self._printed) :]
        except BlockingIOError:
            return
        except OSError:  # nobody reads it any more
            self._printed = b""
            self._loop.remove_writer(self._sink)
            self.ended.set()
            self._escaped()
            return
        if not self._printed:
            self._loop.remove_writer(self._sink)
            self._loop.add_reader(self._terminal.master, self._print)
