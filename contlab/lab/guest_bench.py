"""The guest's boot as contlab makes it, supervised, against bare QEMU: what ``contlab bench boot`` prints."""

from __future__ import annotations

import asyncio

from contlab.lab.guest import MEMORY, ingredients
from contlab.lab.guest_starter import SupervisedStarter
from contlab.runtime.client import Runtime
from contlab.vm import bench, power
from contlab.vm.qemu import Accelerator, Guest


async def boots(pairs: int = 5) -> bench.Boots:
    """On the first board, by the accelerator that works here; the supervisor is there already, as in the app."""
    kernel, image = await asyncio.to_thread(ingredients, "busybox")
    known = power.remembered()
    accelerator = Accelerator.KVM if known is not None and known.works else Accelerator.TCG
    async with Runtime() as runtime:
        guest = Guest(kernel.path, image, MEMORY, accelerator=accelerator)
        return await bench.boots(guest, SupervisedStarter(runtime, "bench", MEMORY), pairs)
