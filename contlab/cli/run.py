"""``contlab run``: a lesson with no screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from contlab.cli import elevation

if TYPE_CHECKING:
    from contlab.course.lesson import Lesson
    from contlab.lab.headless import Told


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One object a line on stdout.")
@click.option("--record", type=click.Path(dir_okay=False, path_type=Path), help="Write a recording to FILE.")
@click.option("--replay", type=click.Path(dir_okay=False, path_type=Path), help="Take the answers from a recording.")
@click.option("--sudo", is_flag=True, help=elevation.HELP)
@click.argument("lesson")
def run(as_json: bool, record: Path | None, replay: Path | None, sudo: bool, lesson: str) -> int:
    """Play LESSON with no screen: print each step, command and verdict. Exit code 1 when a fact does not hold.

    LESSON is an id, TRACK/NAME or a file. In --json each line has "kind": step (number, of, title, slug), run (name,
    container, command, exit_code, signal, timed_out, seconds, output), prediction (question, choices, right: the
    place from 0 of the choice that came true), expect (claim, fact, passed, seen, before, held_before, line) and, last,
    end (lesson, passed, failed, recorded).
    """
    import asyncio

    from contlab.course.catalogue import open_lesson

    if record is not None and replay is not None:
        raise click.UsageError("--record and --replay exclude each other")
    found = open_lesson(lesson)
    if not as_json:
        click.echo(f"{found.title}  ({found.id})")
    sudo = replay is None and elevation.elevate(sudo)
    return asyncio.run(_play(found, as_json, record, replay, sudo))


async def _play(lesson: Lesson, as_json: bool, record: Path | None, replay: Path | None, sudo: bool) -> int:
    import asyncio
    import contextlib
    import signal

    from contlab.cli.failure import tell
    from contlab.errors import ExitCode
    from contlab.lab import Lab, ReplayLab, open_lab
    from contlab.lab.headless import Ended, play

    async def open_() -> Lab:
        if replay is not None:
            return ReplayLab(replay, lesson, speed=0)
        return await open_lab(lesson, record=record, may_replay=False, sudo=sudo, notice=tell)

    # As Ctrl-C does, these two end it by cancelling: the lab is closed on the way out.
    task = asyncio.current_task()
    assert task is not None
    stopped: list[int] = []

    def stop(number: int) -> None:
        stopped.append(number)
        task.cancel()

    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop, number)
    failed = 0
    try:
        async with contextlib.aclosing(play(lesson, open_)) as tells:
            async for told in tells:
                _print(told, as_json)
                if isinstance(told, Ended):
                    failed = told.failed
    except asyncio.CancelledError:
        if not stopped:
            raise
        return 128 + stopped[0]
    return ExitCode.EXPECT_FAILED if failed else ExitCode.OK


def _print(told: Told, as_json: bool) -> None:
    import msgspec

    if as_json:
        click.echo(msgspec.json.encode(told))
        return
    from contlab.cli.failure import visible

    for line in _lines(told):
        click.echo(visible(line))


def _lines(told: Told) -> list[str]:
    from contlab.lab.headless import Decided, Ended, Judged, Ran, StepBegan

    match told:
        case StepBegan():
            return ["", f"{told.number}/{told.of}  {told.title}"]
        case Ran():
            ended = "timed out" if told.timed_out else f"exit {told.exit_code}"
            output = told.output.splitlines()
            shown = output if len(output) <= 12 else [*output[:6], f"... {len(output) - 12} lines ...", *output[-6:]]
            head = [f"  {told.container} $ {line}" for line in told.command.splitlines()]
            return [*head, *(f"      {line}" for line in shown), f"      ({ended}, {told.seconds:.2f} s)"]
        case Decided():
            question = f"  ? {' '.join(told.question.split())}"
            if told.right is None:
                return [question, "  ✗ none of the choices came true", f"      line {told.line}"]
            return [question, f"    → {told.choices[told.right]}"]
        case Judged():
            if told.passed:
                return [f"  ✓ {told.claim}"]
            why = "it held before the step already" if told.held_before else f"seen: {told.seen}"
            return [f"  ✗ {told.claim}", f"      line {told.line}: {why}"]
        case Ended():
            played = " (from a recording)" if told.recorded else ""
            return ["", f"{told.passed} held, {told.failed} failed{played}"]
