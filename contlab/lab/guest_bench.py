"""The guest's boot as contlab makes it, supervised, against bare QEMU: what ``contlab bench boot`` prints."""

from __future__ import annotations

import asyncio

import msgspec

from contlab.lab.compare import Spread, spread
from contlab.lab.guest import MEMORY, ingredients
from contlab.lab.guest_starter import open_starters
from contlab.vm import bench, power
from contlab.vm.qemu import Accelerator, Board, Guest


class Boots(msgspec.Struct, frozen=True, kw_only=True):
    """What the boots came to. Times are seconds, from the request to the agent's first word."""

    accelerator: Accelerator
    board: Board
    memory: int
    """Bytes of RAM of the guest."""
    release: str
    """Its kernel."""
    why: tuple[str, ...]
    """What was tried before, and why not: a sentence each."""
    contlab: Spread
    bare: Spread
    ratio: float
    """contlab's boot in bare ones: the median over neighbours in time."""
    limit: float = bench.LIMIT
    """The most that it is to be."""


async def boots(runs: int = 5) -> Boots:
    """Boot so many guests each way, in turns, by what works here; UnavailableError when none comes up.

    The supervisor is there already, as in the app. A first guest, which isn't counted, finds out whether KVM works and
    has the host read what all of them need.
    """
    power.require_qemu()
    kernel, image = await asyncio.to_thread(ingredients, "busybox")
    async with open_starters() as starters:
        starter = starters("bench", MEMORY)
        first = await power.bring_up(Guest(kernel.path, image, MEMORY), starter)
        await first.machine.kill()
        guest = first.machine.guest
        measured = await bench.boots(guest, starter, runs)
    return Boots(
        accelerator=guest.accelerator,
        board=guest.board,
        memory=guest.memory,
        release=first.machine.release,
        why=first.failed,
        contlab=spread(measured.contlab),
        bare=spread(measured.bare),
        ratio=measured.ratio,
    )
