"""mountinfo on bytes recorded from real kernels."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contlab.linux.mountinfo import covered, parse_mountinfo, unescape
from contlab.linux.parse import ParseError

DATA = Path(__file__).resolve().parents[1] / "data"
LINE = b"26 24 0:24 / /dev/pts rw,relatime%s - devpts devpts rw,mode=600\n"


def by_point(name: str):
    return {mount.mount_point: mount for mount in parse_mountinfo((DATA / name).read_bytes())}


def test_a_mount_point_with_space_newline_tab_and_backslash_is_read_whole():
    mounts = by_point("6.1-v2/contained/mountinfo")

    hostile = mounts["/tmp/a b\nc\td\\e"]

    assert (hostile.mount_id, hostile.parent_id, hostile.major_minor) == (107, 103, "0:60")
    assert (hostile.filesystem_type, hostile.mount_source, hostile.root) == ("tmpfs", "none #1", "/")


def test_a_source_named_like_markup_is_read_whole():
    hostile = by_point("6.18-hybrid/contained/mountinfo")["/tmp/observe/a b\nc\td\\e"]

    assert (hostile.mount_source, hostile.propagation) == ("[kthreadd] [/] x", "unbindable")


def test_a_bind_mount_shows_its_directory_as_root():
    assert by_point("6.1-v2/contained/mountinfo")["/etc/fstab"].root == "/tmp/fstab"


@pytest.mark.parametrize(
    ("optional", "propagation"),
    [
        (b"", "private"),
        (b" shared:2", "shared:2"),
        (b" shared:2 master:1", "shared:2 master:1"),
        (b" master:7 propagate_from:3", "master:7 propagate_from:3"),
        (b" unbindable", "unbindable"),
        (b" shared:4 something_new:9", "shared:4"),
    ],
)
def test_any_number_of_optional_fields_is_read(optional, propagation):
    (mount,) = parse_mountinfo(LINE % optional)

    assert (mount.propagation, mount.filesystem_type, mount.super_options) == (propagation, "devpts", "rw,mode=600")


def test_an_empty_source_is_no_missing_field():
    (mount,) = parse_mountinfo(b"26 24 0:24 / /x rw - tmpfs  rw\n")

    assert (mount.mount_source, mount.super_options) == ("", "rw")


def test_the_lower_of_two_mounts_on_one_point_is_covered():
    mounts = parse_mountinfo((DATA / "6.18-hybrid/contained/mountinfo").read_bytes())

    hidden = [mount.mount_point for mount in mounts if mount.mount_id in covered(mounts)]

    assert hidden == ["/proc", "/dev/shm", "/dev/pts"]


def test_a_mount_on_another_directory_of_its_parent_covers_nothing():
    assert covered(parse_mountinfo(b"1 0 0:1 / / rw - ext4 a rw\n2 1 0:2 / /proc rw - proc proc rw\n")) == frozenset()


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30))
def test_whatever_the_kernel_escapes_is_read_back(path):
    escaped = path.encode()
    for character in b"\\ \t\n":
        escaped = escaped.replace(bytes([character]), b"\\%03o" % character)

    assert unescape(escaped) == path


@pytest.mark.parametrize("line", [b"26 24 0:24 / /x rw", b"26 24 0:24 / /x rw - tmpfs", b"rubbish"])
def test_a_line_without_its_second_half_is_refused_and_shown(line):
    with pytest.raises(ParseError, match=r"mountinfo: no ' - type source options'") as refused:
        parse_mountinfo(line + b"\n")

    assert line.decode() in str(refused.value)
