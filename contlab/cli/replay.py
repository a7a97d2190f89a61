"""``contlab replay``: a recording, on the Learn screen or as lines."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contlab.lab.record import Entry
    from contlab.observe.trace import TraceHeader


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The recording's entries on stdout, one object a line.")
@click.option("--text", "as_text", is_flag=True, help="A line for each thing that happened; so, too, on a pipe.")
@click.option("--speed", type=click.FloatRange(min=0), default=1.0, show_default=True, help="0: without waiting.")
@click.argument("file", type=click.Path(path_type=Path))
def replay(as_json: bool, as_text: bool, speed: float, file: Path) -> int | None:
    """Play a recording made by `contlab run --record` or `contlab learn --record`.

    Nothing is made on this host. A recording that was cut off is played to where it ends; the exit code is then 66.
    """
    from contlab.observe.trace import read_header

    header = read_header(file)
    if as_json or as_text or not sys.stdout.isatty():
        _print(file, header, as_json)
        return None
    return _show(file, header, speed)


def _print(file: Path, header: TraceHeader, as_json: bool) -> None:
    import msgspec

    from contlab.cli.failure import visible
    from contlab.lab.record import decoder
    from contlab.observe.trace import read_trace

    if not as_json:
        click.echo(visible(f"{header.subject}, recorded {header.recorded} on Linux {header.kernel}"))
    for entry in read_trace(file, decoder):
        if as_json:
            click.echo(msgspec.json.encode(entry))
            continue
        for line in _lines(entry):
            click.echo(visible(f"{entry.at:8.2f} s  {line}"))


def _lines(entry: Entry) -> Iterator[str]:
    from contlab.lab.protocol import Happened, Output, Trouble
    from contlab.lab.record import Began, Entered, Finished
    from contlab.linux.sizes import format_duration
    from contlab.runtime import events

    match entry.item:
        case Entered(step):
            yield f"# {step}"
        case Began(name):
            yield f"$ {name}"
        case Output(_, text):
            yield from (f"  {line}" for line in text.splitlines())
        case Finished(result):
            yield f"= {result.name}: exit {result.exit_code}"
        case Trouble(message, _):
            yield f"! {message}"
        case Happened(events.OperationDone() as done):
            yield f"  {done.container}: {done.describe}  ({format_duration(done.microseconds)})"
        case Happened(events.Started() as started):
            yield f"  {started.container}: runs, process {started.pid}, {format_duration(started.ready_us)}"
        case Happened(events.Exited() as exited):
            yield f"  {exited.container}: process {exited.pid} ended, status {exited.status}"
        case _:
            return


def _show(file: Path, header: TraceHeader, speed: float) -> int | None:
    import tempfile

    from contlab.course import catalogue
    from contlab.course.lesson import Lesson
    from contlab.course.progress import Progress
    from contlab.lab import Lab, ReplayLab
    from contlab.tui.app import ContlabApp
    from contlab.tui.course import Course
    from contlab.vm.model import ModelParameters, host_memory, rows

    async def open_lab(lesson: Lesson) -> Lab:
        return ReplayLab(file, lesson, speed)

    with tempfile.TemporaryDirectory(prefix="contlab-") as elsewhere:  # who watches has done nothing yet
        progress = Progress(Path(elsewhere, "progress.json"))
        model = rows(ModelParameters(), host_memory())
        course = Course(catalogue.tracks, lambda path: catalogue.open_lesson(str(path)), open_lab, progress, model)
        app = ContlabApp(course, catalogue.open_lesson(header.subject))
        app.run()
    return app.return_code
