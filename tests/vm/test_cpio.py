"""newc archives: what is written is read back, by us and by others' tools."""

import io
import shutil
import stat
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contlab.vm import cpio

ENTRIES = [
    cpio.directory("a b"),
    cpio.file("a b/c\nd", b"\0\1\2", 0o755),
    cpio.Entry("link", stat.S_IFLNK | 0o777, b"/../target"),
    cpio.character("dev-console", 5, 1),
]


def archive(entries):
    to = io.BytesIO()
    cpio.write(entries, to)
    return to.getvalue()


def test_the_header_is_as_the_kernel_documents_it():
    written = archive([cpio.file("x", b"hi", 0o644)])
    assert written[:14] == b"070701" + b"00000001"
    assert written[14:22] == b"000081A4"
    assert written[54:62] == b"00000002"
    assert written[110:112] == b"x\0"
    assert written[112:116] == b"hi\0\0"
    assert written[116:].startswith(b"070701")
    assert b"TRAILER!!!\0" in written[116:]
    assert len(written) % 4 == 0


names = st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), min_size=1, max_size=20)


@settings(deadline=None)
@given(st.lists(st.tuples(names.filter(lambda name: name != cpio.END), st.binary(max_size=20)), max_size=6))
def test_what_is_written_is_read_back(files):
    entries = [cpio.file(name, content) for name, content in files]
    assert list(cpio.read(io.BytesIO(archive(entries)))) == entries


def test_links_directories_and_devices_are_read_back():
    assert list(cpio.read(io.BytesIO(archive(ENTRIES)))) == ENTRIES


def test_the_same_entries_give_the_same_bytes():
    assert archive(ENTRIES) == archive(ENTRIES)


@pytest.mark.parametrize("size", [0, 6, 109, 115, 130, 300])
def test_an_archive_that_is_cut_short_is_an_error(size):
    with pytest.raises(ValueError, match="cut short"):
        list(cpio.read(io.BytesIO(archive(ENTRIES)[:size])))


def test_what_is_no_archive_is_an_error():
    with pytest.raises(ValueError, match="not a newc header"):
        list(cpio.read(io.BytesIO(bytes(200))))


@pytest.mark.skipif(shutil.which("busybox") is None, reason="needs busybox, whose cpio reads what we write")
def test_busybox_lists_it():
    done = subprocess.run(["busybox", "cpio", "-t"], input=archive(ENTRIES), capture_output=True, check=True)
    assert done.stdout == b"a b\na b/c\nd\nlink\ndev-console\n"
