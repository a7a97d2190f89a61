"""The spare: a stage that is born in a quiet moment, for a container that nobody has asked for yet.

The containers that a program makes one after another mostly differ in their names alone. So the next one's process can
stand ready: born, in cgroups with limits that are called by a number, its ids mapped, on its root, and with the rest
rehearsed. When its container is asked for, its v1 cgroups get their names (a v2 cgroup can only be born in, for to be
moved there takes some 10 ms, and not be renamed: it keeps its number), and it is told what is different. Where somebody
watches the steps there is none: they are to happen before their eyes.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from contlab.errors import RuntimeFailure
from contlab.linux.errno import SyscallError
from contlab.runtime import stage
from contlab.runtime.kernel import Linux
from contlab.runtime.nursery import Newborn, Nursery
from contlab.runtime.operation import JoinCgroup, MakeCgroup, Operation, SetLimit
from contlab.runtime.operation.cgroups import elsewhere
from contlab.runtime.plan import Plan


@dataclass(frozen=True, slots=True)
class Spare:
    """One that waits."""

    newborn: Newborn
    plan: Plan
    """Its own, with numbers for names."""
    beginning: tuple[object, ...]
    """``_beginning`` of that."""

    @classmethod
    def bear(cls, nursery: Nursery, latest: Plan, name: str) -> Spare | None:
        """One for a container like ``latest``'s, in cgroups called ``name``. None where the kernel refuses: whoever
        asks for a container hears why."""
        plan = _renamed(latest, name)
        try:
            for step in plan.before:
                step.run(Linux())
            newborn = nursery.bear(plan.clone.flags, plan.clone.into_cgroup)
        except (SyscallError, RuntimeFailure):
            _remove(plan)
            return None
        spare = cls(newborn, plan, tuple(_beginning(plan)))
        try:
            for step in plan.after:
                step.run(Linux(newborn.pid))
            newborn.orders.send(pickle.dumps(stage.Preparation(plan.inside, plan.ahead), pickle.HIGHEST_PROTOCOL))
        except OSError:
            spare.dismiss()
            return None
        return spare

    def fits(self, plan: Plan) -> bool:
        """What it is, and where, is what ``plan`` would begin with; it is ready, and nobody has killed it."""
        if self.beginning != tuple(_beginning(plan)) or not self.newborn.alive:
            return False
        try:
            return self.newborn.orders.recv(len(stage.READY), socket.MSG_DONTWAIT) == stage.READY
        except OSError:
            return False

    def name_cgroups(self, plan: Plan) -> None:
        """As in ``plan``, which it fits. RuntimeFailure when refused."""
        for step, ours in zip(_making(plan.before), _making(self.plan.before), strict=True):
            if step != ours:
                try:
                    os.rename(ours.directory, step.directory)
                except OSError as refusal:
                    words = f"the cgroup {ours.directory} can't become {step.directory}: {refusal.strerror}"
                    raise RuntimeFailure(words, "Run `contlab doctor --clean`, and start again.") from None

    def order(self, plan: Plan, first: int, keep: tuple[int, ...], fds: list[int]) -> None:
        """What is left to do, or different. ``first``: the place of ``plan.inside[0]``."""
        left = plan.inside[plan.ahead :]
        known = (*self.plan.inside[plan.ahead :], *(None for _ in left))
        news = tuple(None if new == old else new for new, old in zip(left, known, strict=False))
        send(self.newborn.orders, stage.Orders(first + plan.ahead, news, keep), fds)

    def dismiss(self) -> None:
        """It is not needed: nothing of it is left."""
        self.newborn.dismiss()
        self.remove_cgroups()

    def remove_cgroups(self) -> None:
        """Those that did not get another name."""
        _remove(self.plan)


def send(orders: socket.socket, told: stage.Orders, fds: list[int]) -> None:
    """To any stage. One that is dead by now is heard of through its pidfd."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        socket.send_fds(orders, [pickle.dumps(told, pickle.HIGHEST_PROTOCOL)], fds)


def _beginning(plan: Plan) -> Iterator[object]:
    """All that is done ahead, whatever the cgroups are called."""
    yield plan.clone
    for step in (*plan.before, *plan.after, *plan.inside[: plan.ahead]):
        match step:
            case MakeCgroup(directory, tree) | JoinCgroup(directory, tree):
                yield type(step), os.path.dirname(directory), tree
            case SetLimit(file, value):
                yield os.path.basename(file), value
            case _:
                yield step


def _making(steps: Iterable[Operation]) -> Iterator[MakeCgroup]:
    return (step for step in steps if isinstance(step, MakeCgroup))


def _renamed(plan: Plan, name: str) -> Plan:
    def moved(directory: str) -> str:
        return f"{os.path.dirname(directory)}/{name}"

    return replace(
        plan,
        before=tuple(elsewhere(step, moved) for step in plan.before),
        clone=replace(plan.clone, into_cgroup=plan.clone.into_cgroup and moved(plan.clone.into_cgroup)),
        inside=tuple(elsewhere(step, moved) for step in plan.inside),
    )


def _remove(plan: Plan) -> None:
    for step in _making(plan.before):
        with contextlib.suppress(OSError):
            os.rmdir(step.directory)
