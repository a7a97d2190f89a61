"""From a plan's inner half to a batch of calls, and what such a child does besides: the stage's part, in no time."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence

from contlab.linux.batch import REFUSED, Batch, Calls, Full
from contlab.linux.errno import SyscallError
from contlab.linux.flags import PR
from contlab.runtime.dictation import Dictation, Undictated
from contlab.runtime.operation import Execute, JoinCgroup, Operation, SetHostname
from contlab.runtime.plan import Plan

_REPORT = 60
"""The number of its end of the pipe that it reports over, which execve closes."""

_BEGIN, _END = "begin", "end"
"""The steps before the plan's and after them."""
_ALONE = (JoinCgroup, SetHostname, Execute)
"""What these do does not depend on the steps before."""


def dictate(batch: Batch, plan: Plan, new_root: str) -> bool:
    """The inner half of ``plan`` becomes the batch's calls; False when only the stage can do it."""
    if not _possible(plan):
        return False
    steps, changed = _changed(batch, plan)
    kernel = Dictation(plan.root, new_root, "user" in plan.clone.namespaces)
    try:
        if _independent(batch, steps, changed):
            for place in changed:
                if place < batch.steps:  # else there was no room for one before it
                    _put(batch, place, steps[place], kernel)
            if batch.steps == len(steps):
                return True
        for place, step in enumerate(steps):
            if place or changed[:1] == [0]:  # else one that is being born may have begun already
                _put(batch, place, step, kernel)
        batch.end(len(steps))
    except (Undictated, Full, SyscallError):
        batch.end(0)
        return False
    return True


def alike(batch: Batch, plan: Plan) -> bool:
    """Whether ``dictate`` has so little to do that it can be done while the child is being born."""
    return _possible(plan) and _independent(batch, *_changed(batch, plan))


def _possible(plan: Plan) -> bool:
    """What it does before a refusal goes with its mount namespace."""
    return plan.repeatable and "mnt" in plan.clone.namespaces


def _changed(batch: Batch, plan: Plan) -> tuple[Sequence[Operation | str], list[int]]:
    steps: tuple[Operation | str, ...] = (_BEGIN, *plan.inside, _END)
    return steps, [place for place, step in enumerate(steps) if not batch.holds(place, step)]


def _independent(batch: Batch, steps: Sequence[Operation | str], changed: list[int]) -> bool:
    return batch.steps == len(steps) and all(isinstance(steps[place], _ALONE) for place in changed)


def _put(batch: Batch, place: int, step: Operation | str, kernel: Dictation) -> None:
    remark = ""
    match step:
        case "begin":
            calls = begin(batch)
        case "end":
            calls = Calls()
            calls.add("exit_group", REFUSED)
        case Execute():
            with contextlib.suppress(SyscallError):  # nowhere in PATH: so it will be
                step.run(kernel)
            calls = kernel.take(first=_tied())
        case Operation():
            remark = step.run(kernel) or ""
            calls = kernel.take()
    batch.put(place, step, calls, remark)


def begin(batch: Batch) -> Calls:
    """Take what is given, die with the supervisor, and wait until all is done that others do."""
    calls = Calls()
    calls.add("prctl", int(PR.SET_NAME), b"contlab:stage")
    calls.add("setsid")
    mask = sum(1 << processor for processor in os.sched_getaffinity(0))
    raw = mask.to_bytes(-(-mask.bit_length() // 64) * 8, "little")
    calls.add("sched_setaffinity", 0, len(raw), raw, anyway=True)  # the nursery's is narrower
    calls.add("dup3", 0, _REPORT, os.O_CLOEXEC)
    for number in range(3):
        calls.add("dup3", 0, number, 0)
    calls.calls += _tied().calls
    batch.wait(calls, MAPPED)
    batch.wait(calls, READY)
    return calls


MAPPED, READY = 0, 1
"""What it waits for: its ids; its cgroups, and the rest of its calls."""


def give(batch: Batch, report: int, stdio: Sequence[int]) -> None:
    """The numbers that its descriptors have when it is born."""
    for place, fd in enumerate((report, *stdio), 3):
        batch.argument(place, 1, fd)


def _tied() -> Calls:
    """Die with the supervisor, also when it died a moment ago: then nobody reads the report (SIGPIPE)."""
    calls = Calls()
    calls.add("prctl", int(PR.SET_PDEATHSIG), signal.SIGKILL)
    calls.add("write", _REPORT, b"\n", 1)
    return calls
