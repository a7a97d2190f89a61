"""A recording answers as the lab did."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from contlab.course.facts import RunResult
from contlab.course.lesson import Lesson, Run, Step
from contlab.errors import ExitCode, TraceError
from contlab.lab.protocol import News, Output, Sampled
from contlab.lab.record import Began, Entered, Finished, Item, Looked, Settled
from contlab.lab.replay import ReplayLab
from contlab.observe.snapshot import Snapshot

Recording = Callable[..., Path]


def result(name: str, output: str) -> RunResult:
    return RunResult(name, "box", 0, None, output, 0.5)


def sample(at: float) -> Sampled:
    return Sampled({"box": Snapshot(target="box", at=at)})


WHOLE: tuple[Item, ...] = (
    Sampled({}),
    Looked(),
    Entered("first"),
    sample(1),
    Settled(),
    sample(2),
    Began("look"),
    Output("look", "box\n"),
    sample(3),
    Finished(result("look", "box\n")),
    sample(4),
    Looked(),
    sample(5),
    Looked(),
    Entered("second"),
    Settled(),
    Began("again"),
    Output("again", "box again\n"),
    Finished(result("again", "box again\n")),
    Looked(),
)
"""Both steps, as a lab is asked by a session: facts before a step, enter, run, facts."""


def run_of(step: Step) -> Run:
    run: Run = step.of(Run)[0]
    return run


async def news_of(lab: ReplayLab) -> list[News]:
    await lab.close()
    return [item async for item in lab.news()]


async def test_each_call_is_answered_as_it_was_then(lesson: Lesson, recording: Recording) -> None:
    lab = ReplayLab(recording(*WHOLE), lesson, speed=0)
    first, second = lesson.steps

    assert {} == (await lab.facts()).snapshots
    await lab.enter(first)
    assert result("look", "box\n") == await lab.run(run_of(first))
    after = await lab.facts()
    assert sample(4).snapshots == after.snapshots
    assert {"look": result("look", "box\n")} == after.runs
    assert ("6.1.0", "there") == (after.host_kernel, after.host_hostname)
    assert sample(5).snapshots == (await lab.facts()).snapshots
    await lab.enter(second)
    assert result("again", "box again\n") == await lab.run(run_of(second))
    assert {"look", "again"} == (await lab.facts()).runs.keys()


async def test_everything_that_was_told_then_is_told_in_its_order(lesson: Lesson, recording: Recording) -> None:
    lab = ReplayLab(recording(*WHOLE), lesson, speed=0)
    await lab.facts()
    for step in lesson.steps:
        await lab.enter(step)
        await lab.run(run_of(step))
        await lab.facts()
        await lab.facts()

    assert [item for item in WHOLE if isinstance(item, Output | Sampled)] == await news_of(lab)


async def test_facts_asked_for_more_often_than_then_stay_the_last_ones(lesson: Lesson, recording: Recording) -> None:
    lab = ReplayLab(recording(*WHOLE[:12]), lesson, speed=0)
    await lab.enter(lesson.steps[0])
    await lab.run(run_of(lesson.steps[0]))

    assert await lab.facts() == await lab.facts()


async def test_a_step_can_be_entered_again_and_out_of_order(lesson: Lesson, recording: Recording) -> None:
    lab = ReplayLab(recording(*WHOLE), lesson, speed=0)
    first, second = lesson.steps

    await lab.enter(second)
    assert "box again\n" == (await lab.run(run_of(second))).output
    for _ in range(2):
        await lab.enter(first)
        assert "box\n" == (await lab.run(run_of(first))).output
        assert sample(4).snapshots == (await lab.facts()).snapshots


async def test_a_step_that_was_entered_twice_then_goes_on_from_where_the_learner_went_on(
    lesson: Lesson, recording: Recording
) -> None:
    once = (Entered("first"), Settled(), Began("look"))
    lab = ReplayLab(
        recording(*once, Finished(result("look", "one")), *once, Finished(result("look", "two"))), lesson, speed=0
    )

    outputs = []
    for _ in range(2):
        await lab.enter(lesson.steps[0])
        outputs.append((await lab.run(run_of(lesson.steps[0]))).output)

    assert ["one", "two"] == outputs


async def test_news_end_when_the_lab_is_closed_and_closing_twice_is_fine(lesson: Lesson, recording: Recording) -> None:
    lab = ReplayLab(recording(*WHOLE), lesson, speed=0)
    await lab.close()

    assert [] == await asyncio.wait_for(news_of(lab), 10)


# --- what can be wrong --------------------------------------------------------------------------------------------


def check(caught: pytest.ExceptionInfo[TraceError], *words: str) -> None:
    assert [] == [word for word in words if word not in caught.value.message]
    assert caught.value.hint
    assert ExitCode.TRACE == caught.value.exit_code


def test_a_recording_of_another_lesson_says_of_which(lesson: Lesson, recording: Recording) -> None:
    with pytest.raises(TraceError) as caught:
        ReplayLab(recording(*WHOLE, of="test/other"), lesson)
    check(caught, "test/other", "test/two")


def test_a_trace_of_something_else_is_no_recording_of_a_lesson(lesson: Lesson, recording: Recording) -> None:
    file = recording()
    file.write_bytes(file.read_bytes().splitlines(keepends=True)[0])
    with pytest.raises(TraceError) as caught:
        ReplayLab(file, lesson)
    check(caught, "not a recording of a lesson")


def test_an_empty_file_is_said_to_be_empty(lesson: Lesson, tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(TraceError) as caught:
        ReplayLab(tmp_path / "empty", lesson)
    check(caught, "it is empty")


def test_a_file_that_is_not_there_is_said_to_be_missing(lesson: Lesson, tmp_path: Path) -> None:
    with pytest.raises(TraceError) as caught:
        ReplayLab(tmp_path / "nowhere", lesson)
    check(caught, "No such file")


def test_what_is_no_json_is_no_recording(lesson: Lesson, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\x7fELF\x02\x01\n")
    with pytest.raises(TraceError) as caught:
        ReplayLab(tmp_path / "x", lesson)
    check(caught, "no recording", "line 1")


async def test_a_step_that_was_not_recorded_is_named(lesson: Lesson, recording: Recording) -> None:
    lab = ReplayLab(recording(*WHOLE[:12]), lesson, speed=0)
    with pytest.raises(TraceError) as caught:
        await lab.enter(lesson.steps[1])
    check(caught, "the step “Second”", "the recording stopped before it")


async def test_a_run_that_was_not_recorded_is_named_and_another_step_s_is_not_taken_for_it(
    lesson: Lesson, recording: Recording
) -> None:
    lab = ReplayLab(recording(*WHOLE), lesson, speed=0)
    await lab.enter(lesson.steps[0])
    with pytest.raises(TraceError) as caught:
        await lab.run(run_of(lesson.steps[1]))
    check(caught, "the run again", "the lesson has changed since")


async def test_a_run_that_never_finished_then_does_not_now(lesson: Lesson, recording: Recording) -> None:
    lab = ReplayLab(recording(*WHOLE[:9]), lesson, speed=0)
    await lab.enter(lesson.steps[0])
    with pytest.raises(TraceError) as caught:
        await lab.run(run_of(lesson.steps[0]))
    check(caught, "the run look")


async def test_a_truncated_recording_answers_what_is_whole_and_then_says_where_it_ends(
    lesson: Lesson, recording: Recording, cut: Callable[[Path, int], Path]
) -> None:
    lab = ReplayLab(cut(recording(*WHOLE[:-1]), 20), lesson, speed=0)
    first, second = lesson.steps
    await lab.enter(first)
    assert "box\n" == (await lab.run(run_of(first))).output
    await lab.enter(second)
    with pytest.raises(TraceError) as caught:
        await lab.run(run_of(second))
    check(caught, "cut off", f"line {len(WHOLE) + 1} ends in the middle")


def test_a_recording_cut_off_in_its_first_entry_can_t_be_opened(
    lesson: Lesson, recording: Recording, cut: Callable[[Path, int], Path]
) -> None:
    with pytest.raises(TraceError) as caught:
        ReplayLab(cut(recording(), 20), lesson)
    check(caught, "cut off", "line 2")


async def test_a_damaged_line_is_named_once_it_is_reached(lesson: Lesson, recording: Recording) -> None:
    file = recording(*WHOLE)
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([*lines[:15], b'{"at": 3, "item": {"type": "dragon"}}\n', *lines[15:]]))
    lab = ReplayLab(file, lesson, speed=0)
    await lab.enter(lesson.steps[0])
    with pytest.raises(TraceError) as caught:
        await lab.enter(lesson.steps[1])
    check(caught, "damaged", "line 16")


# --- pace ---------------------------------------------------------------------------------------------------------


def spread(file: Path, seconds: float) -> Path:
    """The same recording with this long between two entries."""
    header, *lines = file.read_bytes().splitlines()
    entries = [msgspec.json.decode(line) for line in lines]
    paced = [msgspec.json.encode(entry | {"at": place * seconds}) for place, entry in enumerate(entries)]
    file.write_bytes(b"".join(line + b"\n" for line in (header, *paced)))
    return file


async def test_what_happened_in_a_call_takes_its_time_and_what_happened_between_calls_none(
    lesson: Lesson, recording: Recording
) -> None:
    between = [sample(n) for n in range(2000)]
    items = (Entered("first"), Settled(), *between, Began("look"), sample(1), sample(2), Finished(result("look", "")))
    lab = ReplayLab(spread(recording(*items), 0.2), lesson)
    begun = time.monotonic()

    await lab.enter(lesson.steps[0])
    await lab.run(run_of(lesson.steps[0]))

    assert 0.4 <= time.monotonic() - begun < 100


async def test_a_long_pause_is_cut_and_speed_divides_it(lesson: Lesson, recording: Recording) -> None:
    items = (Entered("first"), sample(1), sample(2), Settled())
    lab = ReplayLab(spread(recording(*items), 3600), lesson, speed=10)
    begun = time.monotonic()

    await lab.enter(lesson.steps[0])

    assert 0.2 <= time.monotonic() - begun < 60


async def test_an_interrupt_skips_to_the_end_of_the_run(lesson: Lesson, recording: Recording) -> None:
    items = (Entered("first"), Settled(), Began("look"), *(sample(n) for n in range(50)), Finished(result("look", "x")))
    lab = ReplayLab(spread(recording(*items), 3600), lesson, speed=0.001)
    await lab.enter(lesson.steps[0])
    run = asyncio.create_task(lab.run(run_of(lesson.steps[0])))
    await asyncio.sleep(0)

    await lab.interrupt()

    assert "x" == (await asyncio.wait_for(run, 60)).output


async def test_closing_ends_a_run_that_is_being_played(lesson: Lesson, recording: Recording) -> None:
    items = (Entered("first"), Settled(), Began("look"), sample(1), Finished(result("look", "x")))
    lab = ReplayLab(spread(recording(*items), 3600), lesson, speed=0.001)
    await lab.enter(lesson.steps[0])
    run = asyncio.create_task(lab.run(run_of(lesson.steps[0])))
    await asyncio.sleep(0)

    await lab.close()

    assert "x" == (await asyncio.wait_for(run, 60)).output
