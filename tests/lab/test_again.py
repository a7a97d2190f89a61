"""One step's experiment done again, over a fake lab."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from contlab.course.lesson import Lesson, Prose
from contlab.errors import LessonError, NotPermittedError
from contlab.lab.again import Again, Doing, experiment
from tests.tui.fake_lab import FakeLab, lesson


def again(step: str = "own-pids", lab: FakeLab | None = None, of: Lesson | None = None) -> tuple[Again, FakeLab]:
    lab = lab or FakeLab()

    async def open_lab(_: Lesson) -> FakeLab:
        return lab

    return Again(of or lesson(), step, open_lab, lambda: None), lab


async def test_it_runs_all_commands_and_lets_the_kernel_judge() -> None:
    done, lab = again()
    await done.open()
    await done.play()

    assert (Doing.DONE, ["own-pids"], ["look"]) == (done.doing, lab.entered, lab.runs)
    assert [True, True] == [judgement.passed for judgement in done.session.judgements]
    assert 0 == lab.closed
    await done.close()
    assert 1 == lab.closed


async def test_a_later_step_finds_the_containers_of_earlier_ones_without_their_steps_being_played() -> None:
    done, lab = again("leaks")
    await done.open()
    await done.play()

    assert ["leaks", "leaks"] == lab.entered
    assert {"tenant", "neighbour"} == lab.snapshots.keys()
    assert ["kill", "net"] == lab.runs


async def test_a_recording_is_entered_at_the_step_alone() -> None:
    done, lab = again("leaks", FakeLab(recorded=True))
    await done.open()
    await done.play()

    assert ["leaks"] == lab.entered


async def test_closed_amid_a_command_it_runs_no_other() -> None:
    done, lab = again("leaks", FakeLab(hold=True))
    await done.open()
    playing = asyncio.create_task(done.play())
    while not lab.runs:
        await asyncio.sleep(0)
    await done.interrupt()
    await done.close()
    await playing

    assert ["kill"] == lab.runs
    assert Doing.CLOSED is done.doing


async def test_what_can_t_be_opened_or_made_has_failed() -> None:
    async def refuse(_: Lesson) -> FakeLab:
        raise NotPermittedError("making containers needs root here")

    refused = Again(lesson(), "", refuse, lambda: None)
    with pytest.raises(NotPermittedError):
        await refused.open()
    assert Doing.FAILED is refused.doing

    broken, lab = again()
    lab.fail_enter = NotPermittedError("pivot_root")
    await broken.open()
    with pytest.raises(NotPermittedError):
        await broken.play()
    assert Doing.FAILED is broken.doing


def test_a_step_to_be_read_only_leads_to_the_next_experiment_or_the_last() -> None:
    assert [0, 0, 1, 1] == [experiment(lesson(), slug) for slug in ("", "own-pids", "leaks", "meaning")]


def test_a_lesson_without_experiments_is_refused_in_words() -> None:
    steps = tuple(msgspec.structs.replace(step, blocks=(Prose("x", 1),)) for step in lesson().steps)
    with pytest.raises(LessonError, match="no experiment"):
        again(of=msgspec.structs.replace(lesson(), steps=steps))
