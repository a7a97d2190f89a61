"""One container and no lesson: what ``contlab spawn`` does."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import termios
from collections.abc import Callable, Iterator
from functools import partial

from contlab.lab.output import OutputReader
from contlab.observe.source import HostSource, read_or_none
from contlab.runtime import events
from contlab.runtime.cgroup import plan_cgroup, read_hierarchies
from contlab.runtime.client import Runtime
from contlab.runtime.handle import Container
from contlab.runtime.plan import Places, Plan, compile_plan
from contlab.runtime.rights import ROOT, Rights, read_rights
from contlab.runtime.rootless import adapt
from contlab.runtime.spec import ContainerSpec
from contlab.runtime.terminal import Attachment, Terminal, window_of
from contlab.runtime.trees import rootfs_of
from contlab.runtime.wiring import Wiring

PATIENCE = 1.0
"""Seconds between a signal that was passed on and SIGKILL."""


def plan_of(name: str, spec: ContainerSpec, sudo: bool = False, terminal: bool = False) -> Plan:
    """What would be done on this host for this user (``sudo``: for root), with a run's number left open."""
    cgroup = plan_cgroup(read_hierarchies(), f"contlab-RUN-{name}", spec.limits, {}, defaults=spec.default_limits)
    at = "/run/contlab/contlab-RUN"
    rights: Rights = ROOT if sudo else read_rights()
    spec, _ = adapt(spec, rights)
    tree = rootfs_of(spec, read_rights().admin)
    places = Places(tree, f"{at}/scratch", f"{at}/lower", f"{at}/copy-{name}")
    cable = Wiring(at, "contlab-RUN").plug_in(name, spec)
    return compile_plan(spec, places, cgroup, name, rights, cable, window_of(0) if terminal else None)


async def run_once(
    name: str,
    spec: ContainerSpec,
    heard: Callable[[events.AnyEvent], None],
    printed: Callable[[str, str], None] | None,
    notice: Callable[[str], None],
    sudo: bool = False,
    terminal: bool = False,
) -> int:
    """Make it, wait for its end, remove it; returns the command's status, 128 + N when signal N ended us both.

    ``heard``: called with every event. ``printed``: called with stream and text of the command's output; None: the
    command has our own stdin, stdout and stderr. BrokenPipeError in either kills it. ``notice``: called with what the
    person at the keyboard should know. ``sudo``: the supervisor is started by sudo(8). ``terminal``: the command has
    one of its own, tied to our stdin and stdout.
    """
    runtime = Runtime(sudo)
    signals: asyncio.Queue[int] = asyncio.Queue()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, signals.put_nowait, number)

    def tell(report: Callable[..., None], *what: object) -> None:
        try:
            report(*what)
        except BrokenPipeError:
            signals.put_nowait(signal.SIGPIPE)

    with _terminal_kept():
        try:
            await runtime.start()
            runtime.listen(partial(tell, heard))
            streams = ("stdout", "stderr") if printed else ()
            readers = [OutputReader(partial(tell, printed, stream), whole=True) for stream in streams if printed]
            stdio = (0, readers[0].write_fd, readers[1].write_fd) if readers else (0, 1, 2)
            if terminal:
                return await _on_a_terminal(runtime, name, spec, signals, notice)
            try:
                container = await runtime.spawn(name, spec, stdio)
            finally:
                for reader in readers:
                    reader.child_has_it()
            status = await _until_it_ends(container, signals, notice)
            for reader in readers:
                reader.drain()
                reader.close()
            await container.close()
            return status
        finally:
            await runtime.close()


async def _on_a_terminal(
    runtime: Runtime, name: str, spec: ContainerSpec, signals: asyncio.Queue[int], notice: Callable[[str], None]
) -> int:
    with Terminal(window_of(0)) as terminal:
        container = await runtime.spawn(name, spec, terminal)
        with Attachment(terminal, 0, 1, lambda: signals.put_nowait(signal.SIGKILL)).attached() as attachment:
            status = await _until_it_ends(container, signals, notice)
            await attachment.drained()
        await container.close()
        return status


async def _until_it_ends(container: Container, signals: asyncio.Queue[int], notice: Callable[[str], None]) -> int:
    """Pass on every signal; who goes on all the same is killed, unless it is a shell that has Ctrl-C for itself."""
    ended = asyncio.ensure_future(container.wait())
    last = 0
    while True:
        asked = asyncio.ensure_future(signals.get())
        await asyncio.wait((ended, asked), timeout=PATIENCE if last else None, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            asked.cancel()
            return ended.result().status
        if asked.done() and (last := asked.result()) != signal.SIGPIPE:
            # Ctrl-C as a terminal does, to the group: it ends the command that a shell is running.
            await container.signal(last, group=last == signal.SIGINT)
            continue
        asked.cancel()
        handles = _handles(container.pid, last)
        if last == signal.SIGINT and handles:
            last = 0
            continue
        if not handles and last != signal.SIGPIPE:
            name = signal.Signals(last).name
            with contextlib.suppress(OSError):  # after SIGHUP the terminal is gone
                notice(f"PID 1 has no handler for {name}, so the kernel drops it: killing it instead")
        await container.signal(signal.SIGKILL)
        await ended
        return 128 + last


def _handles(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal (SigCgt in /proc/PID/status, bit N - 1)."""
    status = read_or_none(HostSource(), f"/proc/{pid}/status") or b""
    caught = re.search(rb"^SigCgt:\s*([0-9a-f]+)", status, re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> number - 1 & 1)


@contextlib.contextmanager
def _terminal_kept() -> Iterator[None]:
    """A shell that is killed while it edits a line leaves the terminal raw: it is put back as it was."""
    try:
        saved = termios.tcgetattr(0)
    except termios.error:
        saved = None
    try:
        yield
    finally:
        # From the background it would stop us (SIGTTOU), and a terminal that hung up has no modes.
        with contextlib.suppress(OSError, termios.error):
            if saved is not None and os.tcgetpgrp(0) == os.getpgrp():
                termios.tcsetattr(0, termios.TCSANOW, saved)
