"""The client's end of the socket: messages out without ever blocking, messages in as they come."""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Callable, Sequence

from contlab.errors import RuntimeFailure
from contlab.runtime.protocol import MESSAGE_SIZE

EVENT_SIZE = 1 << 20
"""The most bytes of one event."""


class Wire:
    """``heard`` is called with every message, ``ended`` once, when the other end is closed."""

    def __init__(self, ours: socket.socket, heard: Callable[[bytes], None], ended: Callable[[], None]) -> None:
        self._socket = ours
        self._heard = heard
        self._ended = ended
        self._waiting: deque[tuple[bytes, list[int]]] = deque()
        self._loop = asyncio.get_running_loop()
        self._open = True
        ours.setblocking(False)
        self._loop.add_reader(ours.fileno(), self._receive)

    def send(self, message: bytes, fds: Sequence[int] = ()) -> None:
        """Send now, or as soon as there is room; the descriptors may be closed at once."""
        if len(message) > MESSAGE_SIZE:
            hint = "Shorten the command, the environment or the files: a file can be bound instead."
            raise RuntimeFailure(f"a request of {len(message)} bytes is larger than {MESSAGE_SIZE}", hint)
        if not self._open:
            return
        self._waiting.append((message, [os.dup(fd) for fd in fds]))
        if len(self._waiting) == 1:
            self._flush()

    def close(self) -> None:
        """Let go of the socket; the other end sees the end of the file."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._socket.fileno())
            self._loop.remove_writer(self._socket.fileno())
            self._socket.close()
            while self._waiting:
                self._forget_first()

    def _flush(self) -> None:
        while self._waiting:
            message, fds = self._waiting[0]
            try:
                socket.send_fds(self._socket, [message], fds)
            except BlockingIOError:
                self._loop.add_writer(self._socket.fileno(), self._flush)
                return
            except (BrokenPipeError, ConnectionResetError):
                break  # what it said before is still to be read, and then its end
            self._forget_first()
        self._loop.remove_writer(self._socket.fileno())

    def _forget_first(self) -> None:
        for fd in self._waiting.popleft()[1]:
            os.close(fd)

    def _receive(self) -> None:
        try:
            message = self._socket.recv(EVENT_SIZE)
        except BlockingIOError:
            return
        except ConnectionResetError:
            message = b""
        if message:
            self._heard(message)
        else:
            self.close()
            self._ended()
