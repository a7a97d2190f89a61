"""Layouts: symbolic links are followed inside the tree only."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contlab.errors import RootfsError
from contlab.rootfs.layout import Copied, Directory, Layout, Link, Written

FILE = Written(b"x")


def test_directories_above_a_file_are_made():
    layout = Layout()
    layout.add("/a/b/c", FILE)
    assert layout.entries == {("a",): Directory(), ("a", "b"): Directory(), ("a", "b", "c"): FILE}


def test_a_file_below_a_link_lands_where_the_link_leads():
    layout = Layout()
    layout.add("/usr/bin", Link("../bin"))
    layout.add("/usr/bin/ls", FILE)
    assert layout.entries[("bin", "ls")] == FILE
    assert layout.real("/usr/bin/ls") == "/bin/ls"
    assert layout.has("/usr/bin/ls")


@pytest.mark.parametrize("target", ["/", "/..", "../../../..", "/proc/../../.."])
def test_a_link_out_of_the_tree_leads_to_its_own_root(target):
    layout = Layout()
    layout.add("/out", Link(target))
    layout.add("/out/etc/shadow", FILE)
    assert layout.entries[("etc", "shadow")] == FILE


def test_links_in_a_circle_are_an_error():
    layout = Layout()
    layout.add("/a", Link("b"))
    layout.add("/b", Link("a"))
    with pytest.raises(RootfsError, match="goes round"):
        layout.add("/a/x", FILE)


def test_a_file_below_a_file_is_an_error():
    layout = Layout()
    layout.add("/a", Copied("/bin/ls"))
    with pytest.raises(RootfsError, match="'/a' is a copy of '/bin/ls'"):
        layout.add("/a/b", FILE)


def test_two_different_things_at_one_path_are_an_error_and_the_same_thing_twice_is_not():
    layout = Layout()
    layout.add("/a", FILE)
    layout.add("/a", FILE)
    with pytest.raises(RootfsError, match="two different things"):
        layout.add("/a", Link("b"))


def test_a_directory_that_was_made_on_the_way_can_still_be_given_its_mode():
    layout = Layout()
    layout.add("/tmp/x", FILE)
    layout.add("/tmp", Directory(0o1777))
    assert layout.entries[("tmp",)] == Directory(0o1777)


part = st.sampled_from(["a", "b", "..", ".", "", "c d", "e\nf"])
path = st.lists(part, max_size=5).map("/".join)


@settings(deadline=None)
@given(st.lists(st.tuples(path, st.one_of(st.just(FILE), st.just(Directory()), path.map(Link))), max_size=12))
def test_no_entry_is_ever_named_by_a_link_or_by_dots(entries):
    layout = Layout()
    for where, entry in entries:
        try:
            layout.add(f"/{where}", entry)
        except RootfsError:
            continue
    for parts in layout.entries:
        assert not {"..", ".", ""} & set(parts)
        for end in range(1, len(parts)):
            assert isinstance(layout.entries[parts[:end]], Directory)
