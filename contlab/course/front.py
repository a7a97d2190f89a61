"""Front matter: the YAML at the top of a lesson, key by key, so that one mistake hides no other."""

from __future__ import annotations

import re
from typing import Any

import yaml

from contlab.course.decode import convert, unknown_keys
from contlab.course.lesson import MACHINE
from contlab.course.mistake import Mistakes
from contlab.course.places import Places
from contlab.linux.sizes import parse_size
from contlab.runtime.spec import Limits

LISTS = ("after", "needs", "goals", "notes")
KEYS = ("id", "title", "minutes", *LISTS, "machine")
"""The keys there are; id, title and minutes must be there."""

_ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*(?:/[a-z0-9]+(?:-[a-z0-9]+)*)?")


class YamlPlaces(Places):
    """Where the keys of the front matter are: at a line's beginning, or indented below another."""

    def __init__(self, text: str, first: int) -> None:
        super().__init__("", first)
        top = ""
        for line, words in enumerate(text.splitlines(), first):
            if match := re.match(r"(\s*)([\w-]+)\s*:", words):
                top = top if match[1] else match[2]
                self._lines[(top, match[2]) if match[1] else (top,)] = line


def front_matter(text: str, line: int, mistakes: Mistakes) -> dict[str, Any]:
    """The values for ``Lesson``; what is missing or wrong gets a stand-in, and its mistake is noted.

    ``line`` is that of the first line between the dashes.
    """
    places = YamlPlaces(text, line)
    values: dict[str, Any] = {"id": "", "title": "", "minutes": 0}
    if (raw := _yaml(text, line, mistakes)) is None:
        return values
    table = unknown_keys(raw, KEYS, places, mistakes)
    for key, type_ in (("id", str), ("title", str), ("minutes", int)):
        if key not in table:
            mistakes.add(max(line - 1, 1), f"the front matter needs `{key}`")
        elif (value := convert(table[key], type_, places, mistakes, (key,))) is not None:
            values[key] = value
            if not value or (isinstance(value, int) and value < 0):
                mistakes.add(
                    places.line(key), f"`{key}` is empty" if key != "minutes" else "`minutes` must be 1 or more"
                )
    if values["id"] and not _ID.fullmatch(values["id"]):
        mistakes.add(
            places.line("id"), f"`id` {values['id']!r} must be like track/lesson-name: small letters, digits, -"
        )
    for key in LISTS:
        if (
            key in table
            and (words := convert(_words(table[key]), tuple[str, ...], places, mistakes, (key,))) is not None
        ):
            values[key] = words
    if "machine" in table and (machine := _machine(table["machine"], places, mistakes)) is not None:
        values["machine"] = machine
    return values


def _yaml(text: str, line: int, mistakes: Mistakes) -> dict[str, Any] | None:
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or "it can't be read"
        mistakes.add(line + (mark.line if mark else 0), f"the front matter is not YAML: {reason}")
        return None
    if raw is None:
        return {}
    if not isinstance(raw, dict):
        mistakes.add(line, "the front matter must be `key: value` lines")
        return None
    return {str(key): value for key, value in raw.items()}


def _words(value: Any) -> Any:
    """One word or a list of them; ``[[Note]]``, quoted or not, is the note's title."""
    if not isinstance(value, list):
        return [value]
    flat = []
    for item in value:
        # YAML reads an unquoted [[Note]] as a list in a list.
        while isinstance(item, list) and len(item) == 1:
            item = item[0]
        flat.append(item.strip().removeprefix("[[").removesuffix("]]") if isinstance(item, str) else item)
    return flat


def _machine(value: Any, places: Places, mistakes: Mistakes) -> Limits | None:
    if not isinstance(value, dict):
        mistakes.add(places.line("machine"), "`machine` holds memory, cpus and pids, each on a line of its own")
        return None
    table = unknown_keys(value, Limits.__struct_fields__, places, mistakes, ("machine",))
    if isinstance(memory := table.get("memory"), str):
        try:
            table["memory"] = parse_size(memory)
        except ValueError as error:
            mistakes.add(places.line("machine", "memory"), str(error))
            return None
    fallback = {name: getattr(MACHINE, name) for name in Limits.__struct_fields__}
    return convert(fallback | table, Limits, places, mistakes, ("machine",))
