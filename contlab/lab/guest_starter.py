"""Who runs the guests' QEMUs: the supervisor, so that a guest dies with the app as any container does."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from contlab.lab.guest import Guests


@contextlib.asynccontextmanager
async def open_guests() -> AsyncIterator[Guests]:
    """A run of guests; none is left after it."""
    async with Guests() as guests:
        yield guests
