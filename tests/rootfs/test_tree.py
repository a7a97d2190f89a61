"""Trees on disk: what a recipe becomes, and that the cache holds only whole ones."""

import os
import re
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from contlab.errors import RootfsError
from contlab.rootfs import build, host, recipe, tree
from contlab.rootfs.recipes import Recipe, Text, Tools


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "contlab" / "rootfs"


@pytest.fixture
def bin_directory(tmp_path, monkeypatch):
    """The only place where host commands are found."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setattr(host, "DIRECTORIES", (str(directory),))
    monkeypatch.setenv("PATH", str(directory))
    return directory


def script(path: Path, text: str = "") -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def small(**rest) -> Recipe:
    return Recipe(about="small.", name="small", **rest)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_the_busybox_tree_has_a_shell_a_sticky_tmp_and_says_what_it_is():
    made = build(recipe("busybox"))
    assert os.access(made.path / "bin" / "sh", os.X_OK)
    assert mode(made.path / "tmp") == 0o1777
    assert "contlab fixture" in (made.path / "etc" / "os-release").read_text()
    regular = [path for path in made.path.rglob("*") if path.is_file() and not path.is_symlink()]
    assert made.files == len(regular)
    assert made.bytes == sum(path.stat().st_size for path in regular)


@pytest.mark.parametrize("name", ["busybox", "host-tools"])
def test_no_link_of_a_shipped_tree_leads_out_of_it_or_nowhere(name):
    root = build(recipe(name)).path
    for path in root.rglob("*"):
        if path.is_symlink() and path.name != "mtab":  # /proc is mounted later
            target = os.readlink(path)
            inside = root / target.lstrip("/") if target.startswith("/") else path.parent / target
            assert inside.resolve().is_relative_to(root)
            assert inside.exists()


def test_without_busybox_the_hosts_own_tools_are_taken_with_their_libraries(monkeypatch):
    found = host.program
    monkeypatch.setattr(host, "program", lambda name: None if name == "busybox" else found(name))
    made = build(recipe("busybox"))
    assert re.fullmatch(r"this host's own tools \(\d+ commands\)", made.source)
    copied = {file.path for file in made.needed}
    assert os.path.realpath(found("sh") or "") in copied
    for file in made.needed:
        assert (made.path / file.path.lstrip("/")).resolve().is_file()


def test_applets_become_links_in_bin_and_nothing_is_written_over(bin_directory):
    script(bin_directory / "many", "echo 'ls\n[\n../../escape\nmany'")
    made = build(small(tools=Tools(multicall="many", required=("absent",)), files={"/bin/ls": "mine"}))
    assert made.source == f"many ({bin_directory}/many)"
    assert (made.path / "bin" / "ls").read_text() == "mine"
    assert os.readlink(made.path / "bin" / "[") == f"{bin_directory}/many"
    assert sorted(path.name for path in (made.path / "bin").iterdir()) == [
        "[",
        "ls",
        "many",
        "sh",
    ]  # sh: many is a script


def test_a_missing_tool_is_named_with_the_packages_that_have_it(bin_directory):
    with pytest.raises(RootfsError) as caught:
        build(small(tools=Tools(required=("ps", "mount", "frobnicate"))))
    assert caught.value.message == "this host has no ps, mount, frobnicate, which the root filesystem needs"
    assert "apt-get install mount procps · Fedora: dnf install procps-ng util-linux" in caught.value.hint
    assert "dnf provides '*/bin/frobnicate'" in caught.value.hint


def test_an_optional_tool_that_is_missing_is_said(bin_directory):
    script(bin_directory / "one")
    assert build(small(tools=Tools(required=("one",), optional=("two",)))).missing == ("two",)


def test_a_busybox_that_cannot_say_its_commands_is_an_error(bin_directory):
    script(bin_directory / "many", "exit 3")
    with pytest.raises(RootfsError, match="--list, which says what commands it has, failed"):
        build(small(tools=Tools(multicall="many")))


def test_modes_links_and_odd_names_are_as_written():
    made = build(
        small(
            directories={"/closed": "0500"},
            files={"/closed/a b\nc": "text", "/run me": Text("#!/bin/sh\n", "0755")},
            links={"/etc/passwd": "/../../etc/passwd"},
        )
    )
    assert mode(made.path / "closed") == 0o500
    assert (made.path / "closed" / "a b\nc").read_text() == "text"
    assert mode(made.path / "run me") == 0o755
    assert os.readlink(made.path / "etc" / "passwd") == "/../../etc/passwd"


def test_a_file_under_a_link_out_of_the_tree_stays_inside(tmp_path):
    made = build(small(links={"/out": str(tmp_path)}, files={"/out/x": "caught"}))
    assert not (tmp_path / "x").exists()
    assert (made.path / str(tmp_path).lstrip("/") / "x").read_text() == "caught"


def test_a_second_build_is_the_same_tree_untouched(monkeypatch):
    first = build(recipe("busybox"))
    monkeypatch.setattr(tree, "needs", None)  # calling it would be an error: nothing is looked up again
    assert build(recipe("busybox")) == first


def test_a_changed_program_or_recipe_or_owner_is_another_tree(bin_directory):
    one = script(bin_directory / "one")
    wanted = small(tools=Tools(required=("one",)))
    paths = [build(wanted).path, build(small(tools=Tools(required=("one",)), files={"/x": ""})).path]
    script(one, "changed")
    paths.append(build(wanted).path)
    assert len(set(paths)) == 3
    assert "changed" in (paths[-1] / str(one).lstrip("/")).read_text()


def test_the_owner_owns_everything():
    owner = 100_000 if os.geteuid() == 0 else os.geteuid()
    made = build(small(directories={"/d": "0755"}, files={"/f": "x"}, links={"/l": "f"}), owner=owner)
    assert {(path.lstat().st_uid, path.lstat().st_gid) for path in (made.path, *made.path.rglob("*"))} == {
        (owner, owner)
    }


def test_a_build_that_fails_leaves_nothing(store, monkeypatch):
    def full(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tree.shutil, "copyfile", full)
    with pytest.raises(RootfsError, match="No space left on device"):
        build(recipe("busybox"))
    assert list(store.iterdir()) == []


def test_many_builders_at_once_make_one_tree(store):
    made = []
    threads = [threading.Thread(target=lambda: made.append(build(recipe("busybox")))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 6
    assert len(set(made)) == 1
    assert sorted(path.suffix for path in store.iterdir()) == ["", ".sources"]


def test_what_a_killed_builder_left_is_removed_by_the_next_and_a_living_ones_is_not(store):
    hold = """
import os, sys
from contlab.rootfs import cache, tree, build, recipe
def fill(*_):
    print("filling", flush=True)
    sys.stdin.read()
tree._write = fill
build(recipe("busybox"))
"""
    builders = [
        subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        assert [builder.stdout.readline() for builder in builders if builder.stdout] == ["filling\n"] * 2
        left = sorted(store.glob(".building-*"))
        assert len(left) == 2
        builders[0].kill()
        builders[0].wait()
        for path in left:
            os.utime(path, (0, 0))
        build(recipe("busybox"))
        assert len(list(store.glob(".building-*"))) == 1
    finally:
        for builder in builders:
            builder.kill()
            builder.communicate()


def test_a_plain_users_closed_directories_do_not_keep_a_leftover(tmp_path):
    from contlab.rootfs import cache

    (tmp_path / "left" / "closed" / "deep").mkdir(parents=True)
    (tmp_path / "left" / "closed" / "link").symlink_to(tmp_path)
    (tmp_path / "left" / "closed").chmod(0)
    before = mode(tmp_path)
    cache.remove(tmp_path / "left")
    assert not (tmp_path / "left").exists()
    assert mode(tmp_path) == before
