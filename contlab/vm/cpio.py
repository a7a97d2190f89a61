"""The newc cpio format: what the kernel unpacks as its first root file system, and what is inside an rpm.

An archive is entries, each a header of hexadecimal fields, the name, and the content, padded to four bytes
(Documentation/driver-api/early-userspace/buffer-format.rst). Written so that the same entries give the same bytes.
"""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

MAGIC = b"070701"
END = "TRAILER!!!"
HEADER = 110


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of an archive, as lstat(2) would show it; owned by root, times at 0."""

    name: str
    """Path without a leading slash."""
    mode: int
    """Type and permission bits."""
    content: bytes = b""
    """A file's bytes, or a link's target."""
    device: tuple[int, int] = (0, 0)
    """Major and minor of a device node."""


def directory(name: str, mode: int = 0o755) -> Entry:
    """An empty directory."""
    return Entry(name, stat.S_IFDIR | mode)


def file(name: str, content: bytes, mode: int = 0o644) -> Entry:
    """A regular file."""
    return Entry(name, stat.S_IFREG | mode, content)


def character(name: str, major: int, minor: int, mode: int = 0o600) -> Entry:
    """A character device: in an archive anyone may make one."""
    return Entry(name, stat.S_IFCHR | mode, device=(major, minor))


def write(entries: Iterable[Entry], to: BinaryIO) -> None:
    """An archive of ``entries``, in their order: a directory must come before what is in it."""
    for number, entry in enumerate(entries, 1):
        _write(entry, number, to)
    _write(Entry(END, 0), 0, to)


def _write(entry: Entry, inode: int, to: BinaryIO) -> None:
    name = entry.name.encode(errors="surrogateescape") + b"\0"
    links = 2 if stat.S_ISDIR(entry.mode) else 1
    fields = (inode, entry.mode, 0, 0, links, 0, len(entry.content), 0, 0, *entry.device, len(name), 0)
    header = MAGIC + b"".join(b"%08X" % field for field in fields)
    to.write(header + name + bytes(-(len(header) + len(name)) % 4))
    to.write(entry.content + bytes(-len(entry.content) % 4))


def read(stream: BinaryIO) -> Iterator[Entry]:
    """The entries of an archive; ValueError where it is damaged or cut short."""
    while True:
        header = _exactly(stream, HEADER)
        if header[:6] not in (MAGIC, b"070702"):
            raise ValueError(f"not a newc header: {header[:6]!r}")
        fields = [int(header[at : at + 8], 16) for at in range(6, HEADER, 8)]
        name = _exactly(stream, fields[11])[:-1]
        _exactly(stream, -(HEADER + fields[11]) % 4)
        content = _exactly(stream, fields[6])
        _exactly(stream, -fields[6] % 4)
        if name == END.encode():
            return
        yield Entry(name.decode(errors="surrogateescape"), fields[1], content, (fields[9], fields[10]))


def _exactly(stream: BinaryIO, size: int) -> bytes:
    found = bytearray()
    while len(found) < size:
        piece = stream.read(size - len(found))
        if not piece:
            raise ValueError("the archive is cut short")
        found += piece
    return bytes(found)
