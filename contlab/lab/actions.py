"""Actions: what a run does to a container from outside, in place of a command in it."""

from __future__ import annotations

import time

from contlab.course.facts import RunResult
from contlab.course.lesson import Action, Run
from contlab.lab.inhabitant import Inhabitant


async def act(inhabitant: Inhabitant, run: Run) -> RunResult:
    """Do the run's action; RuntimeFailure, in words, where this host refuses it."""
    begun = time.monotonic()
    running = inhabitant.running
    match run.action:
        case Action.CUT | Action.MEND:
            await running.link(run.action is Action.MEND)
        case Action.FREEZE:
            await running.freeze()
            inhabitant.frozen = True
        case Action.THAW:
            await running.thaw()
            inhabitant.frozen = False
    return RunResult(run.name, run.container, 0, None, "", round(time.monotonic() - begun, 3))


async def wake(inhabitant: Inhabitant) -> None:
    """Before a command: in a frozen container it would wait for ever. A step that begins anew may find one."""
    if inhabitant.frozen:
        await inhabitant.running.thaw()
        inhabitant.frozen = False
