"""A guest's first root file system."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from contlab.errors import RootfsError
from contlab.rootfs import Rootfs
from contlab.vm import cpio, image


@pytest.fixture
def rootfs(tmp_path, monkeypatch):
    """A tree with the names that a guest needs."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    tree = tmp_path / "tree"
    (tree / "bin").mkdir(parents=True)
    (tree / "bin" / "busybox").write_bytes(b"program")
    (tree / "bin" / "busybox").chmod(0o755)
    for name in image.COMMANDS:
        (tree / "bin" / name).symlink_to("busybox")
    return Rootfs(tree, 7, 1, (), "busybox", ())


def entries(path):
    return {entry.name: entry for entry in cpio.read(io.BytesIO(path.read_bytes()))}


def test_it_is_the_tree_with_an_init_an_agent_and_a_console(rootfs):
    found = entries(image.build(rootfs))
    assert found["bin/busybox"] == cpio.file("bin/busybox", b"program", 0o755)
    assert found["bin/sh"].content == b"busybox"
    assert found["init"].content.startswith(b"#!/bin/sh\n")
    assert found["lib/contlab/agent"].mode == 0o100755
    assert found["dev/console"] == cpio.character("dev/console", 5, 1)


def test_directories_come_before_what_is_in_them(rootfs):
    seen = set()
    for entry in cpio.read(io.BytesIO(image.build(rootfs).read_bytes())):
        above = entry.name.rpartition("/")[0]
        assert above in {""} | seen
        seen.add(entry.name)


def test_the_same_tree_gives_the_same_bytes_and_is_not_written_again(rootfs):
    first = image.build(rootfs)
    content, written = first.read_bytes(), first.stat().st_ino
    assert image.build(rootfs).stat().st_ino == written
    first.unlink()
    assert image.build(rootfs).read_bytes() == content


def test_guests_that_boot_together_may_both_build_it(rootfs, monkeypatch):
    both, write = threading.Barrier(2, timeout=60), cpio.write

    def write_together(*arguments):
        both.wait()
        write(*arguments)

    monkeypatch.setattr(cpio, "write", write_together)
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(image.build, [rootfs] * 2)
    assert one == other
    assert "lib/contlab/agent" in entries(one)
    assert [one] == list(one.parent.iterdir())


def test_a_tree_without_the_commands_of_the_agent_is_an_error_naming_them(rootfs):
    (rootfs.path / "bin" / "cpio").unlink()
    with pytest.raises(RootfsError, match="needs cpio, which this one hasn't"):
        image.build(rootfs)
    assert not list((rootfs.path.parent / "cache").rglob("*.cpio"))
