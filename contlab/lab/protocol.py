"""Lab: the live things of one lesson. A live lab and a recording both fulfil it, so players can't tell them apart."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

import msgspec

from contlab.course.facts import FactContext, RunResult
from contlab.course.lesson import Run, Step
from contlab.observe.snapshot import Snapshot
from contlab.runtime.events import AnyEvent


class Output(msgspec.Struct, frozen=True, tag="output"):
    """A piece of what a run printed, as it came."""

    run: str
    text: str
    """Control characters still in it: kernel and program text, never markup."""
    stream: str = "stdout"


class Sampled(msgspec.Struct, frozen=True, tag="sampled"):
    """All containers of the lab at one moment, by name."""

    snapshots: dict[str, Snapshot]


class Happened(msgspec.Struct, frozen=True, tag="happened"):
    """One event of the runtime."""

    event: AnyEvent


class Trouble(msgspec.Struct, frozen=True, tag="trouble"):
    """Something went wrong outside a call (the supervisor died, a sample failed): message and hint."""

    message: str
    hint: str = ""


News = Output | Sampled | Happened | Trouble


class Lab(Protocol):
    """Opened per lesson and closed as one; every method but ``news`` may raise ContlabError."""

    recorded: bool
    """It replays a recording: screens stamp RECORDED."""

    async def enter(self, step: Step) -> None:
        """Open the step's containers (replacing those of the same name) and wait until they run."""
        ...

    async def run(self, run: Run) -> RunResult:
        """One command, to its end or its time limit."""
        ...

    async def facts(self) -> FactContext:
        """What is true now: a fresh sample of every container and all results so far."""
        ...

    def news(self) -> AsyncIterator[News]:
        """Everything that happens, in order; ends when the lab is closed. One consumer."""
        ...

    async def interrupt(self) -> None:
        """Kill the command that is running now, if one is."""
        ...

    async def close(self) -> None:
        """End everything; returns when nothing is left. May be called twice."""
        ...
