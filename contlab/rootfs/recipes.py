"""Recipe: the data one ``rootfs-fixtures/NAME.toml`` becomes. What to copy from the host, and what to write."""

from __future__ import annotations

import difflib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any

import msgspec

from contlab import paths
from contlab.errors import RootfsError

Mode = Annotated[str, msgspec.Meta(pattern=r"\A[0-7]{3,4}\Z")]
"""Permission bits as chmod(1) takes them: "1777"."""


class Tools(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Host commands to copy with all that they need, found in PATH and in the sbin directories."""

    multicall: str | None = None
    """One program that is many (busybox): when the host has it, it is copied instead of the others, with a link
    in /bin for each name that its ``--list`` prints."""
    required: tuple[str, ...] = ()
    """Copied when there is no ``multicall``; one that is missing is an error."""
    optional: tuple[str, ...] = ()
    """Copied too where the host has them; else named in ``Rootfs.missing``."""
    also: tuple[str, ...] = ()
    """Optional ones copied beside a ``multicall`` that was found as well."""


class Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file to write, where its mode matters."""

    text: str
    mode: Mode = "0644"


class Recipe(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One small root filesystem. Paths are absolute in the tree, without ``.`` and ``..``."""

    about: str
    """One sentence for people, saying what the fallback is."""
    tools: Tools = Tools()
    directories: dict[str, Mode] = {}
    files: dict[str, str | Text] = {}
    links: dict[str, str] = {}
    """Symbolic links: path -> target, as written; followed inside the tree only."""
    name: str = ""
    """The file's name without ``.toml``; set as it is read."""


def names() -> tuple[str, ...]:
    """The recipes that contlab ships."""
    return tuple(sorted(path.stem for path in paths.shipped("rootfs-fixtures").glob("*.toml")))


def recipe(name: str) -> Recipe:
    """The recipe that ships under ``name``."""
    if name not in names():
        nearest = difflib.get_close_matches(name, names(), 1, 0.5)
        hint = f"Did you mean {nearest[0]!r}?" if nearest else f"There are: {', '.join(names())}."
        raise RootfsError(f"there is no root filesystem recipe {name!r}", hint)
    return read(paths.shipped("rootfs-fixtures") / f"{name}.toml")


def read(path: Path) -> Recipe:
    """The recipe in one file."""
    return parse(path.read_text(encoding="utf-8"), path)


def parse(text: str, path: Path) -> Recipe:
    """A recipe's TOML; a mistake is named with file and line."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"\(at line (\d+)", str(error))
        line = int(found[1]) if found else text.count("\n") + 1
        raise RootfsError(f"{path}:{line}: {error}", "Mend the recipe's TOML there.") from error
    try:
        made = msgspec.convert({**data, "name": path.stem}, Recipe)
    except msgspec.ValidationError as error:
        raise RootfsError(f"{path}:{_line(text, str(error), data)}: {error}", "Mend the recipe there.") from error
    for place in (*made.directories, *made.files, *made.links):
        if reason := _bad_path(place):
            line = _find(text, place)
            raise RootfsError(f"{path}:{line}: {place!r} {reason}", "Write it as an absolute path, like /etc/hosts.")
    return made


def _bad_path(path: str) -> str | None:
    """Why a path can't be made in a tree, if it can't."""
    parts = path.split("/")
    if parts[0] != "" or len(parts) < 2:
        return "doesn't begin with /"
    if any(part in ("", ".", "..") for part in parts[1:]):
        return "has an empty part, . or .. in it, which could leave the tree"
    if "\0" in path or any(len(part.encode(errors="surrogateescape")) > 255 for part in parts):
        return "has a NUL in it, or a name of more than 255 bytes"
    return None


def _line(text: str, problem: str, data: dict[str, Any]) -> int:
    """Where the key stands that msgspec complains of: it names ``$.table`` or an unknown field, not a line."""
    if found := re.search(r"unknown field `(.+?)`", problem):
        return _find(text, found[1])
    keys = re.findall(r"`\$\.([\w.]+)", problem)
    table = keys[0].split(".")[0] if keys else ""
    if "[...]" in problem and isinstance(values := data.get(table), dict):
        kinds = {"directories": Mode, "files": str | Text, "links": str}
        for key, value in values.items():
            try:
                msgspec.convert(value, kinds.get(table, object))
            except msgspec.ValidationError:
                return _find(text, key)
    return _find(text, keys[0].split(".")[-1]) if keys else 1


def _find(text: str, key: str) -> int:
    """The first line that sets ``key`` or opens a table of that name; 1 when none does."""
    plain = re.compile(rf"""\s*(\[\s*)?["']?{re.escape(key)}["']?\s*[=.\]]""")
    for number, line in enumerate(text.splitlines(), 1):
        if plain.match(line):
            return number
    return 1
