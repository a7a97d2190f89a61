"""Comparing: measure what can be measured here, take the model for the rest, and say which is which."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Literal

import msgspec

from contlab.errors import ContlabError
from contlab.lab.compare import Comparison, Measuring
from contlab.lab.compare_measure import LOAD, Extent, Measured, measuring
from contlab.lab.compare_rows import Sizes, density, fits, rows
from contlab.lab.guest import ingredients, tree
from contlab.linux.sizes import format_size
from contlab.vm import model
from contlab.vm.inventory import look
from contlab.vm.model import ModelParameters
from contlab.vm.qemu import MIB


async def compare(
    vm: Literal["measured", "model"] = "measured",
    extent: Extent | None = None,
    modelled: ModelParameters | None = None,
) -> AsyncGenerator[Measuring | Comparison, None]:
    """Tell each step, what is known by then, and at last the whole. Whatever ends it, nothing is left.

    A VM that can't be booted is a model, and ``Comparison.why`` says why. ``modelled``: which VM the model is of; its
    RAM and its load are what is measured with, too.
    """
    extent, measured = extent or Extent(), Measured()
    modelled = msgspec.structs.replace(
        modelled or ModelParameters(), memory=extent.memory, network=False, payload=LOAD * MIB
    )
    inventory = await asyncio.to_thread(look)
    with_guest = vm == "measured" and inventory.bootable
    if vm == "measured" and not with_guest:
        measured.why += [
            f"the VM is a model: {p.what}. {p.fix}" for p in inventory.parts if not p.there and p.name != "kvm"
        ]
    parts = {part.name: part.what for part in inventory.parts}
    conditions = await asyncio.to_thread(_conditions, parts, extent, modelled)
    sizes: Sizes | None = None
    async with contextlib.aclosing(measuring(measured, extent, with_guest)) as steps:
        async for step in steps:
            if sizes is not None:
                yield _made(measured, extent, modelled, conditions, sizes, complete=False)
            yield step
            if sizes is None:
                sizes = await asyncio.to_thread(_sizes, with_guest)
    yield _made(measured, extent, modelled, conditions, sizes or Sizes(0, 0, 0), complete=True)


def _made(
    measured: Measured, extent: Extent, parameters: ModelParameters, conditions: dict[str, str], sizes: Sizes,
    complete: bool,
) -> Comparison:  # fmt: skip
    host_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    parameters = msgspec.structs.replace(parameters, rootfs=sizes.rootfs)
    modelled = {row.key: row for row in model.rows(parameters, host_bytes)}
    found = fits(measured, host_bytes)
    last = density(found, modelled, emulated=measured.accelerator == "tcg")
    made = (*rows(measured, modelled, extent.works, os.uname().release, sizes), *(() if last is None else (last,)))
    if complete:  # what is missing by now will not come
        made = tuple(row for row in made if row.host or row.container or row.vm)
    return Comparison(
        complete=complete,
        vm="measured" if measured.boots else "model",
        accelerator=measured.accelerator,
        conditions=conditions,
        why=tuple(measured.why),
        rows=made,
        fit=found,
    )


def _sizes(guest: bool) -> Sizes:
    root = tree("busybox").path
    used = sum(path.lstat().st_size for path in root.rglob("*"))
    image = kernel = 0
    if guest:
        with contextlib.suppress(ContlabError):  # it was there a minute ago
            found, made = ingredients("busybox")
            image, kernel = made.stat().st_size, found.bytes
    return Sizes(used, image, kernel)


def _conditions(parts: dict[str, str], extent: Extent, modelled: ModelParameters) -> dict[str, str]:
    processor = next((line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if "model name" in line), "?")
    return {
        "at": time.strftime("%Y-%m-%d %H:%M"),
        "host kernel": os.uname().release,
        "processors": f"{os.cpu_count()} × {processor}",
        "memory": format_size(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")),
        "load": " ".join(f"{load:.2f}" for load in os.getloadavg()),
        "qemu": parts["qemu"],
        "guest kernel": parts["kernel"],
        "guest": f"{format_size(extent.memory)}, 1 processor",
        "model": f"{modelled.hypervisor}, {modelled.os} kernel, {modelled.disk} image",
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text(errors="replace").splitlines()
