"""Stop: SIGTERM and SIGHUP end a command as Ctrl-C does, by cancelling what it does, so that it cleans up."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator


class Stopped:
    """Whether one of them came."""

    status = 0
    """The exit code that says so: 128 + N; 0 when none came."""


@contextlib.contextmanager
def stoppable() -> Iterator[Stopped]:
    """Around all that a command does, in its main task: the cancelling ends here."""
    task, stopped = asyncio.current_task(), Stopped()
    assert task is not None

    def stop(number: int) -> None:
        stopped.status = 128 + number
        task.cancel()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop, number)
    try:
        yield stopped
    except asyncio.CancelledError:
        if not stopped.status:
            raise
    finally:
        for number in (signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)
