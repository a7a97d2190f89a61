"""Mischief: what a container and a guest do to others when the worst happens in them, tried here, as rows."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable

import msgspec

from contlab.errors import ContlabError, UnavailableError
from contlab.lab import guest_experiments as experiments
from contlab.lab.compare import INSIDE, MEASURED, Cell, Row
from contlab.lab.guest import Guests, RunningGuest
from contlab.lab.guest_experiments import Outcome
from contlab.runtime.client import Runtime

Outcomes = dict[tuple[str, str], Outcome]
"""(experiment, place) -> what came of it."""

STEPS = 4
"""Sentences that ``mischief`` yields."""

EXPERIMENTS = {"memory.hog": "exhaust", "neighbour": "look", "crash": "panic", "bomb": "bomb"}
"""Row's key -> the experiment that tells."""


async def mischief(
    into: Outcomes, why: list[str], runtime: Runtime | None, guests: Guests | None, memory: int
) -> AsyncGenerator[str, None]:
    """Try all of it in containers and in guests of ``memory`` bytes; yields what is next. What fails is told in ``why``
    and left out."""
    one, other = await _pair(why, guests, memory)

    async def attempt(outcome: Awaitable[Outcome]) -> None:
        try:
            found = await outcome
        except ContlabError as error:
            why.append(f"not all of it was tried: {error.message}")
        else:
            into[found.experiment, found.place] = found

    yield "a memory hog, in a container and in a guest"
    if runtime is not None:
        await attempt(experiments.exhaust_container(runtime))
    if one is not None:
        await attempt(experiments.exhaust_guest(one))
    yield "neighbours, looking for each other"
    if runtime is not None:
        await attempt(experiments.look_from_container(runtime))
    if one is not None and other is not None:
        await attempt(experiments.look(one, other))
    yield "a kernel panic, in a guest"
    if runtime is not None:
        await attempt(experiments.panic_container(runtime))
    if one is not None and other is not None:
        await attempt(experiments.panic_guest(one, other))
    yield "a fork bomb, in a container and in a guest"
    if runtime is not None:
        await attempt(experiments.bomb_container(runtime))
    if other is not None:
        await attempt(experiments.bomb_guest(other))


async def _pair(why: list[str], guests: Guests | None, memory: int) -> tuple[RunningGuest | None, RunningGuest | None]:
    if guests is None:
        return None, None
    try:
        return await guests.boot("victim", memory), await guests.boot("sibling", memory)
    except UnavailableError as error:
        why.append(f"nothing bad was tried in a guest: {error.message}. {error.hint}")
        return None, None


def tried(row: Row, outcomes: Outcomes) -> Row:
    """The row with what was tried here in place of what the model says."""
    experiment = EXPERIMENTS.get(row.key, "")
    container, vm = (outcomes.get((experiment, place)) for place in ("container", "guest"))
    told = [outcome.happened for outcome in (container, vm) if outcome is not None]
    return msgspec.structs.replace(
        row,
        # What was not tried on this host's kernel stays the model's claim.
        container=row.container if container is None or experiment == "panic" else _cell(container, MEASURED),
        vm=row.vm if vm is None else _cell(vm, INSIDE),
        explanation=" ".join((row.explanation, *told)),
    )


def bomb(outcomes: Outcomes) -> Row | None:
    """The row that has no model; None when it wasn't tried."""
    row = tried(
        Row(
            key="bomb", label="what a fork bomb takes", container=None, vm=None,
            explanation="A process table is the kernel's: a container has a share of the host's, a guest all of its "
            "own.",
        ),
        outcomes,
    )  # fmt: skip
    return row if row.container or row.vm else None


def _cell(outcome: Outcome, tag: str) -> Cell:
    return Cell(text=outcome.short, tag=tag)
