"""Contents: a recipe on this host -> layout. Which programs are taken, what they need, and where it goes."""

from __future__ import annotations

import posixpath
import subprocess
from dataclasses import dataclass

from contlab.errors import RootfsError
from contlab.rootfs import elf, host
from contlab.rootfs.closure import Closure, Kind, closure
from contlab.rootfs.layout import Copied, Directory, Layout, Link, Written
from contlab.rootfs.recipes import Recipe, Text

LIST_TIMEOUT = 5.0
"""Seconds that ``busybox --list`` may take."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The host's programs that a recipe takes."""

    programs: dict[str, str]
    """Command name -> the regular file behind it."""
    multicall: str | None
    """The command among them that is many."""
    missing: tuple[str, ...]
    """Optional commands that the host lacks."""

    @property
    def source(self) -> str:
        """Where the tools come from, for people."""
        if self.multicall is not None:
            return f"{self.multicall} ({self.programs[self.multicall]})"
        return f"this host's own tools ({len(self.programs)} commands)"


def select(recipe: Recipe) -> Selection:
    """Find the recipe's commands; a required one that is missing is an error naming its package."""
    tools = recipe.tools
    if tools.multicall is not None and (path := host.program(tools.multicall)) is not None:
        found = {name: host.program(name) for name in tools.also}
        found[tools.multicall] = path
        multicall = tools.multicall
    else:
        found = {name: host.program(name) for name in (*tools.required, *tools.also, *tools.optional)}
        multicall = None
        if gone := [name for name in tools.required if found[name] is None]:
            raise host.missing(gone)
    return Selection(
        {name: path for name, path in found.items() if path is not None},
        multicall,
        tuple(name for name, path in found.items() if path is None),
    )


def needs(selection: Selection) -> Closure:
    """All files the selected programs need, as this host's ld.so would find them."""
    return closure(selection.programs.values(), _Headers(), host.search_path(), host.program)


def lay_out(recipe: Recipe, selection: Selection, needed: Closure) -> Layout:
    """The whole tree: the recipe's own directories, links and files first, as they shape where the rest goes."""
    layout = Layout()
    for path, mode in recipe.directories.items():
        layout.add(path, Directory(int(mode, 8)))
    for path, target in recipe.links.items():
        layout.add(path, Link(target))
    for path, content in recipe.files.items():
        text, mode = (content.text, content.mode) if isinstance(content, Text) else (content, "0644")
        layout.add(path, Written(text.encode(), int(mode, 8)))
    default = set(host.search_path().default)
    for file in needed.files:
        if not layout.has(file.path):
            layout.add(file.path, Copied(file.path))
        if file.kind is Kind.LIBRARY and file.found == "ld.so.conf" and posixpath.dirname(file.path) not in default:
            _link(layout, f"/lib/{file.name}", file.path)  # the tree has no ld.so.cache to find its directory by
    for name, path in selection.programs.items():
        _link(layout, f"/bin/{posixpath.basename(name)}", path)
    if selection.multicall is not None:
        program = selection.programs[selection.multicall]
        for name in applets(program):
            _link(layout, f"/bin/{name}", program)
    return layout


def applets(program: str) -> tuple[str, ...]:
    """The names a multi-call program answers to: what its ``--list`` prints."""
    try:
        done = subprocess.run(
            [program, "--list"], stdin=subprocess.DEVNULL, capture_output=True, timeout=LIST_TIMEOUT, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise RootfsError(
            f"{program} --list, which says what commands it has, failed: {error}", "Install busybox again."
        ) from error
    return tuple(name for name in done.stdout.decode(errors="surrogateescape").split() if "/" not in name)


def _link(layout: Layout, path: str, target: str) -> None:
    """A link to ``target``, by its bare name where that is in the same directory; none over what is there."""
    if layout.has(path):
        return
    real, here = layout.real(target), posixpath.dirname(layout.real(path))
    layout.add(path, Link(posixpath.basename(real) if posixpath.dirname(real) == here else real))


class _Headers:
    """Each file's header, read once."""

    def __init__(self) -> None:
        self._known: dict[str, elf.Header | None] = {}

    def __call__(self, path: str) -> elf.Header | None:
        if path not in self._known:
            self._known[path] = elf.read(path)
        return self._known[path]
