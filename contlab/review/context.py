"""Context of a rating: what the vault's other notes have to say in it."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from contlab.review import graph, queue
from contlab.review.rating import Context
from contlab.review.refusal import NoteRefusal, Reason
from contlab.review.settings import Settings
from contlab.review.vault import Entry


def context_of(rated: Entry, entries: Collection[Entry], settings: Settings, day: date) -> Context:
    """The load of each day, and a new note's first ease, which needs the entries' links.

    ``NoteRefusal`` when the note is none of those that are reviewed in its vault.
    """
    if rated.path not in {entry.path for entry in entries}:
        raise NoteRefusal(
            Reason.NOT_REVIEWABLE,
            f"{rated.path} is in a folder that the plugin's settings ignore, or is no .md file",
            "Rate another note, or change the plugin's setting 'folders to ignore'.",
        )
    if not queue.decks_of(rated, settings) and not rated.broken:
        tags = " or ".join(settings.tags_to_review)
        raise NoteRefusal(
            Reason.NOT_REVIEWABLE,
            f"{rated.path} is not among the notes to review: it has neither a schedule nor a review tag",
            f"Give it the tag {tags}.",
        )
    first = graph.ease_from_links(rated.path, entries, settings) if rated.schedule is None else None
    return Context(day, settings, queue.histogram(entries, day, rated), first)
