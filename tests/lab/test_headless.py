"""A lesson played with no screen, by a lab that answers as the test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from contlab.course.facts import FactContext, RunResult
from contlab.course.lesson import Check, Expect, Lesson, Predict, Run, Step
from contlab.errors import RuntimeFailure
from contlab.lab.headless import Decided, Ended, Judged, Ran, StepBegan, Told, play
from contlab.lab.protocol import News, Output
from contlab.observe.snapshot import Snapshot


class ScriptedLab:
    """``box`` is alive from the first step on; every command prints ``output``."""

    recorded = False

    def __init__(self, output: str = "box", alive_before: bool = False) -> None:
        self.output = output
        self.alive = alive_before
        self.calls: list[str] = []
        self.fails_at = ""
        self.results: dict[str, RunResult] = {}
        self.queue: asyncio.Queue[News | None] = asyncio.Queue()

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name == self.fails_at:
            raise RuntimeFailure("it is gone", "Start again.")

    async def enter(self, step: Step) -> None:
        self._call(f"enter {step.slug}")
        self.alive = True

    async def run(self, run: Run) -> RunResult:
        self._call(f"run {run.name}")
        self.queue.put_nowait(Output(run.name, self.output))
        if self.output == "never":
            await asyncio.Event().wait()
        self.results[run.name] = RunResult(run.name, run.container, 0, None, self.output, 0.25)
        return self.results[run.name]

    async def facts(self) -> FactContext:
        self._call("facts")
        return FactContext({"box": Snapshot(target="box", at=0.0, alive=self.alive)}, dict(self.results), "6.1", "host")

    async def news(self) -> AsyncIterator[News]:
        while (item := await self.queue.get()) is not None:
            yield item

    async def interrupt(self) -> None:
        self._call("interrupt")

    async def close(self) -> None:
        self.calls.append("close")
        self.queue.put_nowait(None)
        if self.fails_at == "close":
            raise RuntimeFailure("something is left", "contlab doctor --clean")


async def played(lesson: Lesson, lab: ScriptedLab) -> list[Told]:
    async def open_lab() -> ScriptedLab:
        return lab

    return [told async for told in play(lesson, open_lab)]


def changed(lesson: Lesson, old: object, new: object) -> Lesson:
    """The lesson with one block of its first step replaced, or (``new`` None) left out."""
    first, *others = lesson.steps
    blocks = tuple(new if block is old else block for block in first.blocks if block is not old or new is not None)
    return msgspec.structs.replace(lesson, steps=(msgspec.structs.replace(first, blocks=blocks), *others))


async def test_every_step_is_told_in_its_order_and_the_lab_is_asked_as_a_session_asks(lesson: Lesson) -> None:
    lab = ScriptedLab()

    told = await played(lesson, lab)

    assert [
        StepBegan(1, 2, "First", "first"),
        Ran("look", "box", "hostname", "", 0, None, False, 0.25, "box"),
        Decided("Who is it?", ("box", "host"), 0, "It has a name of its own.", 10),
        Judged("box.alive is alive", "box.alive", True, "alive", "gone", False, 21),
        Judged(
            'look.output contains "box"',
            "look.output",
            True,
            '"box"',
            "not known: the command look has not been run",
            False,
            22,
        ),
        StepBegan(2, 2, "Second", "second"),
        Ran("again", "box", "hostname", "", 0, None, False, 0.25, "box"),
        Ended("test/two", 3, 0, False),
    ] == told
    step = ["facts", "enter {}", "run {}", "facts"]
    asked = [call.format(name) for names in (("first", "look"), ("second", "again")) for call, name in
             zip(step, ("", *names, ""), strict=True)]  # fmt: skip
    assert [*asked, "close"] == lab.calls


async def test_a_fact_that_held_before_the_step_already_has_failed_and_says_so(lesson: Lesson) -> None:
    told = await played(lesson, ScriptedLab(alive_before=True))

    judged = next(each for each in told if isinstance(each, Judged) and each.fact == "box.alive")
    assert (False, True, "alive", "alive") == (judged.passed, judged.held_before, judged.seen, judged.before)
    assert Ended("test/two", 2, 1, False) == told[-1]


async def test_where_before_does_not_matter_it_is_not_judged(lesson: Lesson) -> None:
    expect = lesson.steps[0].of(Expect)[0]
    lesson = changed(lesson, expect, msgspec.structs.replace(expect, before="any"))

    told = await played(lesson, ScriptedLab(alive_before=True))

    assert [(True, None, False)] * 2 == [(j.passed, j.before, j.held_before) for j in told if isinstance(j, Judged)]


async def test_a_fact_that_does_not_hold_says_what_was_seen(lesson: Lesson) -> None:
    told = await played(lesson, ScriptedLab(output="host"))

    failed = [(each.fact, each.seen, each.held_before, each.line) for each in told
              if isinstance(each, Judged) and not each.passed]  # fmt: skip
    assert [("look.output", '"host"', False, 22)] == failed
    assert 1 == next(each for each in told if isinstance(each, Decided)).right


async def test_a_prediction_that_no_choice_decides_is_a_failure_of_the_lesson(lesson: Lesson) -> None:
    asked = lesson.steps[0].of(Predict)[0]
    never = (Check("look.exit_code", "eq", 7, 11), Check("look.exit_code", "eq", 8, 12))
    lesson = changed(lesson, asked, msgspec.structs.replace(asked, decides=never))

    told = await played(lesson, ScriptedLab())

    decided = next(each for each in told if isinstance(each, Decided))
    assert (None, False, 10) == (decided.right, decided.passed, decided.line)
    assert Ended("test/two", 2, 1, False) == told[-1]


@pytest.mark.parametrize("call", ["facts", "enter first", "run look", "enter second"])
async def test_the_lab_is_closed_when_a_call_fails_and_the_failure_goes_on(lesson: Lesson, call: str) -> None:
    lab = ScriptedLab()
    lab.fails_at = call

    with pytest.raises(RuntimeFailure, match="it is gone"):
        await played(lesson, lab)

    assert [call, "close"] == lab.calls[-2:]


async def test_the_lab_is_closed_when_the_play_is_cancelled(lesson: Lesson) -> None:
    lab = ScriptedLab(output="never")
    playing = asyncio.create_task(played(lesson, lab))
    async with asyncio.timeout(60):
        while "run look" not in lab.calls:
            await asyncio.sleep(0)

    playing.cancel()

    with pytest.raises(asyncio.CancelledError):
        await playing
    assert "close" == lab.calls[-1]


async def test_the_lab_is_closed_when_nobody_wants_to_hear_more(lesson: Lesson) -> None:
    lab = ScriptedLab()

    async def open_lab() -> ScriptedLab:
        return lab

    tells = play(lesson, open_lab)
    await anext(tells)
    await tells.aclose()

    assert ["facts", "enter first", "close"] == lab.calls


async def test_what_can_t_be_closed_is_told(lesson: Lesson) -> None:
    lab = ScriptedLab()
    lab.fails_at = "close"

    with pytest.raises(RuntimeFailure, match="something is left"):
        await played(lesson, lab)


async def test_a_lab_that_can_t_be_opened_is_told(lesson: Lesson) -> None:
    async def open_lab() -> ScriptedLab:
        raise RuntimeFailure("no", "")

    with pytest.raises(RuntimeFailure):
        await anext(play(lesson, open_lab))


async def test_who_listens_hears_everything_the_lab_tells_to_its_end(lesson: Lesson) -> None:
    lab = ScriptedLab()
    heard: list[News] = []

    async def open_lab() -> ScriptedLab:
        return lab

    async for _ in play(lesson, open_lab, heard.append):
        pass

    assert [Output("look", "box"), Output("again", "box")] == heard
