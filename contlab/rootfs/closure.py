"""Closure: every file that a set of programs needs to run, found as ld.so(8) would find it, and who needs it.

Pure: headers come from a function, so it works on this host's files and on a table in a test alike.
"""

from __future__ import annotations

import posixpath
from collections import deque
from collections.abc import Callable, Iterable, Iterator
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
    walk = _Walk(headers, search, which)
    for path in commands:
        walk.waiting.append(Needed(path, posixpath.basename(path), Kind.COMMAND, None, "recipe"))
    while walk.waiting:
        walk.take(walk.waiting.popleft())
    return Closure(tuple(walk.files.values()), tuple(walk.missing.values()))


class _Walk:
    """What is found so far, and the programs still to be looked at."""

    def __init__(self, headers: Headers, search: SearchPath, which: Callable[[str], str | None]) -> None:
        self.headers, self.search, self.which = headers, search, which
        self.files: dict[str, Needed] = {}
        self.missing: dict[str, Missing] = {}
        self.waiting: deque[Needed] = deque()

    def take(self, program: Needed) -> None:
        """One program, and what it needs to be started."""
        if program.path in self.files:
            return
        header = self.headers(program.path)
        if header is None and program.by is not None:
            self.missing.setdefault(program.name, Missing(program.name, program.by))
            return
        self.files[program.path] = program
        if header is None:
            return
        if header.kind == "script":
            self._script(program.path, header)
        else:
            self._libraries(program.path, header)

    def _script(self, path: str, header: Header) -> None:
        """The program a ``#!`` line names, and the one that ``env`` is told to start."""
        assert header.interpreter is not None
        self.waiting.append(Needed(header.interpreter, header.interpreter, Kind.INTERPRETER, path, "#!"))
        words = (header.argument or "").split()
        if posixpath.basename(header.interpreter) != "env" or not words:
            return
        name = words[1] if words[0] == "-S" and len(words) > 1 else words[0]
        if (target := self.which(name)) is not None:
            self.waiting.append(Needed(target, name, Kind.COMMAND, path, "#!"))
        else:
            self.missing.setdefault(name, Missing(name, path))

    def _libraries(self, path: str, header: Header) -> None:
        """A program's libraries, breadth first; a name that is loaded already isn't searched again."""
        loaded: set[str] = set()
        if (loader := header.interpreter) is not None:
            loaded.add(posixpath.basename(loader))
            if self.headers(loader) is None:
                self.missing.setdefault(loader, Missing(loader, path))
                return
            self.files.setdefault(loader, Needed(loader, loader, Kind.INTERPRETER, path, "PT_INTERP"))
        waiting = deque([_Object(path, header, ())])
        while waiting:
            by = waiting.popleft()
            for name in by.header.needed:
                if name in loaded:
                    continue
                loaded.add(name)
                if (library := self._library(name, by)) is not None:
                    waiting.append(library)
                else:
                    self.missing.setdefault(name, Missing(name, by.path))

    def _library(self, name: str, by: _Object) -> _Object | None:
        """The first candidate that is for the same machine."""
        for path, rule in _candidates(name, by, self.search):
            header = self.headers(path)
            if header is not None and header.kind == "elf" and header.machine == by.header.machine:
                self.files.setdefault(path, Needed(path, name, Kind.LIBRARY, by.path, rule))
                return _Object(path, header, _rpath(by))
        return None


def _candidates(name: str, by: _Object, search: SearchPath) -> Iterator[tuple[str, str]]:
    """Where ld.so(8) would look for ``name``, in its order, and the rule for each place."""
    if "/" in name:
        yield _expand(name, by.path, search), "DT_NEEDED"
        return
    rpath = () if by.header.runpath else _rpath(by)
    for rule, directories in (
        ("RPATH", rpath),
        ("RUNPATH", by.header.runpath),
        ("ld.so.conf", search.configured),
        ("default", search.default),
    ):
        for directory in directories:
            yield posixpath.join(_expand(directory, by.path, search), name), rule


def _rpath(by: _Object) -> tuple[str, ...]:
    """The file's DT_RPATH, its $ORIGIN being the file's own directory, then that of those that led to it."""
    if by.header.runpath:
        return by.rpath
    return (*(_origin(directory, by.path) for directory in by.header.rpath), *by.rpath)


def _origin(text: str, path: str) -> str:
    directory = posixpath.dirname(path)
    return text.replace("${ORIGIN}", directory).replace("$ORIGIN", directory)


def _expand(text: str, path: str, search: SearchPath) -> str:
    """ld.so's tokens; a directory with one that isn't known can't exist, so it finds nothing."""
    return posixpath.normpath(_origin(text, path).replace("${LIB}", search.lib).replace("$LIB", search.lib))
