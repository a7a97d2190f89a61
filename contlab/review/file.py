"""File: replacing a note's bytes so that a reader, or a SIGKILL, finds the old ones or the new ones.

In place where one write does it: the kernel looks for a fatal signal only between the pages of a write, so a write
within one page happens or does not. That keeps the inode, hard links and birth time, which Obsidian shows. Where bytes
must move across pages, or the file gets shorter (write, then truncate), a sibling is written and renamed over the
note. Where that can't be, because the note has other hard links or its folder is not ours, it is written in place and
the log's copies mend it after a kill (``log`` and ``undo``).
"""

from __future__ import annotations

import contextlib
import os
from hashlib import sha256
from pathlib import Path

from contlab.review.refusal import NoteRefusal, Reason

PAGE = 4096
"""Bytes; the smallest page Linux has, so a lower bound everywhere."""


def read(path: Path) -> bytes:
    """The whole file; ``NoteRefusal`` in words when it can't be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise _not_writable(path, error, "read") from error


def replace(path: Path, before: bytes, after: bytes) -> None:
    """Make ``path``, whose bytes are ``before``, hold ``after``; durable when this returns.

    ``NoteRefusal`` when the file holds other bytes than ``before`` by now, or can't be written.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError as error:
        raise _not_writable(path, error, "written") from error
    try:
        _check_unchanged(path, file, before)
        if before == after:
            return
        renamed = not _fits_one_write(before, after) and _rename_over(path.resolve(), file, before, after)
        if not renamed:
            _write_in_place(file, before, after)
    except OSError as error:
        raise _not_writable(path, error, "written") from error
    finally:
        os.close(file)
    if (found := read(path)) != after:
        raise _changed(path) if found != before else _not_writable(path, OSError("the bytes did not arrive"), "written")


def remains(path: Path, after: bytes) -> Path:
    """The sibling that ``replace`` makes when it renames: what a SIGKILL may leave beside the note."""
    return path.resolve().parent / f".contlab-{sha256(after).hexdigest()[:16]}.tmp"


def is_torn(found: bytes, before: bytes, after: bytes) -> bool:
    """Whether ``found`` is what a write in place of ``after`` over ``before`` leaves when it is cut short."""
    same = _common_prefix(found, after)
    return found not in (before, after) and found[same:] == before[same:]


def _difference(before: bytes, after: bytes) -> tuple[int, bytes]:
    """Where the first byte differs, and the bytes to write there."""
    start = _common_prefix(before, after)
    end = len(after)
    if len(before) == len(after):
        while end > start and before[end - 1] == after[end - 1]:
            end -= 1
    return start, after[start:end]


def _common_prefix(one: bytes, other: bytes) -> int:
    shorter = min(len(one), len(other))
    return next((place for place in range(shorter) if one[place] != other[place]), shorter)


def _fits_one_write(before: bytes, after: bytes) -> bool:
    start, chunk = _difference(before, after)
    return len(after) >= len(before) and start // PAGE == (start + len(chunk) - 1) // PAGE


def _check_unchanged(path: Path, file: int, before: bytes) -> None:
    if os.pread(file, len(before) + 1, 0) != before:
        raise _changed(path)


def _write_in_place(file: int, before: bytes, after: bytes) -> None:
    start, chunk = _difference(before, after)
    try:
        _write_all(file, chunk, start)
        if len(after) < len(before):
            os.ftruncate(file, len(after))
    except OSError:
        _write_all(file, before[start:], start)
        os.ftruncate(file, len(before))
        raise
    os.fsync(file)


def _write_all(file: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(file, data, offset)
        data, offset = data[written:], offset + written


def _rename_over(path: Path, file: int, before: bytes, after: bytes) -> bool:
    """Write a sibling and rename it over ``path``; False, and nothing done, where that would lose something."""
    stat = os.fstat(file)
    if stat.st_nlink > 1:
        return False
    sibling = remains(path, after)
    try:
        sibling.unlink(missing_ok=True)
        new = os.open(sibling, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError:
        return False
    try:
        if not _take_over(stat, file, new):
            return False
        _write_all(new, after, 0)
        os.fsync(new)
        _check_unchanged(path, file, before)
        sibling.rename(path)
    finally:
        os.close(new)
        sibling.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return True


def _take_over(stat: os.stat_result, file: int, new: int) -> bool:
    """Give the sibling the note's owner, mode and extended attributes; False when it can't have them all."""
    try:
        os.fchown(new, stat.st_uid, stat.st_gid)
        os.fchmod(new, stat.st_mode & 0o7777)
        with contextlib.suppress(NotImplementedError):
            for name in os.listxattr(file):
                os.setxattr(new, name, os.getxattr(file, name))
    except OSError:
        return False
    return True


def _changed(path: Path) -> NoteRefusal:
    return NoteRefusal(
        Reason.CHANGED_SINCE,
        f"{path.name} was changed by another program in this very moment; nothing was written",
        "Try again.",
    )


def _not_writable(path: Path, error: OSError, verb: str) -> NoteRefusal:
    return NoteRefusal(
        Reason.NOT_WRITABLE,
        f"{path.name} can't be {verb}: {error.strerror or error}",
        f"Look at it with: ls -l {path}",
    )
