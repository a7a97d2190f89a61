"""``contlab due``: the notes and cards that are due."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from contlab.review.cards import Card
    from contlab.review.log import Log
    from contlab.review.queue import Queue
    from contlab.review.vault import Entry, Scan, Vault

VAULT = click.argument("vault", required=False, envvar="CONTLAB_VAULT", type=click.Path(path_type=Path))
ON = click.option("--on", metavar="DATE", type=click.DateTime(["%Y-%m-%d"]), help="As if it were that day: 2026-04-25.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")


@click.command()
@VAULT
@ON
@JSON
def due(vault: Path | None, on: datetime | None, as_json: bool) -> int:
    """List the notes of VAULT that are due, longest overdue first, and the cards.

    VAULT is a folder of Obsidian notes; without it, $CONTLAB_VAULT, or the vault around this folder. Only the notes'
    schedules are read; nothing in the vault is written.

    Exit code 0: something is due or new; 1: nothing is.
    """
    from contlab.review.log import Log

    with Log() as log:
        opened, found, queue, cards = look(log, vault, on)
    if as_json:
        _print_json(opened, found, queue, cards)
    else:
        _print(opened, found, queue, cards)
    return 0 if queue.due or queue.new or cards else 1


def look(log: Log, vault: Path | None, on: datetime | None) -> tuple[Vault, Scan, Queue, list[Card]]:
    """The vault, what was found in it, what is due on the day, and the cards to ask."""
    from contlab.course.progress import Progress
    from contlab.lab.remember import shipped_lessons, sync_course
    from contlab.review import queue
    from contlab.review.deck import Deck
    from contlab.review.rating import recover
    from contlab.review.vault import scan

    opened = find_vault(vault)
    with log.locked():
        recover(log)
    found = scan(opened)
    day = day_of(on, opened.settings.today)
    deck = Deck(log, opened.settings.fsrs_desired_retention)
    deck.sync_vault(opened, found.entries)
    sync_course(deck, shipped_lessons(), Progress())
    # A given day stands for its end: all that comes due on it.
    now = datetime.combine(day, time.max, UTC) if on else datetime.now(UTC)
    return opened, found, queue.build(found.entries, opened.settings, day), deck.due(now)


def find_vault(vault: Path | None) -> Vault:
    """The vault that was named, or the one around the current folder."""
    from contlab.errors import ContlabError, ExitCode
    from contlab.review.vault import open_vault

    if vault is not None:
        return open_vault(vault)
    opened = open_vault(Path.cwd())
    if not (opened.root / ".obsidian").is_dir():
        raise ContlabError(
            "no vault was named, and there is none around this folder",
            "Name it, or set CONTLAB_VAULT: contlab due ~/notes",
            exit_code=ExitCode.USAGE,
        )
    return opened


def day_of(on: datetime | None, today: Callable[[datetime], date]) -> date:
    """The day given by ``--on``, else the review day now."""
    return on.date() if on else today(datetime.now())


def _print(vault: Vault, found: Scan, queue: Queue, cards: list[Card]) -> None:
    from contlab.cli.failure import visible
    from contlab.review.mojibake import repair

    for entry in queue.due:
        assert entry.schedule is not None
        late = (queue.on - entry.schedule.due).days
        overdue = f"{late} d late" if late else "today"
        click.echo(visible(f"{entry.schedule.due}  {overdue:>11}  {repair(entry.path)}"))
    for entry in queue.new:
        click.echo(visible(f"{'new':10}  {'':11}  {repair(entry.path)}"))
    for card in cards:
        question = " ".join(card.question.split())
        click.echo(visible(f"{'card':10}  {'new' if card.is_new else '':>11}  {question}"))
    for entry in queue.broken:
        click.echo(visible(f"  not scheduled: {repair(entry.path)}: {entry.broken}"), err=True)
    for path, why in found.unreadable:
        click.echo(visible(f"  not read: {path}: {why}"), err=True)
    late_count = sum(count.overdue for count in queue.decks.values())
    click.echo(
        f"{vault.root}, {queue.on}: {len(queue.due)} due ({late_count} overdue), {len(queue.new)} new, "
        f"{len(cards)} card{'' if len(cards) == 1 else 's'}",
        err=True,
    )


def _print_json(vault: Vault, found: Scan, queue: Queue, cards: list[Card]) -> None:
    import json

    def note(entry: Entry) -> dict[str, Any]:
        from contlab.review.queue import decks_of, recall

        about: dict[str, Any] = {"path": entry.path, "decks": decks_of(entry, vault.settings)}
        if when := entry.schedule:
            about |= {"due": when.due.isoformat(), "overdue_days": max(0, (queue.on - when.due).days)}
            about |= {"interval": when.interval, "ease": when.ease, "recall": round(recall(when, queue.on), 3)}
        return about

    data = {
        "vault": str(vault.root),
        "on": queue.on.isoformat(),
        "due": [note(entry) for entry in queue.due],
        "new": [note(entry) for entry in queue.new],
        "broken": [{"path": entry.path, "why": entry.broken} for entry in queue.broken],
        "unreadable": [{"path": path, "why": why} for path, why in found.unreadable],
        "cards": [
            {
                "id": card.id,
                "question": card.question,
                "source": card.source,
                "due": None if card.is_new else card.due_at.isoformat(),
            }
            for card in cards
        ],
        "decks": {
            deck: {"due": n.due, "overdue": n.overdue, "new": n.new, "total": n.total}
            for deck, n in queue.decks.items()
        },
        "forecast": {day.isoformat(): count for day, count in queue.forecast().items()},
        "load_per_day": round(queue.load, 2),
    }
    click.echo(json.dumps(data, indent=2, ensure_ascii=False))
