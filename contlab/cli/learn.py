"""``contlab learn``: the Learn screen, over the list of lessons."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from contlab.cli import elevation

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable
    from datetime import date

    from contlab.course.catalogue import Track
    from contlab.course.lesson import Lesson
    from contlab.course.progress import Progress
    from contlab.lab import Lab
    from contlab.lab.compare import Comparison, Measuring
    from contlab.review.session import Caps
    from contlab.tui.reviewing import Reviewing


@click.command()
@click.option("--record", type=click.Path(dir_okay=False, path_type=Path), help="Write a recording to FILE.")
@click.option("--sudo", is_flag=True, help=elevation.HELP)
@click.argument("lesson", required=False)
def learn(record: Path | None = None, sudo: bool = False, lesson: str | None = None) -> int:
    """Open LESSON, or the first that isn't finished, in the terminal.

    LESSON is an id, TRACK/NAME or a file. A lesson goes on at the first step that isn't done. Where this user
    may not make what it needs, the recording that ships with it is played.
    """
    import sys

    from contlab.errors import UnavailableError

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UnavailableError("the Learn screen needs a terminal", "Play a lesson with no screen: contlab run LESSON")

    from contlab.course import catalogue
    from contlab.course.progress import Progress

    first = catalogue.open_lesson(lesson) if lesson else _unfinished(catalogue.tracks(), Progress())
    return teach(first, record, review_of, sudo=elevation.elevate(sudo))


def teach(
    first: Lesson | None,
    record: Path | None,
    review: Callable[[], Reviewing],
    *,
    review_first: bool = False,
    sudo: bool = False,
) -> int:
    """Run the app with the real things; its exit code. ``sudo``: supervisors are started by sudo(8)."""
    from contlab.course import catalogue
    from contlab.course.progress import Progress
    from contlab.tui.app import ContlabApp
    from contlab.tui.course import Course
    from contlab.vm.model import ModelParameters, host_memory, rows

    async def open_lab(of: Lesson) -> Lab:
        from contlab.lab import open_lab

        return await open_lab(of, record=record, sudo=sudo)

    def comparing() -> AsyncGenerator[Measuring | Comparison, None]:
        from contlab.lab.compare_run import compare

        return compare()

    course = Course(catalogue.tracks, _open, open_lab, Progress(), rows(ModelParameters(), host_memory()))
    app = ContlabApp(course, first, review, review_first=review_first, comparing=comparing)
    app.run()
    return app.return_code or 0


def review_of(vault: Path | None = None, on: date | None = None, caps: Caps | None = None) -> Reviewing:
    """What the Review screen needs: the vault that is meant, and the lessons its notes may lead to."""
    from contlab.lab.remember import shipped_lessons, sync_lessons
    from contlab.review import recent
    from contlab.review.desk import Desk
    from contlab.review.links import Lessons
    from contlab.review.session import Caps
    from contlab.tui.reviewing import Reviewing

    lessons = shipped_lessons()
    desk = Desk(recent.find(vault), sync_lessons, Lessons(lessons), on=on)
    return Reviewing(desk, {lesson.id: lesson for lesson in lessons}, caps or Caps())


def _open(path: Path) -> Lesson:
    from contlab.course.catalogue import open_lesson

    return open_lesson(str(path))


def _unfinished(tracks: tuple[Track, ...], progress: Progress) -> Lesson | None:
    """The first lesson in the tracks' order that has steps left; None when all are done, and the list is shown."""
    for track in tracks:
        for entry in track.lessons:
            if not entry.mistakes and len(progress.done(lesson := _open(entry.path))) < len(lesson.steps):
                return lesson
    return None
