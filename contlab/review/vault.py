"""Vault: a folder of notes, and what the queue must know of each. Only read here.

A scan reads every note once; with an index it reads those that changed since. The index is a cache: it can be thrown
away at any time.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from operator import attrgetter
from pathlib import Path

import msgspec

from contlab import paths
from contlab.errors import ContlabError, ExitCode
from contlab.review import note, outgoing, settings
from contlab.review.folders import ignorer
from contlab.review.note import BrokenSchedule, Schedule
from contlab.review.settings import Settings
from contlab.review.tags import TagFinder

INDEX_VERSION = 1
SETTLED = 2_000_000_000
"""Nanoseconds: a note changed less long before the scan may change again under the same time stamp."""
CHUNK = 64
"""Notes that one thread reads in a row."""
AHEAD = 64
"""Chunks read before their notes are looked at: bounds the memory."""
READERS = 12
"""Threads that read when the disk has to be asked: waiting side by side pays then, and only then."""

_File = tuple[str, int, int, int]
"""A note's path in the vault, size, mtime and inode, as in its ``Entry``; a size of -1: not asked for yet."""


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One note."""

    path: str
    """In the vault, with slashes."""
    size: int
    """Bytes."""
    mtime: int
    """Nanoseconds."""
    inode: int
    schedule: Schedule | None
    broken: str
    """Why its schedule can't be read; empty when it can."""
    decks: tuple[str, ...]
    """The settings' review tags that it carries."""
    ignored: bool
    """It carries a tag to ignore."""
    has_cards: bool
    """It carries a flashcard tag."""
    links: tuple[str, ...] | None
    """What it links to, as written; None: not looked for."""


class Scan(msgspec.Struct, frozen=True):
    """What was found."""

    entries: tuple[Entry, ...]
    """In the order of their paths."""
    unreadable: tuple[tuple[str, str], ...] = ()
    """Paths and why."""
    read: int = 0
    """How many notes were read, not taken from the index."""


class _Index(msgspec.Struct, frozen=True, array_like=True):
    version: int
    fingerprint: str
    at: int
    """When the scan began: nanoseconds since the epoch."""
    entries: list[Entry]


class Vault(msgspec.Struct, frozen=True):
    """A folder of notes."""

    root: Path
    settings: Settings

    @property
    def index(self) -> Path:
        """Where the index of this vault is kept."""
        return paths.cache() / "review" / f"{sha256(os.fsencode(self.root)).hexdigest()[:16]}.msgpack"

    def entry(self, path: Path) -> Entry:
        """One note of the vault, read now."""
        name = path.relative_to(self.root).as_posix()
        stat = path.stat()
        file = (name, stat.st_size, stat.st_mtime_ns, stat.st_ino)
        return _entry(file, path.read_bytes(), _Tags(self.settings), want_links=True)


def open_vault(path: Path) -> Vault:
    """The vault ``path`` lies in: the nearest folder above with ``.obsidian``, else ``path`` itself or its folder."""
    path = Path(os.path.abspath(path))  # noqa: PTH100 (a note that is a link stays in its vault)
    if not path.exists():
        raise ContlabError(f"there is no {path}", "Give the folder of the notes.", exit_code=ExitCode.USAGE)
    folder = path if path.is_dir() else path.parent
    root = next((above for above in (folder, *folder.parents) if (above / ".obsidian").is_dir()), folder)
    return Vault(root, settings.load(root))


class _Tags:
    """All tags of the settings, looked for at once."""

    def __init__(self, settings: Settings) -> None:
        self.review, self.ignore = settings.tags_to_review, frozenset(settings.note_tags_to_ignore)
        self.cards = frozenset(settings.flashcard_tags)
        self.finder = TagFinder(tuple(dict.fromkeys((*self.review, *self.ignore, *self.cards))))


def scan(vault: Vault, *, use_index: bool = True, want_links: bool = False) -> Scan:
    """Look at every note. ``want_links``: also at what it links to, which takes longer."""
    began = time.time_ns()
    known = _load_index(vault) if use_index else {}
    entries: list[Entry] = []
    stale: list[_File] = []
    unreadable: list[tuple[str, str]] = []
    for file in _walk(vault, unreadable, want_stat=bool(known)):
        name, size, mtime, inode = file
        entry = known.get(name)
        if (
            entry is not None
            and (entry.size, entry.mtime, entry.inode) == (size, mtime, inode)
            and (entry.links is not None or not want_links)
        ):
            entries.append(entry)
        else:
            stale.append(file)
    entries += _Reader(vault, want_links, unreadable).read(stale)
    entries.sort(key=attrgetter("path"))
    if use_index and (stale or len(entries) != len(known)):
        _save_index(vault, began, entries)
    return Scan(tuple(entries), tuple(unreadable), len(stale))


