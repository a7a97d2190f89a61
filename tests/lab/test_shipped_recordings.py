"""The recordings that ship with lessons still answer for the lessons as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from contlab import paths
from contlab.course.catalogue import open_lesson, tracks
from contlab.lab import Lab, ReplayLab, recording_of
from contlab.lab.headless import Ended, play

RECORDED = [entry.path for track in tracks() for entry in track.lessons]
"""Every lesson."""


def test_there_are_lessons_to_look_at() -> None:
    assert RECORDED
    assert all(path.is_relative_to(paths.shipped("lessons")) for path in RECORDED)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
async def test_a_recording_holds_the_whole_lesson_and_the_kernel_agreed_with_it(path: Path) -> None:
    lesson = open_lesson(str(path))

    async def open_lab() -> Lab:
        return ReplayLab(recording_of(lesson), lesson, speed=0)

    told = [one async for one in play(lesson, open_lab)]

    last = told[-1]
    assert isinstance(last, Ended)
    assert (0, True) == (last.failed, last.recorded)
    assert last.passed > 0
