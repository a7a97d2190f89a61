"""Pump: a lab's news, handed over one by one; a flood of it never keeps the screen from its keys."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from contlab.lab.protocol import Lab, News

SLICE = 0.008
"""Seconds that news may be taken in before keys and drawing get their turn."""


async def pump(lab: Lab, hear: Callable[[News], None]) -> None:
    """Until the lab is closed or dies."""
    taken = time.monotonic()
    async for news in lab.news():
        hear(news)
        if time.monotonic() - taken > SLICE:
            await asyncio.sleep(0)
            taken = time.monotonic()
