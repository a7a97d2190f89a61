"""The lessons that ship with contlab: without mistakes, and fit to be read in a narrow pane, in front of a class."""

from __future__ import annotations

from pathlib import Path

import pytest

from contlab import paths
from contlab.course.catalogue import check, lesson_files, tracks
from contlab.course.document import read
from contlab.course.lesson import Card, Expect, Lesson, Note, Predict, Prose, Run

FILES = lesson_files(paths.shipped("lessons"))
LESSONS = [read(path).lesson for path in FILES]


def test_no_shipped_lesson_has_a_mistake() -> None:
    assert () == check(FILES)


def test_every_shipped_lesson_stands_in_a_track() -> None:
    assert set(FILES) == {entry.path for track in tracks() for entry in track.lessons}


def test_the_map_names_every_lesson() -> None:
    text = (paths.shipped("lessons") / "README.md").read_text()

    assert [] == [path for path in FILES if f"{path.parent.name}/{path.name}" not in text]


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.id)
def test_a_lesson_has_what_a_class_needs_in_every_step(lesson: Lesson) -> None:
    for step in lesson.steps:
        assert step.of(Expect), step.title
        assert step.of(Card), step.title
        assert step.of(Note), step.title
        assert step.of(Predict), step.title
        assert any("virtual machine" in prose.text for prose in step.of(Prose)), step.title
    assert abs(lesson.minutes - sum(note.minutes or 0 for step in lesson.steps for note in step.of(Note))) <= 5


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.id)
def test_nobody_reads_a_wall_of_text_before_the_first_command(lesson: Lesson) -> None:
    for step in lesson.steps:
        first = next(place for place, block in enumerate(step.blocks) if isinstance(block, Run))
        before = " ".join(block.text for block in step.blocks[:first] if isinstance(block, Prose))
        assert len(before.split()) <= 120, step.title


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_code_fits_into_sixty_columns(path: Path) -> None:
    commands = [line for lesson in LESSONS if lesson.path == path
                for step in lesson.steps for run in step.of(Run) for line in run.command.splitlines()]  # fmt: skip

    assert commands
    assert [] == [line for line in commands if len(line) > 60]
