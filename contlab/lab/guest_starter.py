"""Who runs the guests' QEMUs: the supervisor, so that a guest dies with the app as any container does."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import signal
from collections.abc import AsyncIterator, Sequence
from functools import partial

from contlab.errors import ContlabError, RuntimeFailure, UnavailableError
from contlab.lab.guest import Guests, StarterFor
from contlab.runtime.cgroup import plan_cgroup, read_hierarchies
from contlab.runtime.client import Runtime
from contlab.runtime.handle import Container
from contlab.runtime.spec import ContainerSpec, Limits, RootMethod
from contlab.vm.budget import OVERHEAD
from contlab.vm.starter import LocalStarter, Process

TASKS = 256
"""Threads that a QEMU may have: a processor each, and a pool for its disk."""


@contextlib.asynccontextmanager
async def open_guests(runtime: Runtime | None = None) -> AsyncIterator[Guests]:
    """A run of guests; none is left after it. ``runtime``: a supervisor that is there already."""
    async with open_starters(runtime) as starters, Guests(starters) as guests:
        yield guests


@contextlib.asynccontextmanager
async def open_starters(runtime: Runtime | None = None) -> AsyncIterator[StarterFor]:
    """Who runs the QEMUs: ``runtime``, or a supervisor for them alone.

    A plain user without a cgroup of their own has no supervisor for them: their QEMUs are children on a leash.
    """
    if runtime is not None:
        yield partial(SupervisedStarter, runtime)
    elif _has_cgroup():
        async with Runtime() as own:
            yield partial(SupervisedStarter, own)
    else:
        yield lambda name, memory: LocalStarter()


def guests_of(runtime: Runtime, *, sudo: bool) -> Guests:
    """Guests that are run by a lab's supervisor, or on a leash where that can't be or, by sudo, is another user."""
    return Guests() if sudo or not _has_cgroup() else Guests(partial(SupervisedStarter, runtime))


def _has_cgroup() -> bool:
    """Whether a cgroup can be made here: without one nobody could end for sure what shares the host's processes."""
    return bool(plan_cgroup(read_hierarchies(), "contlab-RUN-vm", Limits(), {}).directories)


class SupervisedStarter:
    """Fulfils ``vm.starter.Starter``: each attempt at a guest is a container that shares everything with the host but
    its cgroup, the process group it leads, and its rights."""

    def __init__(self, runtime: Runtime, name: str, memory: int) -> None:
        self._runtime, self._name, self._memory = runtime, name, memory
        self._numbers = itertools.count(1)

    async def start(self, command: Sequence[str], fds: Sequence[int], stderr: int) -> Process:
        """As Starter says; UnavailableError when there is no such program, or it may not run."""
        number = next(self._numbers)
        name = f"vm-{self._name}" if number == 1 else f"vm-{self._name}-{number}"
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            container = await self._runtime.spawn(
                name, qemu_spec(command, name, self._memory), (null, null, stderr), fds
            )
        except RuntimeFailure as error:
            raise UnavailableError(f"the guest's QEMU can't be run: {error.message}", error.hint) from error
        finally:
            os.close(null)
        return _Supervised(container)


class _Supervised:
    """A QEMU that the supervisor runs."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._status: asyncio.Task[int] | None = None

    @property
    def pid(self) -> int:
        return self._container.pid

    async def wait(self) -> int:
        if self._status is None:
            self._status = asyncio.create_task(self._end())
        return await asyncio.shield(self._status)

    async def kill(self) -> None:
        with contextlib.suppress(ContlabError):  # the supervisor is gone, and QEMU with it
            await self._container.signal(signal.SIGKILL)

    async def _end(self) -> int:
        """Its status, once its cgroup is gone as well; a supervisor that dies takes it along by SIGKILL."""
        try:
            exited = await self._container.wait()
            await self._container.close()
        except ContlabError:
            return -signal.SIGKILL
        return -exited.signal if exited.signal else exited.exit_code or 0


def qemu_spec(command: Sequence[str], name: str, memory: int) -> ContainerSpec:
    """QEMU as a container. Root's QEMU keeps one right, to read: the kernel image may lie in a home of another's."""
    root = os.geteuid() == 0
    limits = Limits(memory + OVERHEAD, None, TASKS)
    missing = plan_cgroup(read_hierarchies(), f"contlab-RUN-{name}", limits, {}).missing
    return ContainerSpec(
        command=tuple(command),
        namespaces=frozenset(),
        root=RootMethod.HOST,
        limits=Limits(
            None if "memory" in missing or "cgroup" in missing else limits.memory,
            None,
            None if "pids" in missing or "cgroup" in missing else limits.pids,
        ),
        capabilities=frozenset({"CAP_DAC_READ_SEARCH"}) if root else None,
        all_capabilities=not root,
        seccomp=False,
        rlimits=False,
    )
