"""Births: a plan carried out, up to the moment when the child goes on by itself."""

from __future__ import annotations

from collections.abc import Sequence

from contlab.linux.errno import SyscallError
from contlab.linux.flags import CLONE
from contlab.runtime import cgroup, stage
from contlab.runtime.children import Children
from contlab.runtime.failure import failure
from contlab.runtime.kernel import Linux
from contlab.runtime.nursery import Newborn, Nursery
from contlab.runtime.operation import Operation
from contlab.runtime.plan import Plan
from contlab.runtime.process import Process
from contlab.runtime.spare import Spare, send
from contlab.runtime.spec import ContainerSpec, Namespace, RootMethod
from contlab.runtime.voice import Voice
from contlab.runtime.wiring import Wiring


class Births:
    """The host's half of plans, and the processes that carry out the other."""

    def __init__(self, voice: Voice, children: Children, wiring: Wiring, run: str) -> None:
        self._voice = voice
        self._children = children
        self._wiring = wiring
        self._run = run
        self._nursery = Nursery()
        self._spare: Spare | None = None
        self._unwatched = 0
        self._latest: Plan | None = None

    @property
    def unnamed(self) -> str:
        """What the v2 cgroup of the next one that nobody watches is called; no container can be called so. The first
        one, which has no spare, has its own name there, too."""
        return f"contlab-{self._run}-#{self._unwatched + 1}" if self._unwatched else ""

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
        name, after = process.container, len(plan.before) + 1
        self.perform(name, 0, plan.before)
        newborn = self._bear(name, plan)
        with newborn.orders:
            self._children.begin(process, newborn)
            self._voice.operation(name, plan.clone, stage.Report(len(plan.before), newborn.microseconds))
            self.perform(name, after, plan.after, process.pid)
            send(newborn.orders, stage.Orders(after + len(plan.after), plan.inside, keep), fds)

    def give_unwatched(self, process: Process, plan: Plan, fds: list[int], keep: tuple[int, ...], likely: bool) -> None:
        """As ``give``, but nobody wants to hear of the steps, so that they may have been taken before.

        ``likely``: the next request may be like this one.
        """
        self._unwatched += 1
        self._latest = plan if likely else None
        spare, self._spare = self._spare, None
        if spare is None or not spare.fits(plan):
            if spare:
                spare.dismiss()
            self.give(process, plan, fds, keep)
            return
        with spare.newborn.orders:
            self._children.begin(process, spare.newborn)
            try:
                spare.name_cgroups(plan)
                spare.order(plan, len(plan.before) + 1 + len(plan.after), keep, fds)
            except BaseException:
                self._children.abandon(process)
                spare.remove_cgroups()
                raise

    def send_in(
        self, process: Process, spec: ContainerSpec, cgroups: dict[str, str], first: int, fds: list[int]
    ) -> None:
        """Another process for a running container: into its cgroup from here, into its namespaces by itself."""
        kinds = tuple(kind.value for kind in Namespace if spec.own(kind))
        unified = cgroups.get(cgroup.UNIFIED, "")
        others = tuple({directory for directory in cgroups.values() if directory != unified})
        joining = stage.Joining(first, kinds, spec.root is RootMethod.CHROOT, others)
        process.successor_awaited = Namespace.PID in kinds
        newborn = self._nursery.bear(CLONE(0), unified)
        with newborn.orders:
            self._children.begin(process, newborn)
            send(newborn.orders, stage.Orders(0, process.operations, (), joining), fds)

    def foresee(self) -> None:
        """There is time: bear one for the next request, if that is likely to be like the last.

        From the second on.
        """
        latest = self._latest
        if self._unwatched > 1 and self._spare is None and latest is not None and latest.ahead:
            self._spare = Spare.bear(self._nursery, latest, self.unnamed)

    def close(self) -> None:
        """End who waits for orders, and the nursery."""
        if self._spare is not None:
            self._spare.dismiss()
        self._nursery.close()

    def _bear(self, container: str, plan: Plan) -> Newborn:
        try:
            return self._nursery.bear(plan.clone.flags, plan.clone.into_cgroup)
        except SyscallError as refusal:
            report = stage.Report(len(plan.before), 0.0, refusal.errno or 0, str(refusal))
            self._voice.operation(container, plan.clone, report)
            raise failure(report, plan.clone) from None
