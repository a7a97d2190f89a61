"""``contlab learn``: the Learn screen, over the list of lessons."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from contlab.course.lesson import Lesson
    from contlab.course.library import Track
    from contlab.course.progress import Progress
    from contlab.lab import Lab


@click.command()
@click.option("--record", type=click.Path(dir_okay=False, path_type=Path), help="Write a recording to FILE.")
@click.argument("lesson", required=False)
def learn(record: Path | None = None, lesson: str | None = None) -> int:
    """Open LESSON, or the first that isn't finished, in the terminal.

    LESSON is an id, TRACK/NAME or a file. A lesson goes on at the first step that isn't done. Without root, the
    recording that ships with a lesson is played.
    """
    import sys

    from contlab.errors import UnavailableError

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UnavailableError("the Learn screen needs a terminal", "Play a lesson with no screen: contlab run LESSON")

    from contlab.course import library
    from contlab.course.progress import Progress
    from contlab.tui.app import ContlabApp
    from contlab.tui.course import Course
    from contlab.vm.model import ModelParameters, rows

    async def open_lab(of: Lesson) -> Lab:
        from contlab.lab import open_lab

        return await open_lab(of, record=record)

    progress = Progress()
    first = library.open_lesson(lesson) if lesson else _unfinished(library.tracks(), progress)
    course = Course(library.tracks, _open, open_lab, progress, rows(ModelParameters(), _host_memory()))
    app = ContlabApp(course, first)
    app.run()
    return app.return_code or 0


def _open(path: Path) -> Lesson:
    from contlab.course.library import open_lesson

    return open_lesson(str(path))


def _unfinished(tracks: tuple[Track, ...], progress: Progress) -> Lesson | None:
    """The first lesson in the tracks' order that has steps left; None when all are done, and the list is shown."""
    for track in tracks:
        for entry in track.lessons:
            if not entry.mistakes and len(progress.done(lesson := _open(entry.path))) < len(lesson.steps):
                return lesson
    return None


def _host_memory() -> int:
    """Bytes of RAM."""
    import os

    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
