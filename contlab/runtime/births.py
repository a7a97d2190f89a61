"""Births: a plan carried out, up to the moment when the child goes on by itself."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Sequence

from contlab.linux.errno import SyscallError
from contlab.linux.flags import CLONE
from contlab.runtime import cgroup, stage
from contlab.runtime.children import Children
from contlab.runtime.failure import failure
from contlab.runtime.kernel import Linux
from contlab.runtime.operation import Operation
from contlab.runtime.plan import Plan
from contlab.runtime.process import Process
from contlab.runtime.spec import ContainerSpec, Namespace, RootMethod
from contlab.runtime.voice import Voice
from contlab.runtime.wiring import Wiring


class Births:
    """The host's half of plans, and the forks."""

    def __init__(self, voice: Voice, children: Children, control: socket.socket, wiring: Wiring) -> None:
        """``control``: the supervisor's own socket, which no child must keep."""
        self._voice = voice
        self._children = children
        self._control = control
        self._wiring = wiring

    def perform(self, container: str, first: int, operations: Sequence[Operation], pid: int = 0) -> None:
        """The host's half of a plan, in order; ContlabError at the first refusal."""
        kernel = Linux(pid, self._wiring)
        for index, operation in enumerate(operations, first):
            report = stage.timed(index, operation, kernel)
            self._voice.operation(container, operation, report)
            if report.errno:
                raise failure(report, operation)

    def give(self, process: Process, plan: Plan, fds: list[int], keep: tuple[int, ...]) -> None:
        """A container's first process, up to its "go"; ContlabError at the first refusal."""
        self.perform(process.container, 0, plan.before)
        place = len(plan.before)
        for operation in plan.inside:
            operation.prepare()
        inner = place + 1 + len(plan.after)
        try:
            go, took = self._children.fork(
                process, plan.clone.flags, plan.clone.into_cgroup, fds, (self._control.fileno(),),
                lambda pipes: stage.run(inner, plan.inside, pipes, keep),
            )  # fmt: skip
        except SyscallError as refusal:
            report = stage.Report(place, 0.0, refusal.errno or 0, str(refusal))
            self._voice.operation(process.container, plan.clone, report)
            raise failure(report, plan.clone) from None
        try:
            self._voice.operation(process.container, plan.clone, stage.Report(place, took))
            self.perform(process.container, place + 1, plan.after, process.pid)
            _go(go)
        finally:
            os.close(go)

    def send_in(
        self, process: Process, spec: ContainerSpec, cgroups: dict[str, str], first: int, fds: list[int]
    ) -> None:
        """Another process for a running container."""
        kinds = [kind.value for kind in Namespace if spec.own(kind)]
        chroot = spec.root is RootMethod.CHROOT
        unified = cgroups.get(cgroup.UNIFIED, "")
        others = sorted({directory for directory in cgroups.values() if directory != unified})
        process.successor_awaited = Namespace.PID in kinds
        go, _ = self._children.fork(
            process, CLONE(0), unified, fds, (self._control.fileno(),),
            lambda pipes: stage.join(first, kinds, chroot, others, process.operations, pipes),
        )  # fmt: skip
        try:
            _go(go)
        finally:
            os.close(go)


def _go(go: int) -> None:
    """The supervisor's half is done. A child that is dead by now is heard of through its pidfd."""
    with contextlib.suppress(BrokenPipeError):
        os.write(go, b"g")
