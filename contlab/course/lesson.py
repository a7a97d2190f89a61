"""Lesson: the data one Markdown file becomes (``document`` makes it). Lines count from 1 in that file."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from contlab.runtime.spec import ContainerSpec, Limits

MACHINE = Limits(memory=256 << 20, pids=256, cpus=1.0)
"""The pretend machine of a lesson that names none."""


class Prose(msgspec.Struct, frozen=True):
    """Markdown shown to the learner."""

    text: str
    line: int


class Container(msgspec.Struct, frozen=True):
    """``toml container``: opened when its step is entered; the same name again replaces the earlier one."""

    name: str
    spec: ContainerSpec
    line: int


class Vm(msgspec.Struct, frozen=True):
    """``toml vm``: a guest that is booted when its step is entered; the same name again replaces the earlier one.

    What is done to one later (``action = "panic"``) is a Run in it.
    """

    name: str
    line: int
    memory: int = 128 << 20
    """Bytes of RAM."""


class Action(StrEnum):
    """What is done to a container from outside, in place of a command in it."""

    CUT = "cut"
    """Pull its network cable out of the switch."""
    MEND = "mend"
    """Plug it in again."""
    FREEZE = "freeze"
    """Stop all its processes where they are."""
    THAW = "thaw"
    """Let them go on."""


class Run(msgspec.Struct, frozen=True):
    """``toml run``: one shell line in a named container or guest, or one action on a container."""

    name: str
    """Facts call its result by this; unique in the lesson."""
    container: str
    """The container's, or the guest's name."""
    command: str
    """Given to /bin/sh -c inside. Its environment has $NAME_PID, the number that container NAME's first process has on
    the host, and $LAB, the lesson's folder there: see ``variables``."""
    line: int
    timeout: float = 10.0
    """Seconds; then it is killed, and ``timed_out`` is true."""
    why: str = ""
    """One line saying what it is for, shown beside the command."""
    action: Action | None = None
    """With one, ``command`` is what does the same by hand, and only shown."""


class Check(msgspec.Struct, frozen=True):
    """One fact compared with one value."""

    fact: str
    operator: str
    """"eq", "ne", "lt", "le", "gt", "ge", "contains", "lacks", "same_as", "differs_from"."""
    value: Any
    """For ``same_as`` and ``differs_from`` another fact's name."""
    line: int


class Predict(msgspec.Struct, frozen=True):
    """``toml predict``: asked before the step's runs; the kernel decides which choice was right."""

    question: str
    choices: tuple[str, ...]
    decides: tuple[Check, ...]
    """One check a choice, in the same order: the choice whose check holds afterwards was right."""
    because: str
    """Shown with the verdict: why the kernel does that."""
    line: int


class Expect(msgspec.Struct, frozen=True):
    """``toml expect``: must hold after the step's runs and, unless ``before`` is "any", not before them."""

    checks: tuple[Check, ...]
    line: int
    before: str = "false"


class Hint(msgspec.Struct, frozen=True):
    """``toml hint`` and ``toml solution``: the rungs, in order nudge, command, do it for me."""

    rung: str
    text: str
    line: int


class Card(msgspec.Struct, frozen=True):
    """``toml card``: to remember."""

    question: str
    answer: str
    line: int


class Note(msgspec.Struct, frozen=True):
    """``toml note``: for the presenter only."""

    text: str
    line: int
    minutes: float | None = None


Block = Prose | Container | Vm | Run | Predict | Expect | Hint | Card | Note


class Step(msgspec.Struct, frozen=True):
    """One ``##`` heading and what follows it, in the file's order."""

    title: str
    slug: str
    """Stable within the lesson: progress refers to it."""
    line: int
    blocks: tuple[Block, ...]

    def of(self, kind: type[Any]) -> tuple[Any, ...]:
        """Its blocks of one kind, in order."""
        return tuple(block for block in self.blocks if isinstance(block, kind))


class Lesson(msgspec.Struct, frozen=True, kw_only=True):
    """One lesson file."""

    id: str
    title: str
    path: Path
    track: str
    minutes: int
    steps: tuple[Step, ...]
    after: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    goals: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """Titles of the learner's notes that it goes with, without the brackets."""
    machine: Limits = MACHINE
    """The pretend machine that its containers share: a cgroup that stands for the host, so the real one is safe."""
    intro: tuple[Block, ...] = ()
    """What stands before the first step."""
