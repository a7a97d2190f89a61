"""Launch: the ways to start a supervisor, and the socket between it and its client.

Plain, and in a scope that systemd delegates a cgroup with: one end of a socket pair is inherited. By sudo(8): that
closes all descriptors, so there the client listens on a socket in a directory of its own, and either side asks the
kernel who the other is (SO_PEERCRED, unix(7)): the client takes nobody but root, root nobody but who called sudo.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from contlab import paths
from contlab.errors import RuntimeFailure
from contlab.runtime import delegation
from contlab.runtime.cgroup import read_hierarchies
from contlab.runtime.ground import peer_uid
from contlab.runtime.rights import read_rights

ELEVATED_ROOT = "/run/contlab"
"""Where root's runs live, whoever called sudo."""
SUDO = ("sudo", "-n", "--")
PATIENCE = 20.0
"""Seconds until the supervisor must have connected."""


@dataclass(frozen=True, slots=True)
class Way:
    """How it is started."""

    prefix: tuple[str, ...] = ()
    elevated: bool = False


def ways(sudo: bool) -> tuple[Way, ...]:
    """Those to try, in order."""
    if sudo:
        return (Way(SUDO, elevated=True),)
    scope = delegation.scope(read_hierarchies(), read_rights())
    # The user's manager may be there and refuse all the same; then it goes without.
    return (Way(scope), Way()) if scope else (Way(),)


async def launch(way: Way, run: str, root: str) -> tuple[Process, socket.socket]:
    """Start a supervisor; returns it and our end of the socket. OSError or RuntimeFailure when it can't be."""
    if way.elevated:
        return await _elevated(way, run, root)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
    with theirs:
        try:
            process = await asyncio.create_subprocess_exec(
                *way.prefix, *_command(str(theirs.fileno()), run, root),
                stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, pass_fds=(theirs.fileno(),), start_new_session=True,
            )  # fmt: skip
        except BaseException:
            ours.close()
            raise
    return process, ours


def _command(where: str, run: str, root: str) -> tuple[str, ...]:
    return (sys.executable, "-P", "-m", "contlab.runtime.supervisor", where, run, root)


async def _elevated(way: Way, run: str, root: str) -> tuple[Process, socket.socket]:
    folder = paths.runtime_root()
    await asyncio.to_thread(folder.mkdir, mode=0o700, parents=True, exist_ok=True)
    path = folder / f"contlab-{run}.sock"
    # sudo keeps nothing of the environment, and finds the package only where this interpreter does by itself.
    searched = os.environ.get("PYTHONPATH")
    environment = ("/usr/bin/env", f"PYTHONPATH={searched}") if searched else ()
    with _listening(path) as listener:
        # The same session: sudo's permission, asked for before, belongs to this terminal. Another process group: what
        # the terminal sends is the app's.
        process = await asyncio.create_subprocess_exec(
            *way.prefix, *environment, *_command(str(path), run, root),
            stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, process_group=0,
        )  # fmt: skip
        return process, await _accept(listener, process)


@contextlib.contextmanager
def _listening(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC) as listener:
        listener.bind(str(path))
        try:
            path.chmod(0o600)
            listener.listen()
            listener.setblocking(False)
            yield listener
        finally:
            path.unlink(missing_ok=True)


async def _accept(listener: socket.socket, process: Process) -> socket.socket:
    loop = asyncio.get_running_loop()
    ended = asyncio.ensure_future(process.wait())
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                coming = asyncio.ensure_future(loop.sock_accept(listener))
                await asyncio.wait((coming, ended), return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    coming.cancel()
                    raise await _refusal(process)
                peer, _ = coming.result()
                if peer_uid(peer) == 0:
                    return peer
                peer.close()
    except TimeoutError:
        raise RuntimeFailure("the supervisor that sudo started did not connect", "Try `sudo -v`, and again.") from None
    finally:
        ended.cancel()


async def _refusal(process: Process) -> RuntimeFailure:
    _, stderr = await process.communicate()
    said = stderr.decode(errors="replace").strip().rpartition("\n")[2]
    return RuntimeFailure(f"the supervisor can't be started by sudo: {said}", "Try `sudo -v`, and again.")
