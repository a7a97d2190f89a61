"""A lesson played with no screen: the same session and the same lab, told step by step."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

import msgspec

from contlab.course.facts import RunResult, claim
from contlab.course.lesson import Lesson, Step
from contlab.course.session import Session
from contlab.errors import UnavailableError
from contlab.lab.protocol import Lab, News
from contlab.observe.snapshot import Unavailable


class StepBegan(msgspec.Struct, frozen=True, tag_field="kind", tag="step"):
    """A step's containers are open."""

    number: int
    """From 1."""
    of: int
    title: str
    slug: str


class Ran(msgspec.Struct, frozen=True, tag_field="kind", tag="run"):
    """A command ended."""

    name: str
    container: str
    command: str
    why: str
    exit_code: int
    signal: int | None
    timed_out: bool
    seconds: float
    output: str


class Decided(msgspec.Struct, frozen=True, tag_field="kind", tag="prediction"):
    """The kernel answered a question."""

    question: str
    choices: tuple[str, ...]
    right: int | None
    """The choice that came true, from 0; None: none did, which is a mistake of the lesson."""
    because: str
    line: int

    @property
    def passed(self) -> bool:
        """The kernel's answer is among the choices."""
        return self.right is not None


class Judged(msgspec.Struct, frozen=True, tag_field="kind", tag="expect"):
    """One fact of an ``expect``."""

    claim: str
    fact: str
    passed: bool
    seen: str
    """The fact's value afterwards, in words."""
    before: str | None
    """Its value before the step; None where that does not matter."""
    held_before: bool
    """It failed because it was true already."""
    line: int


class Ended(msgspec.Struct, frozen=True, tag_field="kind", tag="end"):
    """The lesson is over and its lab is closed."""

    lesson: str
    passed: int
    failed: int
    recorded: bool


Told = StepBegan | Ran | Decided | Judged | Ended


async def play(
    lesson: Lesson, open_lab: Callable[[], Awaitable[Lab]], hear: Callable[[News], None] | None = None
) -> AsyncGenerator[Told, None]:
    """Play every step; ContlabError when the lab can't go on. The lab is closed however this ends.

    UnavailableError when a guest isn't there: nothing is known then, and a lesson that isn't played hasn't failed.

    ``hear`` is called with everything the lab tells.
    """
    lab = await open_lab()
    listening = asyncio.create_task(_listen(lab, hear))
    session = Session(lesson)
    passed = failed = 0
    try:
        for place, step in enumerate(lesson.steps):
            async for told in _step(session, lab, place, step):
                if isinstance(told, Decided | Judged):
                    passed, failed = passed + told.passed, failed + (not told.passed)
                yield told
            session.advance()
    finally:
        try:
            await lab.close()
        finally:
            await listening
    yield Ended(lesson.id, passed, failed, lab.recorded)


async def _step(session: Session, lab: Lab, place: int, step: Step) -> AsyncIterator[Told]:
    before = await lab.facts()
    await lab.enter(step)
    yield StepBegan(place + 1, len(session.lesson.steps), step.title, step.slug)
    session.read(before)
    while session.question is not None:
        session.predict(0)  # nobody is asked: what counts is which choice comes true
    while (run := session.next_run) is not None:
        result: RunResult = await lab.run(run)
        if result.missing:
            raise UnavailableError(result.missing, "Look at: contlab vm status")
        yield Ran(
            run.name, run.container, run.command, run.why, result.exit_code, result.signal, result.timed_out,
            result.seconds, result.output,
        )  # fmt: skip
        session.ran(result)
    after = await lab.facts()
    for snapshot in after.snapshots.values():
        if isinstance(snapshot.guest, Unavailable):
            raise UnavailableError(snapshot.guest.reason, "Look at: contlab vm status")
    session.observe(after)
    for prediction in session.predictions:
        asked = prediction.predict
        yield Decided(asked.question, asked.choices, prediction.right, asked.because, asked.line)
    for judgement in session.judgements:
        check, earlier = judgement.check, judgement.before
        yield Judged(
            claim=claim(check),
            fact=check.fact,
            passed=judgement.passed,
            seen=judgement.after.seen,
            before=earlier.seen if earlier else None,
            held_before=judgement.after.holds and not judgement.passed,
            line=check.line,
        )


async def _listen(lab: Lab, hear: Callable[[News], None] | None) -> None:
    async for item in lab.news():
        if hear is not None:
            with contextlib.suppress(BrokenPipeError):
                hear(item)
