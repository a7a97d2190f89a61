"""Monitor: what QEMU itself says of a guest, over its machine protocol (QMP), with QEMU's own library."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from dataclasses import dataclass
from typing import Any

from qemu.qmp import QMPClient, QMPError

from contlab.errors import UnavailableError

logging.getLogger("qemu.qmp").addHandler(logging.NullHandler())
logging.getLogger("qemu.qmp").propagate = False  # that a guest has ended is no news for stderr

ANSWER = 5.0
"""Seconds in which QEMU must answer; its monitor waits for no guest."""


@dataclass(frozen=True, slots=True)
class State:
    """A guest as its hypervisor sees it."""

    status: str
    """QEMU's RunState: "running", "paused", "guest-panicked", ..."""
    memory: int
    """Bytes of RAM that it was given."""
    kvm: bool
    """Its instructions run on the processor; False: QEMU translates them (TCG)."""


class Monitor:
    """One guest's monitor. Connected when it is first asked: booting waits for nothing."""

    def __init__(self, ours: socket.socket) -> None:
        self._socket: socket.socket | None = ours
        self._client = QMPClient("contlab")
        self._turn = asyncio.Lock()

    async def state(self) -> State:
        """How the guest is now; UnavailableError when its QEMU doesn't say."""
        async with self._turn:
            try:
                async with asyncio.timeout(ANSWER):
                    if self._socket is not None:
                        ours, self._socket = self._socket, None
                        await self._client.connect(ours)
                    status: Any = await self._client.execute("query-status")
                    memory: Any = await self._client.execute("query-memory-size-summary")
                    kvm: Any = await self._client.execute("query-kvm")
            except (TimeoutError, QMPError, EOFError, OSError) as error:
                raise UnavailableError("the guest's QEMU does not answer", "Boot the guest again.") from error
        return State(status["status"], memory["base-memory"], kvm["enabled"])

    async def close(self) -> None:
        """Let go of it, in whatever state it is."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        with contextlib.suppress(QMPError, EOFError, OSError):
            await self._client.disconnect()
