"""``contlab rate``: one note reviewed, without a screen."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from contlab.cli.due import ON

if TYPE_CHECKING:
    from contlab.review.rating import Change, Context
    from contlab.review.vault import Vault


@click.command()
@click.argument("note", type=click.Path(path_type=Path))
@click.argument("rating", type=click.Choice(["hard", "good", "easy"]))
@click.option("--dry-run", is_flag=True, help="Show the change; write nothing.")
@ON
def rate(note: Path, rating: str, dry_run: bool, on: datetime | None) -> None:
    """Rate how well NOTE was remembered, and write when it comes back.

    Prints the change as a diff. Only the three sr- values change; `contlab undo` takes it back, byte for byte. A note
    that can't be written so is refused, with the reason, and exit code 76.
    """
    from contlab.review import file
    from contlab.review import rating as ratings
    from contlab.review.log import Log
    from contlab.review.osr import Rating, interval_words
    from contlab.review.vault import open_vault

    vault = open_vault(note)
    path = Path(os.path.abspath(note))  # noqa: PTH100 (a note that is a link stays in its vault)
    shown = file.read(path)
    with Log() as log:
        context = _context(vault, path, on)
        if dry_run:
            made = ratings.change(path, shown, Rating(rating), context)
        else:
            made = ratings.rate(log, vault.root, path, Rating(rating), context, shown)
    for line in diff(path.name, made):
        click.echo(line)
    if made.was and made.was.due > context.on:
        click.echo(f"It was due only on {made.was.due}: an early review lengthens the interval all the same.", err=True)
    new = made.schedule
    click.echo(
        f"{path.name}: {rating}: due {new.due}, in {interval_words(new.interval)}; ease {new.ease:g}"
        + (" (dry run: nothing was written)" if dry_run else ""),
        err=True,
    )


def _context(vault: Vault, path: Path, on: datetime | None) -> Context:
    """What the rating depends on, read from the whole vault; NoteRefusal when the note isn't reviewed there."""
    from contlab.review.context import context_of
    from contlab.review.look import day_of
    from contlab.review.vault import scan

    rated = vault.entry(path)
    entries = scan(vault, want_links=rated.schedule is None).entries
    return context_of(rated, entries, vault.settings, day_of(vault.settings, on.date() if on else None))


def diff(name: str, made: Change) -> Iterator[str]:
    """The change as a unified diff without context: the changed lines, as they stand in the file."""
    from difflib import unified_diff

    from contlab.cli.failure import visible

    before, after = (data.decode(errors="replace").split("\n") for data in (made.before, made.after))
    for line in unified_diff(before, after, f"a/{name}", f"b/{name}", n=0, lineterm=""):
        yield visible(line.rstrip("\r"))
