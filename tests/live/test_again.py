"""Run it again, for real: a claim of the user's note leads to a lesson's step, done in a fresh lab."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import psutil
import pytest
from msgspec.structs import replace

from contlab.course.lesson import Lesson, Run, Step
from contlab.lab import open_lab
from contlab.lab.again import Again, Doing
from contlab.lab.protocol import Happened, Lab
from contlab.lab.remember import shipped_lessons
from contlab.review.links import Lessons
from contlab.runtime.events import Started
from tests.live.containers import SLOW

pytestmark = pytest.mark.needs("root", "cgroup-memory", "cgroup-pids", "ns-pid", "pivot_root", "proc", "overlay")

NOTE = (Path(__file__).parents[1] / "data" / "review" / "why-containers.md").read_bytes()


@pytest.mark.parametrize("term", ["chroot", "namespace", "cgroup"])
async def test_a_term_of_the_users_note_is_shown_by_the_kernel(term: str) -> None:
    shipped = {lesson.id: lesson for lesson in shipped_lessons()}
    links = Lessons(shipped.values()).links(NOTE)
    [target, *_] = next(link.targets for link in links if link.anchor.text == term)
    again = Again(patient(shipped[target.lesson]), target.step, open_lab, lambda: None)
    started: list[float] = []
    begun = time.monotonic()

    lab = await again.open()
    listening = asyncio.create_task(_listen(lab, again.container, started))
    try:
        await again.play()
        alive = psutil.Process().children(recursive=True)
        assert Doing.DONE is again.doing
        assert again.session.judgements
        assert [] == [judgement.check for judgement in again.session.judgements if not judgement.passed]
        assert alive, "the containers live on, to be looked at"
    finally:
        await again.close()
    await listening
    assert started[0] - begun < (100 if SLOW else 10), "a second on an idle host"
    assert [] == [process for process in alive if process.is_running() and process.status() != "zombie"]


def patient(lesson: Lesson) -> Lesson:
    """The lesson; on an emulated machine its commands have more time."""

    def longer(step: Step) -> Step:
        blocks = (
            replace(block, timeout=block.timeout * 4) if isinstance(block, Run) else block for block in step.blocks
        )
        return replace(step, blocks=tuple(blocks))

    return replace(lesson, steps=tuple(longer(step) for step in lesson.steps)) if SLOW else lesson


async def _listen(lab: Lab, container: str, started: list[float]) -> None:
    async for news in lab.news():
        match news:
            case Happened(event=Started(container=name)) if name == container:
                started.append(time.monotonic())
