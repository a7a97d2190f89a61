"""``contlab lessons``: list what can be learned, check lesson files, print the vocabulary of facts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from contlab.course.catalogue import Track
    from contlab.course.mistake import Mistake

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON instead.")


@click.group()
def lessons() -> None:
    """List lessons, or check their files."""


@lessons.command("list")
@JSON
def list_lessons(as_json: bool) -> None:
    """List tracks and lessons: name, minutes, title."""
    from contlab.course.catalogue import tracks

    found = tracks()
    if as_json:
        _print_json([_track(track) for track in found])
        return
    width = max((len(f"{track.slug}/{entry.slug}") for track in found for entry in track.lessons), default=0)
    for place, track in enumerate(found):
        click.echo(("\n" if place else "") + f"{track.title}: {track.summary}")
        for entry in track.lessons:
            note = f"  ({entry.mistakes} to mend: contlab lessons check)" if entry.mistakes else ""
            click.echo(f"  {f'{track.slug}/{entry.slug}':{width}}  {entry.minutes:3d} min  {entry.title}{note}")


@lessons.command("check")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--prove", is_flag=True, help="Then play each one: every expect false before its step and true after.")
@JSON
def check_lessons(paths: tuple[Path, ...], prove: bool, as_json: bool) -> int:
    """Check lesson files, or those below folders; without PATHS, the lessons that ship with contlab.

    Prints each mistake as FILE:LINE and exits 65 when there is one. --prove makes the containers, so it needs the
    rights for that; it exits 1 when a lesson without mistakes says something that the kernel does not do.
    """
    from contlab import paths as places
    from contlab.course.catalogue import check, lesson_files
    from contlab.errors import ExitCode

    files = tuple(file for path in paths or (places.shipped("lessons"),) for file in lesson_files(path))
    mistakes = check(files)
    if as_json:
        _print_json([_mistake(mistake) for mistake in mistakes])
    else:
        for mistake in mistakes:
            click.echo(str(mistake))
    found = f"{len(mistakes)} mistake{'' if len(mistakes) == 1 else 's'}" if mistakes else "no mistake"
    click.echo(f"{len(files)} lesson{'' if len(files) == 1 else 's'} checked, {found}", err=True)
    if mistakes:
        return ExitCode.LESSON
    refuted = [line for file in files for line in _refuted(file)] if prove else []
    for line in refuted:
        click.echo(line)
    if prove:
        click.echo(f"played, {len(refuted)} refuted by the kernel", err=True)
    return ExitCode.EXPECT_FAILED if refuted else ExitCode.OK


def _refuted(file: Path) -> list[str]:
    """What the lesson says and the kernel does not do, as FILE:LINE."""
    import asyncio

    from contlab.course.catalogue import open_lesson
    from contlab.lab import open_lab
    from contlab.lab.headless import Decided, Judged, play

    lesson = open_lesson(str(file))

    async def played() -> list[str]:
        found = []
        async for told in play(lesson, lambda: open_lab(lesson, may_replay=False)):
            match told:
                case Judged(passed=False):
                    why = "held before the step already" if told.held_before else f"seen: {told.seen}"
                    found.append(f"{file}:{told.line}: {told.claim}: {why}")
                case Decided(passed=False):
                    found.append(f"{file}:{told.line}: none of the choices came true: {told.question.strip()}")
                case _:
                    pass
        return found

    return asyncio.run(played())


@lessons.command("facts")
@JSON
def list_facts(as_json: bool) -> None:
    """Print the facts that expect and predict blocks can check."""
    from contlab.course.reference import as_data, as_text

    if as_json:
        _print_json(as_data())
    else:
        click.echo(as_text())


def _track(track: Track) -> dict[str, object]:
    lessons = [
        {
            "id": entry.id,
            "name": f"{track.slug}/{entry.slug}",
            "title": entry.title,
            "minutes": entry.minutes,
            "path": str(entry.path),
            "mistakes": entry.mistakes,
        }
        for entry in track.lessons
    ]
    return {"track": track.slug, "title": track.title, "summary": track.summary, "lessons": lessons}


def _mistake(mistake: Mistake) -> dict[str, object]:
    return {
        "path": mistake.path,
        "line": mistake.line,
        "message": mistake.message,
        "nearest": mistake.nearest or None,
    }


def _print_json(data: object) -> None:
    import json

    click.echo(json.dumps(data, indent=2, ensure_ascii=False))
