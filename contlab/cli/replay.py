"""``contlab replay``: a recording, on the Learn screen or as lines."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

    from contlab.lab.record import Entry


@click.command()
@click.option("--json", "as_json", is_flag=True, help="The recording's entries on stdout, one object a line.")
@click.option("--text", "as_text", is_flag=True, help="A line for each thing that happened; so, too, on a pipe.")
@click.option("--speed", type=click.FloatRange(min=0), default=1.0, show_default=True, help="0: without waiting.")
@click.argument("file", type=click.Path(path_type=Path))
def replay(as_json: bool, as_text: bool, speed: float, file: Path) -> int | None:
    """Play a recording made by `contlab run --record` or `contlab learn --record`.

    Nothing is made on this host. A recording that was cut off is played to where it ends; the exit code is then 66.
    """
    from contlab.observe.trace import read_header, read_trace

    header = read_header(file)
    if as_json or as_text or not sys.stdout.isatty():
        from contlab.lab.record import decoder

        if not as_json:
            click.echo(f"{header.subject}, recorded {header.recorded} on Linux {header.kernel}")
        for entry in read_trace(file, decoder):
            for line in [_json(entry)] if as_json else _lines(entry):
                click.echo(line)
        return None
    from contlab.course.library import open_lesson
    from contlab.lab import Lab, ReplayLab
    from contlab.tui.app import ContlabApp

    lesson = open_lesson(header.subject)

    async def open_lab(_: object) -> Lab:
        return ReplayLab(file, lesson, speed)

    app = ContlabApp(lambda: (lesson,), open_lab, first=lesson.id)
    app.run()
    return app.return_code


def _json(entry: Entry) -> bytes:
    import msgspec

    return msgspec.json.encode(entry)


def _lines(entry: Entry) -> Iterator[str]:
    from contlab.cli.failure import visible
    from contlab.lab.protocol import Happened, Output, Trouble
    from contlab.lab.record import Began, Entered, Finished
    from contlab.linux.sizes import format_duration
    from contlab.runtime import events

    at = f"{entry.at:8.2f} s  "
    match entry.item:
        case Entered(step):
            yield f"{at}# {step}"
        case Began(name):
            yield f"{at}$ {name}"
        case Output(_, text):
            yield from (f"{at}  {line}" for line in visible(text).splitlines())
        case Finished(result):
            yield f"{at}= {result.name}: exit {result.exit_code}"
        case Trouble(message, _):
            yield f"{at}! {visible(message)}"
        case Happened(events.OperationDone() as done):
            yield f"{at}  {done.container}: {visible(done.describe)}  ({format_duration(done.microseconds)})"
        case Happened(events.Started() as started):
            yield f"{at}  {started.container}: runs, process {started.pid}, {format_duration(started.ready_us)}"
        case Happened(events.Exited() as exited):
            yield f"{at}  {exited.container}: process {exited.pid} ended, status {exited.status}"
        case _:
            return
