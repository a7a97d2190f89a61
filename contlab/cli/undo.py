"""``contlab undo``: the last review taken back."""

from __future__ import annotations

import click


@click.command()
@click.option("--steps", type=click.IntRange(min=1), default=1, show_default=True, help="How many reviews.")
def undo(steps: int) -> int:
    """Take the last review back: of a note, byte for byte, or of a card.

    Any number of reviews can be taken back. A note that was reviewed elsewhere since is left alone, with exit code 76.
    Exit code 1: there is no review to take back.
    """
    from contlab.cli.failure import visible
    from contlab.review.log import Log
    from contlab.review.undo import undo_last

    with Log() as log:
        for _ in range(steps):
            if (undone := undo_last(log)) is None:
                click.echo("There is no review to take back.", err=True)
                return 1
            what = " ".join(undone.what.split())
            click.echo(visible(f"taken back: {undone.review.rating}, {undone.review.day}: {what}"))
    return 0
