"""The supervisor's event loop: descriptors and who handles them. Smaller and sooner started than asyncio."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable

Handler = Callable[[], None]


def ignore_for_oneself() -> None:
    """What a terminal sends (it is the app's) is ignored, and what Python itself ignores stays so; but none of it by
    SIG_IGN, which execve(2) would hand on to commands."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, lambda *_: None)


class Loop:
    """Calls the handler of each descriptor that can be read, until ``stop``."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Handler] = {}
        self._running = True
        self._before_waiting: Handler = lambda: None
        self._in_quiet: Handler | None = None
        self.quiet = 0.0
        """Seconds."""

    def watch(self, fd: int, handler: Handler, only_end: bool = False) -> None:
        """Call ``handler`` whenever ``fd`` can be read, or its other end is closed; ``only_end``: only then."""
        self._handlers[fd] = handler
        self._epoll.register(fd, 0 if only_end else select.EPOLLIN)  # the end (EPOLLHUP) is always told

    def forget(self, fd: int) -> None:
        """No longer; before ``fd`` is closed."""
        self._epoll.unregister(fd)
        del self._handlers[fd]

    def stop(self) -> None:
        """Leave ``run`` after this round."""
        self._running = False

    def before_waiting(self, handler: Handler) -> None:
        """Call ``handler`` whenever all that has happened is dealt with."""
        self._before_waiting = handler

    def when_quiet(self, handler: Handler) -> None:
        """Call ``handler`` each time that nothing has happened for a moment (``quiet``)."""
        self._in_quiet = handler

    def catch_signals(self, on_child: Handler) -> None:
        """SIGTERM stops the loop, SIGCHLD calls ``on_child``; what a terminal sends (it is the app's) is ignored."""
        wake, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

        def drain() -> None:
            os.read(wake, 4096)
            on_child()

        signal.set_wakeup_fd(woken)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self.stop())
        ignore_for_oneself()
        self.watch(wake, drain)

    def run(self) -> None:
        """Until ``stop``."""
        quiet = False
        while self._running:
            self._before_waiting()
            ready = self._epoll.poll(self.quiet if self._in_quiet and not quiet else None)
            if quiet := not ready and self._in_quiet is not None:
                self._in_quiet()
            for fd, handler in [(fd, self._handlers[fd]) for fd, _ in ready]:
                # An earlier handler of this round may have forgotten it, and its number may be another's by now.
                if self._handlers.get(fd) is handler:
                    handler()
