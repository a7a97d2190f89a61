from __future__ import annotations

import os
import stat

import pytest

from contlab.review import file
from contlab.review.refusal import NoteRefusal, Reason

SMALL = b"---\nsr-interval: 611\n---\n" + b"body\n" * 100
LARGE = b"---\nsr-interval: 611\n---\n" + b"body\n" * 5000


def longer(data: bytes) -> bytes:
    return data.replace(b"611", b"1793")


def shorter(data: bytes) -> bytes:
    return data.replace(b"611", b"3")


@pytest.fixture
def note(tmp_path):
    return tmp_path / "note.md"


@pytest.mark.parametrize("data", [SMALL, LARGE])
@pytest.mark.parametrize("change", [longer, shorter, bytes.upper, bytes])
def test_the_new_bytes_are_there_and_nothing_is_left_beside_them(note, data, change):
    note.write_bytes(data)
    file.replace(note, data, change(data))
    assert note.read_bytes() == change(data)
    assert list(note.parent.iterdir()) == [note]


@pytest.mark.parametrize(
    ("data", "after"),
    [(SMALL, longer(SMALL)), (LARGE, LARGE.replace(b"611", b"612")), (LARGE, LARGE.replace(b"611", b"500"))],
)
def test_what_one_write_within_a_page_does_keeps_the_inode(note, data, after):
    note.write_bytes(data)
    inode = note.stat().st_ino
    file.replace(note, data, after)
    assert note.stat().st_ino == inode


@pytest.mark.parametrize("change", [longer, shorter])
def test_a_rename_keeps_mode_attributes_and_a_symbolic_link(note, change):
    target = note.parent / "sub" / "target.md"
    target.parent.mkdir()
    target.write_bytes(LARGE)
    target.chmod(0o640)
    os.setxattr(target, "user.tag", b"red")
    note.symlink_to(target)
    file.replace(note, LARGE, change(LARGE))
    assert note.is_symlink()
    assert target.read_bytes() == change(LARGE)
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert os.getxattr(target, "user.tag") == b"red"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("change", [longer, shorter])
def test_hard_links_stay_one_file(note, change):
    note.write_bytes(LARGE)
    other = note.with_name("other.md")
    other.hardlink_to(note)
    file.replace(note, LARGE, change(LARGE))
    assert other.read_bytes() == change(LARGE)
    assert other.samefile(note)


def test_a_file_changed_by_another_is_left_alone(note):
    note.write_bytes(SMALL + b"edited")
    with pytest.raises(NoteRefusal) as caught:
        file.replace(note, SMALL, longer(SMALL))
    assert caught.value.reason is Reason.CHANGED_SINCE
    assert note.read_bytes() == SMALL + b"edited"


def test_a_file_changed_while_its_sibling_was_written_is_left_alone(note, monkeypatch):
    note.write_bytes(LARGE)
    fsync = os.fsync

    def edit_then_fsync(number: int) -> None:
        note.write_bytes(LARGE + b"edited")
        fsync(number)

    monkeypatch.setattr(os, "fsync", edit_then_fsync)
    with pytest.raises(NoteRefusal) as caught:
        file.replace(note, LARGE, longer(LARGE))
    assert caught.value.reason is Reason.CHANGED_SINCE
    assert note.read_bytes() == LARGE + b"edited"
    assert list(note.parent.iterdir()) == [note]


def test_a_full_disk_leaves_the_old_bytes(note, monkeypatch):
    note.write_bytes(LARGE)
    note.with_name("other.md").hardlink_to(note)
    pwrite, calls = os.pwrite, []

    def full_at_second(number: int, data: bytes, offset: int) -> int:
        calls.append(offset)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        return pwrite(number, data[:5000] if len(calls) == 1 else data, offset)

    monkeypatch.setattr(os, "pwrite", full_at_second)
    with pytest.raises(NoteRefusal, match="No space left") as caught:
        file.replace(note, LARGE, longer(LARGE))
    assert caught.value.reason is Reason.NOT_WRITABLE
    assert note.read_bytes() == LARGE


def test_a_missing_file_is_refused_in_words(note):
    with pytest.raises(NoteRefusal, match=r"note\.md can't be read: No such file or directory"):
        file.read(note)
    with pytest.raises(NoteRefusal, match=r"note\.md can't be written: No such file"):
        file.replace(note, b"", b"x")


def test_a_write_cut_short_is_told_from_other_edits():
    old, new = b"aaaa bbbb cccc", b"aaaa BBBB! cccc"
    torn = [new[:n] + old[n:] for n in range(6, 14)]
    assert all(file.is_torn(found, old, new) for found in torn if found not in (old, new))
    assert not any(file.is_torn(found, old, new) for found in (old, new, b"aaaa other", old + b"x"))
    assert file.is_torn(b"aaaa B cccc cccc", b"aaaa bbbb cccc cccc", b"aaaa B cccc") is False
    assert file.is_torn(b"xyz" + b"dddd", b"xxxdddd", b"xyz") is True
