"""Getting the distribution's kernel, with programs in place of its package manager."""

import io
import os
import tarfile

import pytest

from contlab.errors import ContlabError, UnavailableError
from contlab.vm import cpio, fetch, kernel

from .test_kernel import image

DEPENDS = """linux-image-cloud-amd64
  Depends: linux-image-6.1.0-56-cloud-amd64
  Suggests: linux-doc
"""


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Name and what it prints (bytes), or a shell script (text) -> a program in PATH."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    place = tmp_path / "tools"
    place.mkdir()
    monkeypatch.setenv("PATH", str(place))

    def put(name, does):
        if isinstance(does, bytes):
            (place / f"{name}.out").write_bytes(does)
            does = f"exec /bin/cat {place}/{name}.out"
        (place / name).write_text(f"#!/bin/sh\n{does}\n")
        (place / name).chmod(0o755)

    return put


def tar(names):
    to = io.BytesIO()
    with tarfile.open(fileobj=to, mode="w") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(content := image("6.1.0-test"))
            archive.addfile(member, io.BytesIO(content))
    return to.getvalue()


def test_debians_image_is_unpacked_alone_and_kept_in_the_cache(tools):
    tools("apt-cache", DEPENDS.encode())
    tools("apt-get", 'test "$1 $2" = "download linux-image-6.1.0-56-cloud-amd64" && : > x.deb')
    tools("dpkg-deb", tar(["./boot/config-6.1", "./boot/vmlinuz-6.1.0-test", "./lib/modules/x.ko"]))
    said = []
    got = fetch.fetch(fetch.packaging(("debian",), "x86_64"), said.append)
    assert got == kernel.Kernel(kernel.store() / "vmlinuz-6.1.0-test", "6.1.0-test", "cache")
    assert got.path.read_bytes() == image("6.1.0-test")
    assert os.listdir(kernel.store()) == ["vmlinuz-6.1.0-test"]
    assert said == ["downloading linux-image-6.1.0-56-cloud-amd64 (Debian)"]


def test_fedoras_image_is_found_among_the_modules(tools):
    archive = io.BytesIO()
    cpio.write([cpio.directory("./lib"), cpio.file("./lib/modules/6.9/vmlinuz", image("6.9-fc"))], archive)
    tools("dnf", ": > kernel-core.rpm")
    tools("rpm2cpio", archive.getvalue())
    assert fetch.fetch(fetch.packaging(("nobara", "fedora"), "x86_64")).release == "6.9-fc"


def test_a_distribution_it_was_not_tried_on_is_said_to_be_untested():
    assert [fetch.packaging((name,), "x86_64").tested for name in ("debian", "ubuntu", "fedora", "arch")] == [
        True, False, False, False,
    ]  # fmt: skip


def test_the_family_is_taken_from_os_release():
    assert fetch.identity('NAME="X"\nID=pop\nID_LIKE="ubuntu debian"\n') == ("pop", "ubuntu", "debian")
    assert fetch.packaging(("pop", "ubuntu", "debian"), "x86_64").name == "Ubuntu"
    assert fetch.packaging(("debian",), "aarch64").metapackage == "linux-image-cloud-arm64"


def test_an_unknown_distribution_is_told_of_the_variable():
    with pytest.raises(UnavailableError, match="how gentoo packages") as caught:
        fetch.packaging(("gentoo",), "x86_64")
    assert "CONTLAB_KERNEL=" in caught.value.hint


def test_apts_answer_gives_the_package_with_the_image():
    assert fetch.dependency(DEPENDS) == "linux-image-6.1.0-56-cloud-amd64"
    ubuntu = "  Depends: linux-image-6.8.0-31-generic\n |Depends: linux-headers-generic\n"
    assert fetch.dependency(ubuntu) == "linux-image-6.8.0-31-generic"
    assert fetch.dependency("  Depends: <linux-image-amd64>\n") is None


def test_empty_package_lists_say_how_to_refresh_them(tools):
    tools("apt-cache", b"")
    with pytest.raises(UnavailableError, match="apt knows no kernel") as caught:
        fetch.fetch(fetch.packaging(("debian",), "x86_64"))
    assert "apt-get update" in caught.value.hint


def test_a_download_that_fails_says_what_the_tool_said_and_leaves_nothing(tools):
    tools("apt-cache", DEPENDS.encode())
    tools("apt-get", "echo 'E: Unable to fetch' >&2; exit 100")
    with pytest.raises(UnavailableError, match=r"download .* failed: E: Unable to fetch"):
        fetch.fetch(fetch.packaging(("debian",), "x86_64"))
    assert os.listdir(kernel.store()) == []


def test_a_tool_that_is_missing_is_named(tools):
    with pytest.raises(UnavailableError, match="dnf is not on this host"):
        fetch.fetch(fetch.packaging(("fedora",), "x86_64"))


def test_a_package_without_an_image_is_an_error(tools):
    tools("apt-cache", DEPENDS.encode())
    tools("apt-get", ": > x.deb")
    tools("dpkg-deb", tar(["./boot/config-6.1"]))
    with pytest.raises(ContlabError, match=r"x\.deb has no kernel image in it"):
        fetch.fetch(fetch.packaging(("debian",), "x86_64"))


def test_a_package_that_is_damaged_is_an_error(tools):
    tools("apt-cache", DEPENDS.encode())
    tools("apt-get", ": > x.deb")
    tools("dpkg-deb", b"no archive" * 100)
    with pytest.raises(ContlabError, match=r"x\.deb"):
        fetch.fetch(fetch.packaging(("debian",), "x86_64"))
