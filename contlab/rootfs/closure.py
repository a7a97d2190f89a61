"""Closure: every file that a set of programs needs to run, found as ld.so(8) would find it, and who needs it.

Pure: headers come from a function, so it works on this host's files and on a table in a test alike.
"""

from __future__ import annotations

import posixpath
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from contlab.rootfs.elf import Header

Headers = Callable[[str], Header | None]
"""Path -> header, None for what can't be loaded or isn't there."""


class Kind(StrEnum):
    """Why a file is in the closure."""

    COMMAND = "command"
    INTERPRETER = "interpreter"
    LIBRARY = "library"


@dataclass(frozen=True, slots=True)
class Needed:
    """One file of the closure."""

    path: str
    """Where it is on the host, and must be in the tree."""
    name: str
    """What was asked for: the command, the PT_INTERP path or the DT_NEEDED name."""
    kind: Kind
    by: str | None
    """Path of the first file that asked; None: the recipe did."""
    found: str
    """The rule that found it: "recipe", "PT_INTERP", "#!", "RPATH", "RUNPATH", "ld.so.conf", "default"."""

    def __str__(self) -> str:
        return f"{self.path}  needed by {self.by or 'the recipe'} ({self.found})"


@dataclass(frozen=True, slots=True)
class Missing:
    """A name that no rule finds."""

    name: str
    by: str


@dataclass(frozen=True, slots=True)
class Closure:
    """Files in the order in which they were found, breadth first, as ld.so loads them."""

    files: tuple[Needed, ...] = ()
    missing: tuple[Missing, ...] = ()

    def ldd(self) -> str:
        """What ldd(1) prints for it, without addresses and the kernel's own vdso."""
        lines = [
            f"\t{file.path}" if file.kind is Kind.INTERPRETER else f"\t{file.name} => {file.path}"
            for file in self.files
            if file.kind is not Kind.COMMAND
        ]
        return "\n".join(lines + [f"\t{gone.name} => not found" for gone in self.missing]) or "\tstatically linked"


@dataclass(frozen=True, slots=True)
class SearchPath:
    """Where ld.so looks after a file's own RPATH and RUNPATH."""

    configured: tuple[str, ...] = ()
    """The directories of /etc/ld.so.conf."""
    default: tuple[str, ...] = ("/lib64", "/usr/lib64", "/lib", "/usr/lib")
    lib: str = "lib64"
    """What $LIB stands for."""


@dataclass(frozen=True, slots=True)
class _Object:
    """One loaded file, with the RPATHs of those that led to it."""

    path: str
    header: Header
    rpath: tuple[str, ...]


def closure(
    commands: Iterable[str], headers: Headers, search: SearchPath, which: Callable[[str], str | None]
) -> Closure:
    """Everything that ``commands`` (absolute host paths) need; ``which`` finds what a script's ``env`` names."""
    files: dict[str, Needed] = {}
    missing: dict[str, Missing] = {}
    waiting = deque(Needed(path, posixpath.basename(path), Kind.COMMAND, None, "recipe") for path in commands)
    while waiting:
        program = waiting.popleft()
        if program.path in files:
            continue
        files[program.path] = program
        header = headers(program.path)
        if header is None:
            continue
        if header.kind == "script":
            waiting.extend(_script(program.path, header, which, missing))
        else:
            _load(program.path, header, headers, search, files, missing)
    return Closure(tuple(files.values()), tuple(missing.values()))


def _script(path: str, header: Header, which: Callable[[str], str | None], missing: dict[str, Missing]) -> list[Needed]:
    """The program a ``#!`` line names, and the one that ``env`` is told to start."""
    assert header.interpreter is not None
    found = [Needed(header.interpreter, header.interpreter, Kind.INTERPRETER, path, "#!")]
    words = (header.argument or "").split()
    if posixpath.basename(header.interpreter) == "env" and words:
        name = words[1] if words[0] == "-S" and len(words) > 1 else words[0]
        if (target := which(name)) is not None:
            found.append(Needed(target, name, Kind.COMMAND, path, "#!"))
        else:
            missing[name] = Missing(name, path)
    return found


def _load(
    path: str,
    header: Header,
    headers: Headers,
    search: SearchPath,
    files: dict[str, Needed],
    missing: dict[str, Missing],
) -> None:
    """One program's libraries, breadth first; a name that is loaded already isn't searched again."""
    loaded: set[str] = set()
    if header.interpreter is not None:
        loaded.add(posixpath.basename(header.interpreter))
        files.setdefault(
            header.interpreter, Needed(header.interpreter, header.interpreter, Kind.INTERPRETER, path, "PT_INTERP")
        )
    waiting = deque([_Object(path, header, ())])
    while waiting:
        by = waiting.popleft()
        for name in by.header.needed:
            if name in loaded:
                continue
            loaded.add(name)
            for candidate, rule in _candidates(name, by, search):
                library = headers(candidate)
                if library is not None and library.kind == "elf" and library.machine == header.machine:
                    files.setdefault(candidate, Needed(candidate, name, Kind.LIBRARY, by.path, rule))
                    waiting.append(_Object(candidate, library, _rpath(by)))
                    break
            else:
                missing.setdefault(name, Missing(name, by.path))


def _candidates(name: str, by: _Object, search: SearchPath) -> Iterable[tuple[str, str]]:
    """Where ld.so(8) would look for ``name``, in its order."""
    if "/" in name:
        yield _expand(name, by.path, search), "DT_NEEDED"
        return
    if not by.header.runpath:
        yield from ((posixpath.join(directory, name), "RPATH") for directory in _expanded(_rpath(by), by, search))
    yield from ((posixpath.join(directory, name), "RUNPATH") for directory in _expanded(by.header.runpath, by, search))
    yield from ((posixpath.join(directory, name), "ld.so.conf") for directory in search.configured)
    yield from ((posixpath.join(directory, name), "default") for directory in search.default)


def _rpath(by: _Object) -> tuple[str, ...]:
    """The file's DT_RPATH, resolved here because $ORIGIN is its own directory, then its loaders'."""
    if by.header.runpath:
        return by.rpath
    return (
        tuple(
            part.replace("$ORIGIN", "${ORIGIN}").replace("${ORIGIN}", posixpath.dirname(by.path))
            for part in by.header.rpath
        )
        + by.rpath
    )


def _expanded(directories: Iterable[str], by: _Object, search: SearchPath) -> Iterable[str]:
    return (_expand(directory, by.path, search) for directory in directories)


def _expand(text: str, path: str, search: SearchPath) -> str:
    """ld.so's tokens; a directory with one that isn't known can't exist, so it finds nothing."""
    for token, value in (("ORIGIN", posixpath.dirname(path)), ("LIB", search.lib)):
        text = text.replace("${" + token + "}", value).replace("$" + token, value)
    return posixpath.normpath(text)
