"""The vault's review settings, from the plugin's ``data.json``. Only read: the plugin rewrites it from memory."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from pathlib import Path

import msgspec

from contlab.errors import ContlabError, ExitCode

PLUGIN = "plugins/obsidian-spaced-repetition/data.json"


class Settings(msgspec.Struct, frozen=True, rename="camel"):
    """The plugin's names and defaults (1.15.4, ``src/data/settings.ts``), then contlab's own."""

    base_ease: float = 250
    """Percent: 250 multiplies an interval by 2.5."""
    easy_bonus: float = 1.3
    lapses_interval_change: float = 0.5
    maximum_interval: float = 36525
    """Days."""
    max_link_factor: float = 1.0
    load_balance: bool = True
    tags_to_review: tuple[str, ...] = ("#review",)
    note_tags_to_ignore: tuple[str, ...] = ()
    note_folders_to_ignore: tuple[str, ...] = ("**/*.excalidraw.md",)
    data_store: str = "NOTES"
    """Where the plugin keeps schedules; only "NOTES" means in the notes themselves."""
    flashcard_tags: tuple[str, ...] = ("#flashcards",)
    single_line_card_separator: str = "::"
    single_line_reversed_card_separator: str = ":::"
    multiline_card_separator: str = "?"
    multiline_reversed_card_separator: str = "??"
    multiline_card_end_marker: str = ""
    """Empty: a blank line ends a card."""
    cloze_patterns: tuple[str, ...] = ("==[123;;]answer[;;hint]==",)
    fsrs_desired_retention: float = 0.9
    include_scheduled: bool = True
    """contlab's own: a note with the three sr- keys is reviewable without a review tag."""
    day_starts_at: time = time()
    """contlab's own: the hour at which a new review day begins (the plugin's ``startOfDay`` has no effect)."""

    def today(self, now: datetime) -> date:
        """The review day at the local time ``now``."""
        start = self.day_starts_at
        return (now - timedelta(hours=start.hour, minutes=start.minute, seconds=start.second)).date()


class _Data(msgspec.Struct, frozen=True):
    settings: dict[str, object] = {}


def parse(data: bytes) -> Settings:
    """Read the bytes of ``data.json``; what it doesn't say, or says as null, is the plugin's default."""
    given = msgspec.json.decode(data, type=_Data).settings
    known = {field.encode_name for field in msgspec.structs.fields(Settings)} - {"includeScheduled", "dayStartsAt"}
    return msgspec.convert({k: v for k, v in given.items() if k in known and v is not None}, Settings)


def load(vault: Path, config: str = ".obsidian") -> Settings:
    """The settings of a vault; defaults where the plugin isn't installed."""
    path = vault / config / PLUGIN
    try:
        return parse(path.read_bytes())
    except FileNotFoundError:
        return Settings()
    except (msgspec.DecodeError, OSError) as error:
        raise ContlabError(
            f"the plugin's settings can't be read: {path}: {error}",
            "Open the plugin's settings in Obsidian once, so that it writes them anew.",
            exit_code=ExitCode.LESSON,
        ) from error
