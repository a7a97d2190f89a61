"""Births: a plan carried out, up to the moment when the child goes on by itself."""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
from collections.abc import Sequence

import msgspec

from contlab.errors import ContlabError
from contlab.linux.batch import Batch
from contlab.linux.errno import SyscallError
from contlab.linux.flags import CLONE
from contlab.runtime import cgroup, stage
from contlab.runtime.batches import MAPPED, READY, alike, dictate
from contlab.runtime.children import Children
from contlab.runtime.failure import failure
from contlab.runtime.kernel import Linux
from contlab.runtime.nursery import Newborn, Nursery, Wish
from contlab.runtime.operation import MakeCgroup, MapIds, MapOwnId, Operation
from contlab.runtime.plan import Plan
from contlab.runtime.process import Process
from contlab.runtime.spec import ContainerSpec, Namespace, RootMethod
from contlab.runtime.voice import Voice
from contlab.runtime.wiring import Wiring


class Births:
    """The host's half of plans, and the processes that carry out the other."""

    def __init__(self, voice: Voice, children: Children, wiring: Wiring, new_root: str) -> None:
        self._voice = voice
        self._children = children
        self._wiring = wiring
        self._nursery = Nursery()
        self._new_root = new_root

    def perform(self, container: str, first: int, operations: Sequence[Operation], pid: int = 0) -> None:
        """The host's half of a plan, in order; ContlabError at the first refusal."""
        kernel = Linux(pid, self._wiring)
        for index, operation in enumerate(operations, first):
            report = stage.timed(index, operation, kernel)
            self._voice.operation(container, operation, report)
            if report.errno:
                raise failure(report, operation)

    def give(self, process: Process, plan: Plan, fds: list[int], keep: tuple[int, ...]) -> None:
        """A container's first process, up to its orders; ContlabError at the first refusal."""
        batch = None if keep else self._batch(plan)
        if batch:
            process.plan, process.given = plan, [os.dup(fd) for fd in fds]
        # While it is being born (a third of a millisecond, in the kernel) there is time for all that it does not need.
        needed = next((n for n, step in enumerate(plan.before, 1) if _makes(step, plan.clone.into_cgroup)), 0)
        self.perform(process.container, 0, plan.before[:needed])
        wish = self._wish(plan, batch, fds)
        try:
            self.perform(process.container, needed, plan.before[needed:])
            if batch and dictate(batch, plan, self._new_root):
                batch.go(READY)
            elif batch:  # a longer name has found no room
                wish.newborn().dismiss()
                wish = self._wish(plan, None, ())
        except BaseException:
            with contextlib.suppress(ContlabError, OSError):
                wish.newborn().dismiss()
            raise
        self._give(process, plan, wish, fds, keep)

    def give_again(self, process: Process) -> None:
        """The kernel refused a call of its batch: a stage may know another way, or says what it was."""
        plan = process.plan
        assert plan is not None
        other = Process(process.container, process.operations, process.requested_at, None)
        try:
            self._give(other, plan, self._wish(plan, None, ()), process.given, ())
        except BaseException:
            self._children.abandon(other)
            raise

    def _batch(self, plan: Plan) -> Batch | None:
        """One for the plan's inner half, where that is possible; it is dictated, but for what can't go wrong."""
        batch = self._nursery.arena.free() if self._nursery.arena else None
        if batch is None or not (alike(batch, plan) or dictate(batch, plan, self._new_root)):
            return None
        batch.reset()
        batch.taken = True
        return batch

    def _wish(self, plan: Plan, batch: Batch | None, stdio: Sequence[int]) -> Wish:
        maps = _maps(plan) if batch else ()
        return self._nursery.wish(plan.clone.flags, plan.clone.into_cgroup, batch, stdio, maps)

    def _give(self, process: Process, plan: Plan, wish: Wish, fds: list[int], keep: tuple[int, ...]) -> None:
        name, after = process.container, len(plan.before) + 1
        newborn = self._born(name, plan, wish)
        with newborn.orders or contextlib.nullcontext():
            self._children.begin(process, newborn)
            self._voice.operation(name, plan.clone, stage.Report(len(plan.before), newborn.birth.microseconds))
            if mapped := newborn.birth.mapped:
                report = msgspec.structs.replace(mapped, index=after)
                self._voice.operation(name, plan.after[0], report)
                if report.errno:
                    raise failure(report, plan.after[0])
            else:
                self.perform(name, after, plan.after, process.pid)
            if newborn.batch:
                newborn.batch.go(MAPPED)
            elif newborn.orders:
                send(newborn.orders, stage.Orders(after + len(plan.after), plan.inside, keep), fds)

    def send_in(
        self, process: Process, spec: ContainerSpec, cgroups: dict[str, str], first: int, fds: list[int]
    ) -> None:
        """Another process for a running container: into its cgroup from here, into its namespaces by itself."""
        kinds = tuple(kind.value for kind in Namespace if spec.own(kind))
        unified = cgroups.get(cgroup.UNIFIED, "")
        others = tuple({directory for directory in cgroups.values() if directory != unified})
        joining = stage.Joining(first, kinds, spec.root is RootMethod.CHROOT, others)
        process.successor_awaited = Namespace.PID in kinds
        newborn = self._nursery.wish(CLONE(0), unified).newborn()
        assert newborn.orders is not None
        with newborn.orders:
            self._children.begin(process, newborn)
            send(newborn.orders, stage.Orders(0, process.operations, (), joining), fds)

    def close(self) -> None:
        """End the nursery."""
        self._nursery.close()

    def _born(self, container: str, plan: Plan, wish: Wish) -> Newborn:
        try:
            return wish.newborn()
        except SyscallError as refusal:
            report = stage.Report(len(plan.before), 0.0, refusal.errno or 0, str(refusal))
            self._voice.operation(container, plan.clone, report)
            raise failure(report, plan.clone) from None


def _maps(plan: Plan) -> tuple[tuple[str, str], ...]:
    """What is written into its files of /proc, where that is all that is done for the newborn."""
    match plan.after:
        case (MapIds() | MapOwnId() as step,):
            return step.maps
        case _:
            return ()


def _makes(step: Operation, directory: str) -> bool:
    return isinstance(step, MakeCgroup) and step.directory == directory


def send(orders: socket.socket, told: stage.Orders, fds: Sequence[int]) -> None:
    """To any stage. One that is dead by now is heard of through its pidfd."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        socket.send_fds(orders, [pickle.dumps(told, pickle.HIGHEST_PROTOCOL)], fds)
