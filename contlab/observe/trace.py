"""Trace: a recording as JSON lines. The first line says what it is, every further line is one item of a tagged union.

Each line goes to the kernel in one write(2) as it happens, so a crash loses at most the line being written.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from contlab.errors import TraceError

FORMAT = "contlab-trace"
VERSION = 1
"""Raised when an older contlab could misread what a newer one writes."""

T = TypeVar("T")


class TraceHeader(msgspec.Struct, frozen=True, kw_only=True):
    """The first line."""

    format: str = FORMAT
    version: int = VERSION
    contlab: str = ""
    """The release that recorded it."""
    kernel: str = ""
    """uname -r of the host it was recorded on."""
    recorded: str = ""
    """When, ISO 8601, UTC."""
    subject: str = ""
    """What it is a recording of, e.g. a lesson's id."""


class TraceWriter:
    """Appends items to a new file; a context manager."""

    def __init__(self, path: Path, header: TraceHeader) -> None:
        try:
            self._file = path.open("wb", buffering=0)
        except OSError as error:
            raise _unwritable(path, error.strerror, "Choose another file, or make its folder.") from None
        self._path = path
        self._encoder = msgspec.json.Encoder()
        self.write(header)

    def write(self, item: msgspec.Struct) -> None:
        """One item, one line; TraceError when the disk takes no more, and then the recording is closed."""
        line = self._encoder.encode(item) + b"\n"
        reason: str | None = "no space left"
        try:
            if self._file.write(line) == len(line):
                return
        except OSError as error:
            reason = error.strerror
        self.close()
        raise _unwritable(self._path, reason, "Make room, then record anew.")

    def close(self) -> None:
        """May be called twice."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_header(path: Path) -> TraceHeader:
    """The first line; TraceError when the file can't be opened, is no trace, or was made by a newer contlab."""
    for _, line in _lines(path):
        return _header(path, line)
    raise TraceError(f"{path} is no recording: it is empty", "Record one with `contlab run` or `contlab learn`.")


def read_trace(path: Path, decoder: msgspec.json.Decoder[T]) -> Iterator[T]:
    """The items in order, each decoded as it is asked for.

    TraceError names the line and the reason: no trace, a newer version, a line that is no item, or a last line that
    ends in the middle; by then everything before that line was given, so what is whole can be played.
    """
    read_header(path)
    for number, line in _lines(path):
        if number == 1:
            continue
        try:
            item = decoder.decode(line)
        except msgspec.DecodeError as error:
            raise _damaged(path, number, line, error) from None
        yield item


def _damaged(path: Path, number: int, line: bytes, error: msgspec.DecodeError) -> TraceError:
    if not line.endswith(b"\n"):
        return TraceError(
            f"{path} is cut off: line {number} ends in the middle",
            "What was recorded before it can be played; the rest was lost when the recorder stopped.",
        )
    return TraceError(f"{path} is damaged: line {number}: {error}", "Take another copy of the file, or record anew.")


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines, counted from 1; a file named .gz, as recordings are shipped, is unpacked on the way."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            yield from enumerate(file, 1)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise TraceError(f"{path} is damaged: {error}", "Take another copy of the file, or record anew.") from None
    except OSError as error:
        raise TraceError(f"{path} can't be read: {error.strerror}", "Check the file's name.") from None


def _unwritable(path: Path, reason: str | None, hint: str) -> TraceError:
    return TraceError(f"{path} can't be written: {reason}", hint)


class _Mark(msgspec.Struct):
    """What a first line of any version has; the rest of a newer one may be unreadable to us."""

    format: str
    version: int


def _header(path: Path, line: bytes) -> TraceHeader:
    made_by = "Recordings are made by contlab."
    try:
        mark = msgspec.json.decode(line, type=_Mark)
        if mark.format != FORMAT:
            raise TraceError(f"{path} is no recording: line 1 says format {mark.format!r}, not {FORMAT!r}", made_by)
        if mark.version > VERSION:
            raise TraceError(
                f"{path} was recorded by a newer contlab: line 1 says version {mark.version}, this one reads {VERSION}",
                "Update contlab.",
            )
        return msgspec.json.decode(line, type=TraceHeader)
    except msgspec.DecodeError as error:
        raise TraceError(f"{path} is no recording: line 1: {error}", made_by) from None
