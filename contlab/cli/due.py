"""``contlab due``: the notes and cards that are due."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from contlab.review.look import Look
    from contlab.review.vault import Entry

VAULT = click.argument("vault", required=False, type=click.Path(path_type=Path))
ON = click.option("--on", metavar="DATE", type=click.DateTime(["%Y-%m-%d"]), help="As if it were that day: 2026-04-25.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")


@click.command()
@VAULT
@ON
@JSON
def due(vault: Path | None, on: datetime | None, as_json: bool) -> int:
    """List the notes of VAULT that are due, longest overdue first, and the cards.

    VAULT is a folder of Obsidian notes; without it, $CONTLAB_VAULT, the vault around this folder, or the one used
    last. Only the notes' schedules are read; nothing in the vault is written.

    Exit code 0: something is due or new; 1: nothing is.
    """
    found = look(vault, on)
    if as_json:
        _print_json(found)
    else:
        _print(found)
    return 0 if found.queue.due or found.queue.new or found.cards else 1


def look(vault: Path | None, on: datetime | None) -> Look:
    """What there is in the vault, and the cards to ask; ContlabError when no vault is known."""
    from contlab.lab.remember import sync_lessons
    from contlab.review import look as looking
    from contlab.review import recent
    from contlab.review.log import Log

    with Log() as log:
        return looking.look(log, recent.need(vault), on.date() if on else None, sync_lessons)


def _print(found: Look) -> None:
    from contlab.cli.failure import visible
    from contlab.review.mojibake import repair

    assert found.vault is not None
    queue, cards = found.queue, found.cards
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
    for path, why in found.scan.unreadable:
        click.echo(visible(f"  not read: {path}: {why}"), err=True)
    late_count = sum(count.overdue for count in queue.decks.values())
    click.echo(
        f"{found.vault.root}, {queue.on}: {len(queue.due)} due ({late_count} overdue), {len(queue.new)} new, "
        f"{len(cards)} card{'' if len(cards) == 1 else 's'}",
        err=True,
    )


def _print_json(found: Look) -> None:
    import json

    assert found.vault is not None
    vault, queue = found.vault, found.queue

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
        "unreadable": [{"path": path, "why": why} for path, why in found.scan.unreadable],
        "cards": [
            {
                "id": card.id,
                "question": card.question,
                "source": card.source,
                "due": None if card.is_new else card.due_at.isoformat(),
            }
            for card in found.cards
        ],
        "decks": {
            deck: {"due": n.due, "overdue": n.overdue, "new": n.new, "total": n.total}
            for deck, n in queue.decks.items()
        },
        "forecast": {day.isoformat(): count for day, count in queue.forecast().items()},
        "load_per_day": round(queue.load, 2),
    }
    click.echo(json.dumps(data, indent=2, ensure_ascii=False))
