"""Recipes: those that ship, and the words for those with mistakes."""

from pathlib import Path

import pytest

from contlab.errors import RootfsError
from contlab.rootfs import recipe, recipes

HERE = Path("fixtures/mine.toml")


def mistake(text):
    with pytest.raises(RootfsError) as caught:
        recipes.parse(text, HERE)
    return caught.value.message


def test_the_shipped_recipes_can_be_read_and_say_what_they_are():
    assert recipes.names() == ("busybox", "host-tools")
    for name in recipes.names():
        made = recipe(name)
        assert made.name == name
        assert made.directories["/tmp"] == "1777"
        assert made.about.endswith(".")


def test_an_unknown_name_gets_the_nearest():
    with pytest.raises(RootfsError) as caught:
        recipe("busibox")
    assert caught.value.hint == "Did you mean 'busybox'?"
    with pytest.raises(RootfsError) as caught:
        recipe("../../etc/passwd")
    assert "busybox, host-tools" in caught.value.hint


def test_a_toml_mistake_is_named_with_its_line():
    assert mistake('about = "x"\n[files\n').startswith("fixtures/mine.toml:2: ")


def test_an_unknown_key_is_named_with_its_line():
    assert mistake('about = "x"\n\n[tools]\nrequird = []\n').startswith("fixtures/mine.toml:4: ")


def test_a_wrong_type_is_named_with_its_line():
    assert mistake('about = "x"\n[tools]\nrequired = "sh"\n').startswith("fixtures/mine.toml:3: ")


def test_a_wrong_mode_is_named_with_its_line():
    assert mistake('about = "x"\n[directories]\n"/a" = "0755"\n"/tmp" = "rwx"\n').startswith("fixtures/mine.toml:4: ")


@pytest.mark.parametrize("path", ["etc/x", "", "/", "/../x", "/a/../../x", "/a//b", "/a/./b", "/a/", "/" + "n" * 256])
def test_a_path_that_could_leave_the_tree_or_cannot_be_made_is_named_with_its_line(path):
    assert mistake(f'about = "x"\n[files]\n"/ok" = ""\n"{path}" = "text"\n').startswith("fixtures/mine.toml:4: ")


def test_names_with_spaces_and_newlines_are_names():
    made = recipes.parse('about = "x"\n[files]\n"/a b\\nc" = "text"\n', HERE)
    assert made.files == {"/a b\nc": "text"}