def _walk(vault: Vault, unreadable: list[tuple[str, str]], want_stat: bool) -> Iterator[_File]:
    """The notes' names and stats; hidden folders, other files and ignored folders are passed over."""
    is_ignored = ignorer(vault.settings.note_folders_to_ignore)
    skip = len(str(vault.root)) + 1
    folders, seen = [str(vault.root)], set[tuple[int, int]]()
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as found:
                items = list(found)
        except OSError as error:
            unreadable.append((_printable(folder[skip:]), str(error.strerror)))
            continue
        for item in items:
            if item.name.startswith("."):
                continue
            if item.is_dir():
                if item.is_symlink():  # a folder linked into itself would never end
                    stat = item.stat()
                    if (stat.st_dev, stat.st_ino) in seen:
                        continue
                    seen.add((stat.st_dev, stat.st_ino))
                folders.append(item.path)
            elif item.name.endswith(".md") and item.is_file() and not is_ignored(item.path[skip:]):
                if want_stat:
                    stat = item.stat()
                    yield item.path[skip:], stat.st_size, stat.st_mtime_ns, stat.st_ino
                else:  # it will be read in any case, and asking the open file is cheaper than finding it twice
                    yield item.path[skip:], -1, 0, item.inode()


class _Reader:
    """Reads notes, and what it can't read lists in ``unreadable``."""

    def __init__(self, vault: Vault, want_links: bool, unreadable: list[tuple[str, str]]) -> None:
        self.root, self.want_links, self.unreadable = str(vault.root), want_links, unreadable
        self.tags = _Tags(vault.settings)

    def read(self, files: list[_File]) -> Iterator[Entry]:
        """The notes' entries, in any order."""
        done = 0
        while done < len(files):
            asked = _disk_reads()
            chunk = files[done : done + CHUNK]
            yield from self.entries(self.load(chunk))
            done += CHUNK
            if _disk_reads() > asked:
                break
        rest = sorted(files[done:], key=lambda file: file[3])  # near their order on the disk
        chunks = [rest[at : at + CHUNK] for at in range(0, len(rest), CHUNK)]
        with ThreadPoolExecutor(READERS) as readers:
            for at in range(0, len(chunks), AHEAD):
                ahead = chunks[at : at + AHEAD]
                # All of them first: reading threads would wait for the interpreter while notes are looked at.
                for loaded in list(readers.map(self.load, ahead)):
                    yield from self.entries(loaded)

    def load(self, chunk: list[_File]) -> list[tuple[_File, bytes | OSError]]:
        """The bytes of some notes, or why they can't be read."""
        return [_read(self.root, file) for file in chunk]

    def entries(self, loaded: list[tuple[_File, bytes | OSError]]) -> Iterator[Entry]:
        """The entries of the notes that could be read."""
        for file, data in loaded:
            name = file[0]
            if isinstance(data, OSError):
                self.unreadable.append((_printable(name), str(data.strerror)))
            elif not name.isascii() and (shown := _printable(name)) != name:
                self.unreadable.append((shown, "the file's name is not UTF-8"))
            else:
                yield _entry(file, data, self.tags, self.want_links)


def _printable(name: str) -> str:
    """A file's name without the surrogates that stand for bytes which are no UTF-8."""
    return name if name.isascii() else os.fsencode(name).decode(errors="replace")


def _disk_reads() -> int:
    """How often this process had the kernel read from a disk, not from its page cache (getrusage(2))."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_inblock


def _read(root: str, file: _File) -> tuple[_File, bytes | OSError]:
    try:
        name, size, _, _ = file
        descriptor = os.open(f"{root}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            if size < 0:
                stat = os.fstat(descriptor)
                size = stat.st_size
                file = (name, size, stat.st_mtime_ns, stat.st_ino)
            data = os.read(descriptor, size + 1)
            while len(data) > size and (more := os.read(descriptor, 1 << 20)):
                data += more
            return file, data
        finally:
            os.close(descriptor)
    except OSError as error:
        return file, error


def _entry(file: _File, data: bytes, tags: _Tags, want_links: bool) -> Entry:
    start, end = note.find_properties(data)
    found = note.find_schedule(data, start, end)
    schedule, broken = (None, found.why) if isinstance(found, BrokenSchedule) else (found, "")
    decks: tuple[str, ...] = ()
    ignored = has_cards = False
    if carried := tags.finder.find(data, start, end):
        decks = tuple(tag for tag in carried if tag in tags.review)
        ignored, has_cards = not tags.ignore.isdisjoint(carried), not tags.cards.isdisjoint(carried)
    links = outgoing.links(data) if want_links else None
    name, size, mtime, inode = file
    return Entry(name, size, mtime, inode, schedule, broken, decks, ignored, has_cards, links)


def _fingerprint(vault: Vault) -> str:
    s = vault.settings
    return repr((str(vault.root), s.tags_to_review, s.note_tags_to_ignore, s.flashcard_tags))


def _load_index(vault: Vault) -> dict[str, Entry]:
    try:
        index = msgspec.msgpack.decode(vault.index.read_bytes(), type=_Index)
    except (OSError, msgspec.DecodeError):
        return {}
    if (index.version, index.fingerprint) != (INDEX_VERSION, _fingerprint(vault)):
        return {}
    return {entry.path: entry for entry in index.entries if entry.mtime < index.at - SETTLED}


def _save_index(vault: Vault, at: int, entries: Iterable[Entry]) -> None:
    index = _Index(INDEX_VERSION, _fingerprint(vault), at, list(entries))
    path = vault.index
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_bytes(msgspec.msgpack.encode(index))
    temporary.replace(path)
