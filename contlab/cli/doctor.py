"""``contlab doctor``: what this host allows, and what mends it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import click

from contlab.errors import ExitCode

if TYPE_CHECKING:
    from contlab.doctor import Readiness

MARKS = {"ok": "✓", "reduced": "~", "missing": "✗", "full": "✓", "recorded": "✗"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One object: findings, lessons.")
@click.option("--clean", is_flag=True, help="Remove what runs that died have left: processes, cgroups, mounts, links.")
def doctor(as_json: bool, clean: bool) -> int:
    """Say what this host allows, for each capability and each lesson; why; and the command that mends it.

    In --json: findings, each with word, status (ok, reduced, missing), reason and fix; lessons, each with lesson, level
    (full, reduced, recorded) and lacking, its findings that are not ok. With --clean: removed, alive, and stuck, each
    with what can't be removed and fix; the exit code is 69 then.
    """
    if clean:
        return _clean(as_json)
    from contlab.doctor import examine

    findings = examine()
    lessons = dict(_lessons())
    if as_json:
        import msgspec

        listed = [{"lesson": name, "level": r.level, "lacking": r.lacking} for name, r in lessons.items()]
        click.echo(msgspec.json.encode({"findings": findings, "lessons": listed}))
        return ExitCode.OK
    click.echo("\n".join(_table((f.word, f.status, f.reason, f.fix) for f in findings)))
    if lessons:
        click.echo("\nlessons")
        click.echo("\n".join(_table((name, r.level, r.why, "") for name, r in lessons.items())))
    return ExitCode.OK


def _clean(as_json: bool) -> int:
    from contlab import paths
    from contlab.cli.failure import tell
    from contlab.runtime.sweep import sweep

    swept = sweep(str(paths.runtime_root()))
    status = ExitCode.UNAVAILABLE if swept.stuck else ExitCode.OK
    if as_json:
        import msgspec

        stuck = [{"what": error.message, "fix": error.hint} for error in swept.stuck]
        click.echo(msgspec.json.encode({"removed": swept.removed, "alive": swept.alive, "stuck": stuck}))
        return status
    for name in swept.removed:
        click.echo(f"removed {name}")
    for name in swept.alive:
        click.echo(f"run {name} is going on and was left alone", err=True)
    for error in swept.stuck:
        tell(error.message, error.hint)
    if not swept.removed and not swept.stuck:
        click.echo("nothing was left to remove", err=True)
    return status


def _lessons() -> Iterator[tuple[str, Readiness]]:
    """Each lesson and how it can be played; those with mistakes are ``contlab lessons check``'s matter."""
    from contlab.course.catalogue import tracks
    from contlab.course.document import read
    from contlab.doctor import readiness

    for track in tracks():
        for entry in track.lessons:
            if not entry.mistakes:
                yield f"{track.slug}/{entry.slug}", readiness(read(entry.path).lesson.needs)


def _table(rows: Iterable[tuple[str, str, str, str]]) -> Iterator[str]:
    """Aligned columns; the reason is folded under itself, its fix stands below it. On a pipe nothing is folded."""
    import textwrap

    cells = list(rows)
    names, statuses = (max(len(row[column]) for row in cells) for column in (0, 1))
    margin = names + statuses + 6
    width = max(shutil.get_terminal_size().columns - margin, 24) if sys.stdout.isatty() else 10_000
    for name, status, reason, fix in cells:
        lines = textwrap.wrap(reason, width) or [""]
        yield f"{MARKS[status]} {name:<{names}}  {status:<{statuses}}  {lines[0]}".rstrip()
        yield from (" " * margin + line for line in lines[1:])
        yield from (" " * margin + f"→ {line}" for line in fix.splitlines())  # never folded: it is to be copied
