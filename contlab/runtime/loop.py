"""The supervisor's event loop: descriptors and who handles them. Smaller and sooner started than asyncio."""

from __future__ import annotations

import os
import selectors
import signal
from collections.abc import Callable

Handler = Callable[[], None]


class Loop:
    """Calls the handler of each descriptor that can be read, until ``stop``."""

    def __init__(self) -> None:
        self._selector = selectors.EpollSelector()
        self._running = True

    @property
    def fd(self) -> int:
        """The epoll instance's own descriptor, which no child must keep."""
        return self._selector.fileno()

    def watch(self, fd: int, handler: Handler) -> None:
        """Call ``handler`` whenever ``fd`` can be read, or its other end is closed."""
        self._selector.register(fd, selectors.EVENT_READ, handler)

    def forget(self, fd: int) -> None:
        """No longer; before ``fd`` is closed."""
        self._selector.unregister(fd)

    def stop(self) -> None:
        """Leave ``run`` after this round."""
        self._running = False

    def catch_signals(self, on_child: Handler) -> None:
        """SIGTERM stops the loop, SIGCHLD calls ``on_child``; what a terminal sends (it is the app's) is ignored."""
        wake, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

        def drain() -> None:
            os.read(wake, 4096)
            on_child()

        signal.set_wakeup_fd(woken)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self.stop())
        # Not SIG_IGN, which execve(2) would hand on to the command; Python itself ignores the last two.
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, lambda *_: None)
        self.watch(wake, drain)

    def run(self) -> None:
        """Until ``stop``."""
        while self._running:
            for key, _ in self._selector.select():
                # An earlier handler of this round may have forgotten it, and its number may be another's by now.
                if self._selector.get_map().get(key.fd) is key:
                    key.data()
