"""Reading files and links of a host."""

from __future__ import annotations

import errno
import os

import pytest

from contlab.observe.source import HostSource, is_absent, read_or_none


def test_a_file_longer_than_one_read_comes_whole(tmp_path):
    (tmp_path / "long").write_bytes(bytes(range(256)) * 1000)

    assert HostSource(str(tmp_path)).read("/long") == bytes(range(256)) * 1000


def test_this_host_s_own_proc_is_read_and_no_descriptor_stays_open():
    before = os.listdir("/proc/self/fd")

    assert HostSource().read("/proc/self/comm").endswith(b"\n")
    assert os.listdir("/proc/self/fd") == before


def test_a_link_with_undecodable_bytes_is_text_that_can_be_recorded(tmp_path):
    os.symlink(b"/a\xffb", bytes(tmp_path) + b"/root")

    assert HostSource(str(tmp_path)).readlink("/root") == "/a\\xffb"


def test_a_name_with_undecodable_bytes_can_be_opened_again(tmp_path):
    with open(bytes(tmp_path) + b"/\xff", "wb") as file:
        file.write(b"x")
    source = HostSource(str(tmp_path))

    (name,) = source.listdir("/")

    assert source.read(f"/{name}") == b"x"


@pytest.mark.parametrize(
    ("number", "absent"),
    [(errno.ENOENT, True), (errno.ESRCH, True), (errno.ENODEV, True), (errno.EACCES, False), (errno.EIO, False)],
)
def test_what_is_not_there_is_told_from_what_is_forbidden_or_broken(number, absent):
    assert is_absent(OSError(number, "")) is absent


def test_a_missing_file_is_none_and_a_directory_is_an_error(tmp_path):
    source = HostSource(str(tmp_path))

    assert read_or_none(source, "/nothing") is None
    with pytest.raises(IsADirectoryError):
        read_or_none(source, "/")
