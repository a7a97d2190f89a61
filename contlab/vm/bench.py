"""Bench: a guest's boot beside the same QEMU command run bare, in turns: what else the host does hits both."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import socket
import statistics
import time
from dataclasses import dataclass

from contlab.errors import UnavailableError
from contlab.vm import qemu, wire
from contlab.vm.machine import Machine
from contlab.vm.qemu import Guest
from contlab.vm.starter import Starter

LIMIT = 1.25
"""The most that contlab's boot may take, in bare ones."""

DEADLINE = 60.0
"""Seconds for one boot."""

MORTAL = ("setpriv", "--pdeathsig", "KILL")
"""Before a command: it dies with us, however that is. It costs an exec, which the bare boot is charged with."""


@dataclass(frozen=True, slots=True)
class Boots:
    """Seconds of each boot, until the agent's first byte; pairs are neighbours in time."""

    contlab: tuple[float, ...]
    bare: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """The median of the pairs' ratios: 1.0 is as fast as QEMU by itself."""
        return statistics.median(ours / theirs for ours, theirs in zip(self.contlab, self.bare, strict=True))


async def boots(guest: Guest, starter: Starter, pairs: int = 5) -> Boots:
    """Boot ``guest`` so many times each way; UnavailableError when one doesn't come up."""
    ours, bare = [], []
    for _ in range(pairs):
        bare.append(await asyncio.to_thread(_bare, guest))
        began = time.monotonic()
        machine = await Machine.boot(guest, starter, DEADLINE)
        ours.append(time.monotonic() - began)
        await machine.kill()
    return Boots(tuple(ours), tuple(bare))


def _bare(guest: Guest) -> float:
    """QEMU by fork and exec, and a read that blocks until the guest's first word: what there is no way around."""
    pairs = [socket.socketpair() for _ in range(3)]
    with contextlib.ExitStack() as stack:
        for end in (end for pair in pairs for end in pair):
            stack.enter_context(end)
        numbers = [theirs.fileno() for _, theirs in pairs]
        command = (*(MORTAL if shutil.which(MORTAL[0]) else ()), *qemu.command(guest, *numbers))
        for number in numbers:
            os.set_inheritable(number, True)
        began = time.monotonic()
        null = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in range(3)]
        pid = os.posix_spawnp(command[0], command, os.environ, file_actions=null)
        try:
            for _, theirs in pairs:
                theirs.close()
            return _first_word(pairs[1][0], began)
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


def _first_word(agent: socket.socket, began: float) -> float:
    decoder = wire.Decoder()
    while (left := began + DEADLINE - time.monotonic()) > 0:
        agent.settimeout(left)
        try:
            data = agent.recv(1 << 16)
        except TimeoutError:
            break
        if not data:
            raise UnavailableError("the bare QEMU ended before its guest was up", "Look at: contlab vm status")
        if decoder.feed(data):
            return time.monotonic() - began
    raise UnavailableError(f"the bare QEMU's guest was not up within {DEADLINE:.0f} s", "Look at: contlab vm status")
