"""``contlab review``: how reviewing goes, and cards in and out."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from contlab.cli.due import JSON, ON, VAULT, look

if TYPE_CHECKING:
    from contlab.review.queue import Queue
    from contlab.review.stats import Stats

BAR = 40
"""Columns of the longest bar."""


class _Review(click.Group):
    """A group whose first word may also be a vault: then the screen opens."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        words = [word for word in args if not word.startswith("-")]
        if not {"-h", "--help"} & set(args) and not (words and words[0] in self.commands):
            args = ["open", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Review)
def review() -> None:
    """Review what is due, in the terminal: contlab review [VAULT].

    VAULT is a folder of Obsidian notes; without it, $CONTLAB_VAULT, the vault around this folder, or the one used last.
    """


@review.command("open")
@VAULT
@ON
@click.option("--cap", type=click.IntRange(min=0), default=30, show_default=True, help="Reviews a session; 0: no cap.")
@click.option("--minutes", type=click.FloatRange(min=0), default=20, show_default=True, help="Minutes a session.")
@click.option("--new", type=click.IntRange(min=0), default=10, show_default=True, help="New notes, and new cards.")
def open_screen(vault: Path | None, on: datetime | None, cap: int, minutes: float, new: int) -> int:
    """Open the Review screen; `contlab review VAULT` does the same."""
    import sys

    from contlab.cli.learn import review_of, teach
    from contlab.errors import UnavailableError
    from contlab.review.session import Caps

    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UnavailableError("the Review screen needs a terminal", "Without one: contlab due, contlab rate NOTE good")
    given = review_of(vault, on.date() if on else None, Caps(cap, minutes, new))
    return teach(None, None, lambda: given, review_first=True)


@review.command()
@VAULT
@ON
@JSON
def stats(vault: Path | None, on: datetime | None, as_json: bool) -> None:
    """Show what is due, the days ahead, the load and how well things were remembered."""
    from contlab.review.log import Log
    from contlab.review.stats import gather

    found = look(vault, on)
    assert found.vault is not None
    with Log() as log:
        past = gather(log, found.queue.on)
    if as_json:
        _print_json(str(found.vault.root), found.queue, past, len(found.cards))
    else:
        _print(str(found.vault.root), found.queue, past, len(found.cards), len(found.scan.entries))


@review.command("export")
@click.option("--format", "form", type=click.Choice(["json", "anki"]), default="json", show_default=True)
@click.argument("file", required=False, type=click.Path(path_type=Path))
def export_cards(form: str, file: Path | None) -> None:
    """Write the cards to FILE, or to stdout.

    json: with memory and history. anki: text for Anki's File > Import, question, answer and tag.
    """
    from contlab.errors import ContlabError, ExitCode
    from contlab.review import exchange
    from contlab.review.deck import Deck
    from contlab.review.log import Log

    with Log() as log:
        deck = Deck(log)
        data = exchange.to_json(deck) if form == "json" else exchange.to_anki(deck).encode()
    if file is None:
        click.echo(data, nl=False)
        return
    try:
        file.write_bytes(data)
    except OSError as error:
        raise ContlabError(f"can't write {file}: {error.strerror}", exit_code=ExitCode.USAGE) from error


@review.command("import")
@click.argument("file", type=click.Path(path_type=Path))
def import_cards(file: Path) -> None:
    """Add the cards of FILE: JSON as `export` writes it, or text with a tab between question and answer."""
    from contlab.errors import ContlabError, ExitCode
    from contlab.review import exchange
    from contlab.review.deck import Deck
    from contlab.review.log import Log

    try:
        data = file.read_bytes()
    except OSError as error:
        raise ContlabError(f"can't read {file}: {error.strerror}", exit_code=ExitCode.USAGE) from error
    with Log() as log:
        synced = exchange.take_in(Deck(log), file.name, data)
    click.echo(f"{synced.added} added, {synced.edited} changed", err=True)


def _print(root: str, queue: Queue, past: Stats, cards: int, notes: int) -> None:
    click.echo(f"{root}, {queue.on}: {notes} notes")
    for deck, notes_of in queue.decks.items():
        click.echo(
            f"  {deck}: {notes_of.due} due ({notes_of.overdue} overdue), {notes_of.new} new, {notes_of.total} in all"
        )
    click.echo(f"  cards to ask: {cards}")
    click.echo(f"  load: {queue.load:.1f} reviews a day")
    forecast = queue.forecast(14)
    most = max(1, *forecast.values())
    click.echo("\ncoming due")
    for day, count in forecast.items():
        click.echo(f"  {day:%a %d %b} {'▇' * round(count * BAR / most)} {count}".rstrip())
    kept = f", {past.retention:.0%} remembered" if past.retention is not None else ""
    click.echo(f"\nlast {len(past.by_day)} days: {past.reviews} reviews{kept}; {past.streak} days in a row")
    for rating, times in past.by_rating.items():
        click.echo(f"  {rating:5} {times}")


def _print_json(root: str, queue: Queue, past: Stats, cards: int) -> None:
    import json

    import msgspec

    data: dict[str, Any] = {
        "vault": root,
        "on": queue.on.isoformat(),
        "due": len(queue.due),
        "new": len(queue.new),
        "cards": cards,
        "load_per_day": round(queue.load, 2),
        "decks": msgspec.to_builtins(queue.decks),
        "forecast": {day.isoformat(): count for day, count in queue.forecast().items()},
        "past": msgspec.to_builtins(past),
    }
    click.echo(json.dumps(data, indent=2, ensure_ascii=False))
