"""Places: on which line of a lesson file each key of a TOML block stands. tomllib keeps no positions; this does.

It reads only what it needs: table headers, the keys that begin a line, and the elements of an array that is
spread over lines. For anything else the nearest enclosing key answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

Path = tuple[str | int, ...]
"""A place in the decoded table, e.g. ``("choices", 0, "when")``."""

_PART = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_KEYS = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_KEYS})\s*\]\]?\s*(?:#.*)?$")
_ASSIGNMENT = re.compile(rf"\s*({_KEYS})\s*=\s*(.*)$")
_LONG_QUOTES = re.compile(r"'''|\"\"\"")


class Places:
    """Where the keys of one block are."""

    def __init__(self, text: str, first: int) -> None:
        self.first = first
        """The file's line on which the block's text begins."""
        self._lines = dict(_scan(text, first))

    def line(self, *path: str | int) -> int:
        """The line of ``path``, or of the nearest key that encloses it."""
        for length in range(len(path), 0, -1):
            if (line := self._lines.get(path[:length])) is not None:
                return line
        return self.first


def _scan(text: str, first: int) -> Iterator[tuple[Path, int]]:
    table: Path = ()
    counts: dict[Path, int] = {}
    array: Path | None = None
    element = -1
    quotes = ""
    for line, words in enumerate(text.splitlines(), first):
        if quotes:
            quotes = "" if quotes in words else quotes
        elif array is not None:
            if words.lstrip().startswith("]"):
                array = None
            elif words.lstrip().startswith("{"):
                element += 1
                yield (*array, element), line
        elif header := _HEADER.match(words):
            table = _split(header[2])
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            yield table, line
        elif assignment := _ASSIGNMENT.match(words):
            path = (*table, *_split(assignment[1]))
            # Every prefix too, so that `tenant` of `tenant.ns.pid.own` has a place.
            yield from ((path[:end], line) for end in range(len(table) + 1, len(path) + 1))
            value = assignment[2]
            if value.startswith("[") and "]" not in value:
                array, element = path, -1
            quotes = _left_open(value)


def _left_open(value: str) -> str:
    """The quotes of a long string that goes on in the next line, or ""."""
    found = _LONG_QUOTES.findall(value)
    return found[0] if found and found.count(found[0]) % 2 else ""


def _split(keys: str) -> Path:
    return tuple(part.strip("\"'") for part in re.findall(_PART, keys))
