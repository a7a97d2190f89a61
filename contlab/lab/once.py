"""One container and no lesson: what ``contlab spawn`` does."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable
from functools import partial

from contlab.errors import NotPermittedError
from contlab.lab.output import OutputReader
from contlab.runtime import events
from contlab.runtime.cgroup import plan_cgroup, read_hierarchies
from contlab.runtime.client import Runtime, rootfs_of
from contlab.runtime.handle import Container
from contlab.runtime.plan import Places, Plan, compile_plan
from contlab.runtime.spec import ContainerSpec

PATIENCE = 1.0
"""Seconds between a first Ctrl-C and SIGKILL."""


def plan_of(name: str, spec: ContainerSpec) -> Plan:
    """What would be done on this host, with a run's number left open."""
    cgroup = plan_cgroup(read_hierarchies(), f"contlab-RUN-{name}", spec.limits, {})
    at = "/run/contlab/contlab-RUN"
    return compile_plan(spec, Places(rootfs_of(spec), f"{at}/root", f"{at}/lower", f"{at}/copy-{name}"), cgroup, name)


async def run_once(
    name: str,
    spec: ContainerSpec,
    heard: Callable[[events.AnyEvent], None],
    printed: Callable[[str, str], None] | None,
    notice: Callable[[str], None],
) -> int:
    """Make it, wait for its end, remove it; returns the command's status, 130 after Ctrl-C.

    ``heard``: called with every event. ``printed``: called with stream and text of the command's output; None: the
    command has our own stdin, stdout and stderr. ``notice``: called with what the person at the keyboard should know.
    """
    if os.geteuid() != 0:
        raise NotPermittedError("making containers needs root here", "Run it as root: sudo contlab spawn ...")
    runtime = Runtime()
    interrupted = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, interrupted.set)
    try:
        await runtime.start()
        runtime.listen(heard)
        readers = [OutputReader(partial(printed, stream)) for stream in ("stdout", "stderr")] if printed else []
        stdio = (0, readers[0].write_fd, readers[1].write_fd) if readers else (0, 1, 2)
        try:
            container = await runtime.spawn(name, spec, stdio)
        finally:
            for reader in readers:
                reader.child_has_it()
        status = await _until_it_ends(container, interrupted, notice)
        for reader in readers:
            reader.drain()
            reader.close()
        await container.close()
        return status
    finally:
        await runtime.close()


async def _until_it_ends(container: Container, interrupted: asyncio.Event, notice: Callable[[str], None]) -> int:
    ended = asyncio.ensure_future(container.wait())
    asked = asyncio.ensure_future(interrupted.wait())
    await asyncio.wait((ended, asked), return_when=asyncio.FIRST_COMPLETED)
    if not ended.done():
        await container.signal(signal.SIGINT)
        await asyncio.wait((ended,), timeout=PATIENCE)
        if not ended.done():
            # The first process of a PID namespace gets only the signals that it has handlers for.
            notice("PID 1 has no handler for SIGINT, so the kernel drops it: killing it instead")
            await container.signal(signal.SIGKILL)
        await ended
        return 128 + signal.SIGINT
    asked.cancel()
    return ended.result().status
