"""Places: where the same shell line can be run: on this host, in a container, in a guest (``RunningGuest``)."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import AsyncIterator
from typing import Protocol

from contlab.lab.guest import tree
from contlab.lab.output import OutputReader
from contlab.runtime.client import Runtime
from contlab.runtime.handle import Container
from contlab.runtime.spec import ContainerSpec, Limits, RootMethod
from contlab.vm.agent import Ran

ENDLESS = float("inf")


class Place(Protocol):
    """A shell line goes in, and how it ended comes out."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    async def run(self, command: str, limit: float = ENDLESS) -> Ran:
        """Run it to its end, or for ``limit`` seconds; then it is killed."""
        ...


class ContainerPlace:
    """A running container; or this host, as a container that keeps all of it."""

    def __init__(self, container: Container, shell: str = "/bin/sh") -> None:
        self.container = container
        self.oom_killed = False
        """The OOM killer acted while the last command ran."""
        self._shell = shell

    @property
    def name(self) -> str:
        """The container's."""
        return self.container.name

    async def run(self, command: str, limit: float = ENDLESS) -> Ran:
        """As a further command in it."""
        reader = OutputReader(lambda text: None)
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        began = time.monotonic()
        try:
            stdio = (null, reader.write_fd, reader.write_fd)
            execution = await self.container.exec((self._shell, "-c", command), stdio)
        finally:
            os.close(null)
            reader.child_has_it()
        timed_out = False
        try:
            exited = await asyncio.wait_for(execution.wait(), None if limit == ENDLESS else limit)
        except TimeoutError:
            timed_out = True
            await execution.signal(signal.SIGKILL, group=True)
            exited = await execution.wait()
        seconds = time.monotonic() - began
        reader.drain()
        reader.close()
        self.oom_killed = exited.oom_killed
        return Ran(exited.status, reader.kept.encode(), seconds, timed_out)


@contextlib.asynccontextmanager
async def held(
    runtime: Runtime, name: str, spec: ContainerSpec, shell: str = "/bin/sh"
) -> AsyncIterator[ContainerPlace]:
    """A container whose first process, a shell, waits for its standard input until the place is left."""
    stdin, ours = os.pipe2(os.O_CLOEXEC)
    null = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
    try:
        container = await runtime.spawn(name, spec, (stdin, null, null))
        os.close(stdin)
        stdin = -1
        try:
            yield ContainerPlace(container, shell)
        finally:
            await container.close()
    finally:
        for fd in (stdin, ours, null):
            if fd != -1:
                os.close(fd)


def container_spec(limits: Limits | None = None, rootfs: str = "busybox") -> ContainerSpec:
    """The default container, its shell waiting."""
    return ContainerSpec(command=("/bin/sh",), rootfs=rootfs, limits=limits or Limits())


@contextlib.asynccontextmanager
async def host(runtime: Runtime, rootfs: str = "busybox") -> AsyncIterator[ContainerPlace]:
    """This host itself, with the very programs that the container and the guest have."""
    programs = f"{await asyncio.to_thread(lambda: tree(rootfs).path)}/bin"
    spec = ContainerSpec(
        command=(f"{programs}/sh",),
        namespaces=frozenset(),
        root=RootMethod.HOST,
        environment={"PATH": programs, "BIN": programs},
        seccomp=False,
        rlimits=False,
        no_new_privs=False,
        all_capabilities=True,
    )
    async with held(runtime, "host", spec, f"{programs}/sh") as place:
        yield place
