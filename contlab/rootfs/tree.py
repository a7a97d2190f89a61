"""Tree: a recipe's layout on disk, cached by content, whole or not there at all.

::

    CACHE/rootfs/
      QUICK.sources       the host files that went into a recipe's tree, NUL between them
      HASH/tree/          the root filesystem; never written again
      HASH/manifest.json  what is in it
      .building-XXXX/     being built (cache.py)
"""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from contlab import paths
from contlab.errors import RootfsError
from contlab.rootfs.cache import publish
from contlab.rootfs.closure import Needed
from contlab.rootfs.contents import lay_out, needs, select
from contlab.rootfs.host import LD_SO_CACHE
from contlab.rootfs.layout import Copied, Directory, Layout, Link, Written
from contlab.rootfs.recipes import Recipe

FORMAT = "1"
"""Counted up when the same recipe is to give another tree."""


@dataclass(frozen=True, slots=True)
class Rootfs:
    """A root filesystem on disk. Not to be written to: others use it too."""

    path: Path
    bytes: int
    """Sum of its regular files' sizes."""
    files: int
    """Regular files; links and directories not counted."""
    missing: tuple[str, ...]
    """Optional commands, and libraries, that this host lacks."""
    source: str
    """Where the commands come from: "busybox (/usr/bin/busybox)" or "this host's own tools (40 commands)"."""
    needed: tuple[Needed, ...]
    """Each file copied, and why."""


def build(recipe: Recipe, owner: int = 0) -> Rootfs:
    """The recipe's tree, made now unless the cache has it.

    ``owner`` is the uid and gid that own everything: the outside number of root in a user namespace. Only root can
    give files away; a plain user's tree is the user's own, which is what their namespace maps root to.
    """
    if owner not in (0, os.geteuid()) and os.geteuid() != 0:
        raise RootfsError(f"only root can give a tree to uid {owner}", "Build it for owner 0: it will be your own.")
    store = paths.cache() / "rootfs"
    try:
        return _cached(recipe, owner, store)
    except OSError as error:
        raise RootfsError(
            f"the root filesystem {recipe.name!r} could not be built in {store}: {error}",
            "Make room or rights there, or set XDG_CACHE_HOME to another directory.",
        ) from error


def _cached(recipe: Recipe, owner: int, store: Path) -> Rootfs:
    selection = select(recipe)
    quick = _digest(
        FORMAT,
        msgspec.json.encode(recipe).decode(),
        f"{owner} {os.geteuid()}",
        *(f"{name}={path}" for name, path in selection.programs.items()),
        *selection.missing,
        *_fingerprints([*selection.programs.values(), LD_SO_CACHE]),
    )
    index = store / f"{quick}.sources"
    if index.exists():
        sources = [os.fsdecode(path) for path in index.read_bytes().split(b"\0") if path]
        place = store / _digest(quick, *_fingerprints(sources))
        if (place / "manifest.json").exists():
            return _load(place)

    needed = needs(selection)
    layout = lay_out(recipe, selection, needed)
    sources = sorted({entry.source for entry in layout.entries.values() if isinstance(entry, Copied)})
    before = _fingerprints(sources)
    missing = (*selection.missing, *(gone.name for gone in needed.missing))

    def fill(place: Path) -> None:
        size, files = _write(layout, place / "tree", owner if os.geteuid() == 0 else None)
        if _fingerprints(sources) != before:
            raise RootfsError("the host's programs changed while they were being copied", "Try again in a moment.")
        made = Rootfs(Path(), size, files, missing, selection.source, needed.files)
        (place / "manifest.json").write_bytes(msgspec.json.encode(made, enc_hook=str))

    place = store / _digest(quick, *before)
    publish(place, fill)
    fresh = index.with_name(f"{index.name}.{os.getpid()}-{threading.get_ident()}")
    fresh.write_bytes(b"\0".join(map(os.fsencode, sources)))
    fresh.replace(index)
    return _load(place)


def _load(place: Path) -> Rootfs:
    made = msgspec.json.decode(
        (place / "manifest.json").read_bytes(), type=Rootfs, dec_hook=lambda kind, value: kind(value)
    )
    return Rootfs(place / "tree", made.bytes, made.files, made.missing, made.source, made.needed)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:32]


def _fingerprints(files: Iterable[str]) -> list[str]:
    """Each file's path with what changes when its content does; a file that is gone has its own."""
    prints = []
    for path in files:
        try:
            status = Path(path).stat()
            prints.append(f"{path} {status.st_size} {status.st_mtime_ns} {status.st_ino} {status.st_dev}")
        except OSError:
            prints.append(f"{path} -")
    return prints


def _write(layout: Layout, root: Path, owner: int | None) -> tuple[int, int]:
    """Make the layout at ``root``, which isn't there yet; returns bytes and files."""
    root.mkdir(mode=0o755)
    root.chmod(0o755)
    size = files = 0
    for parts, entry in layout.entries.items():
        path = root.joinpath(*parts)
        match entry:
            case Directory():
                path.mkdir()
            case Link(target=target):
                path.symlink_to(target)
            case Written(content=content, mode=mode):
                path.write_bytes(content)
                path.chmod(mode)
            case Copied(source=source, mode=mode):
                shutil.copyfile(source, path)
                path.chmod(mode)
        if isinstance(entry, Written | Copied):
            size, files = size + path.stat().st_size, files + 1
        if owner is not None:
            os.chown(path, owner, owner, follow_symlinks=False)
    if owner is not None:
        os.chown(root, owner, owner)
    for parts, entry in reversed(layout.entries.items()):  # last, as a mode may forbid its owner to write into it
        if isinstance(entry, Directory):
            root.joinpath(*parts).chmod(entry.mode)
    return size, files
