"""Decode: msgspec's validation with its errors in an author's words, each with the line it is about."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

from contlab.course.mistake import Mistakes
from contlab.course.places import Places
from contlab.runtime.spec import Bind, IdMap, IoLimit, Limits, Namespace, RootMethod, TimeOffsets, Tmpfs

T = TypeVar("T")

NESTED = {
    "limits": Limits, "limits.io": IoLimit, "binds": Bind, "tmpfs": Tmpfs,
    "id_map": IdMap, "gid_map": IdMap, "time_offsets": TimeOffsets,
}  # fmt: skip
"""The tables inside a container block, by the key that holds them."""

_AT = re.compile(r"(.*?)(?: - at `(?:key in )?\$?(.*)`)?", re.DOTALL)
_TYPES = {
    "str": "text in quotes",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}
_ENUMS = [*Namespace, *RootMethod]


def convert(data: Any, type_: type[T], places: Places, mistakes: Mistakes, at: tuple[str | int, ...] = ()) -> T | None:
    """``data`` as ``type_``; or None, and the mistake is in ``mistakes``."""
    try:
        return msgspec.convert(data, type_)
    except msgspec.ValidationError as error:
        _report(str(error), places, mistakes, at)
        return None


def unknown_keys(
    table: dict[str, Any], known: Iterable[str], places: Places, mistakes: Mistakes, at: tuple[str | int, ...] = ()
) -> dict[str, Any]:
    """The table without the keys that nobody knows; each of those is a mistake."""
    fields = set(known)
    for key in table.keys() - fields:
        mistakes.unknown(places.line(*at, key), "key", key, fields)
    return {key: value for key, value in table.items() if key in fields}


def _report(error: str, places: Places, mistakes: Mistakes, at: tuple[str | int, ...]) -> None:
    match = _AT.fullmatch(error)
    message, path = (match[1], _path(match[2] or "")) if match else (error, ())
    line = places.line(*at, *path)
    where = ".".join(part for part in (*at, *path) if isinstance(part, str))
    if found := re.search(r"unknown field `(.*)`", message):
        key = found[1]
        fields = NESTED[where].__struct_fields__ if where in NESTED else ()
        mistakes.unknown(places.line(*at, *path, key), f"key in `{where}`" if where else "key", key, fields)
    elif found := re.search(r"missing required field `(.*)`", message):
        mistakes.add(line, f"`{found[1]}` is missing" + (f" in `{where}`" if where else ""))
    elif found := re.search(r"Invalid enum value '(.*)'", message):
        mistakes.unknown(line, f"word in `{where}`", found[1], _ENUMS)
    else:
        mistakes.add(line, f"`{where}`: {_plain(message)}" if where else _plain(message))


def _path(text: str) -> tuple[str | int, ...]:
    """``.binds[0].source`` as parts; ``[...]`` says no more than that it is inside."""
    parts = re.findall(r"[A-Za-z0-9_-]+|\[\d+\]", text.replace("[...]", ""))
    return tuple(int(part[1:-1]) if part.startswith("[") else part for part in parts)


def _plain(message: str) -> str:
    """``Expected `int | null`, got `str``` as ``must be a whole number, not text in quotes``."""
    if not (match := re.fullmatch(r"Expected `(.*)`, got `(.*)`", message)):
        return message[:1].lower() + message[1:]
    wanted = " or ".join(_TYPES.get(word, word) for word in match[1].split(" | ") if word != "null")
    return f"must be {wanted}, not {_TYPES.get(match[2], match[2])}"
