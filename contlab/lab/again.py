"""Again: one step's experiment done once more, in a fresh lab of its own."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum

import msgspec

from contlab.course.lesson import Container, Lesson, Run, Step, Vm
from contlab.course.session import Session
from contlab.errors import ContlabError, LessonError
from contlab.lab.protocol import Lab


class Doing(StrEnum):
    """How far it is."""

    OPENING = "opening"
    RUNNING = "running"
    DONE = "done"
    """The kernel has judged; the containers live on, to be looked at, until ``close``."""
    FAILED = "failed"
    CLOSED = "closed"


class Again:
    """Nobody is asked for predictions: the commands run one after another, then the kernel judges."""

    def __init__(
        self, lesson: Lesson, step: str, open_lab: Callable[[Lesson], Awaitable[Lab]], changed: Callable[[], None]
    ) -> None:
        """``step``: a slug, or "" for the lesson's first experiment. LessonError when there is none to do."""
        if (place := experiment(lesson, step)) is None:
            raise LessonError(f"the lesson “{lesson.title}” has no experiment to do again", "Press o to read it.")
        self.session = Session(lesson, place)
        self.doing = Doing.OPENING
        self.lab: Lab | None = None
        self._open_lab, self._changed = open_lab, changed

    @property
    def container(self) -> str:
        """The one that the step is about: where it runs its first command."""
        runs: tuple[Run, ...] = self.session.step.of(Run)
        return runs[0].container

    async def open(self) -> Lab:
        """Open the lab; listen to its news, then ``play``."""
        try:
            self.lab = await self._open_lab(self.session.lesson)
        except ContlabError:
            self._be(Doing.FAILED)
            raise
        return self.lab

    async def play(self) -> None:
        """Make the containers, run the commands, ask the kernel."""
        try:
            await self._play()
        except ContlabError:
            self._be(Doing.FAILED)
            raise

    async def _play(self) -> None:
        assert self.lab is not None
        lab, session = self.lab, self.session
        earlier = _earlier(session)
        if earlier.blocks and not lab.recorded:
            await lab.enter(earlier)
        before = await lab.facts()
        await lab.enter(session.step)
        session.read(before)
        while session.question is not None:
            session.predict(0)
        while (run := session.next_run) is not None and self.doing is not Doing.CLOSED:
            self._be(Doing.RUNNING)
            session.ran(await lab.run(run))
        if self.doing is not Doing.CLOSED:
            session.observe(await lab.facts())
            self._be(Doing.DONE)

    async def interrupt(self) -> None:
        """Kill the command that runs."""
        if self.lab is not None and self.doing is Doing.RUNNING:
            await self.lab.interrupt()

    async def close(self) -> None:
        """End everything; returns when nothing is left."""
        self._be(Doing.CLOSED)
        if self.lab is not None:
            await self.lab.close()

    def _be(self, doing: Doing) -> None:
        if self.doing is not Doing.CLOSED:
            self.doing = doing
            self._changed()


def experiment(lesson: Lesson, slug: str) -> int | None:
    """The step's place; where it only is to be read, the next that has a command, else the last; None: none has."""
    places = [place for place, step in enumerate(lesson.steps) if step.of(Run)]
    wanted = next((place for place, step in enumerate(lesson.steps) if step.slug == slug), 0)
    return next((place for place in places if place >= wanted), places[-1] if places else None)


def _earlier(session: Session) -> Step:
    """Containers and guests of earlier steps that the step finds there: each in its last form, opened as one step."""
    step = session.step
    own = {block.name for kind in (Container, Vm) for block in step.of(kind)}
    last: dict[str, Container | Vm] = {}
    for before in session.lesson.steps[: session.index]:
        last |= {block.name: block for kind in (Container, Vm) for block in before.of(kind)}
    return msgspec.structs.replace(step, blocks=tuple(block for name, block in last.items() if name not in own))
