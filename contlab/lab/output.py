"""Reading what a command prints: drained as fast as it comes, kept within bounds."""

from __future__ import annotations

import asyncio
import codecs
import os
from collections.abc import Callable

KEPT = 64 << 10
"""Characters kept of a run's output: the last ones."""
SHOWN = 8 << 10
"""Characters passed on at a time; a flood's middle is left out, and says so."""
INTERVAL = 0.05
"""Seconds between two pieces passed on: what a screen can show."""


class OutputReader:
    """The reading end of a pipe on the event loop. ``write_fd`` goes to the child; close it here after that.

    ``whole``: leave nothing out; whoever prints waits for ``passed_on``, as on any full pipe.
    """

    def __init__(self, passed_on: Callable[[str], None], *, whole: bool = False) -> None:
        self._passed_on = passed_on
        self._whole = whole
        self._loop = asyncio.get_running_loop()
        self._read_fd, self.write_fd = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._read_fd, False)
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self._pending = ""
        self._left_out = 0
        self._timer: asyncio.TimerHandle | None = None
        self.open = True
        """There may be more to read."""
        self.kept = ""
        """The last ``KEPT`` characters."""
        self._loop.add_reader(self._read_fd, self._readable)

    def child_has_it(self) -> None:
        """Close our copy of the writing end, so that end of file comes when the last writer is gone."""
        os.close(self.write_fd)

    def drain(self) -> None:
        """Take what is there now, and pass on everything: the command has ended (its children may go on)."""
        self._readable(limit=1 << 24)
        self._flush()

    def close(self) -> None:
        """Stop reading."""
        if self.open:
            self.open = False
            self._loop.remove_reader(self._read_fd)
            os.close(self._read_fd)
            self._take(self._decoder.decode(b"", final=True))
            self._flush()

    def _readable(self, limit: int = 1 << 20) -> None:
        """At most ``limit`` bytes at a time, so that a flood does not keep the loop from its other work."""
        taken = 0
        while self.open and taken < limit:
            try:
                data = os.read(self._read_fd, 1 << 16)
            except BlockingIOError:
                return
            if not data:
                self.close()
                return
            taken += len(data)
            self._take(self._decoder.decode(data))

    def _take(self, text: str) -> None:
        self.kept = (self.kept + text)[-KEPT:]
        self._pending += text
        if self._whole and len(self._pending) > SHOWN:
            self._flush()
        elif len(self._pending) > SHOWN:
            self._left_out += len(self._pending) - SHOWN
            self._pending = self._pending[-SHOWN:]
        if self._timer is None and self._pending:
            self._timer = self._loop.call_later(INTERVAL, self._flush)

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._pending:
            skipped = f"... {self._left_out} characters left out ...\n" if self._left_out else ""
            text, self._pending, self._left_out = skipped + self._pending, "", 0
            self._passed_on(text)
