"""Kernel images: which is taken, what it says it is, and the words where there is none."""

import os

import pytest

from contlab.errors import UnavailableError
from contlab.vm import kernel


def image(release: str) -> bytes:
    """The beginning of an x86 kernel: the magic, and the place of the version (boot.rst: offset + 0x200)."""
    start = bytearray(0x3000)
    start[0x202:0x206] = b"HdrS"
    start[0x20E:0x210] = (0x2000).to_bytes(2, "little")
    text = f"{release} (builder@host) #1 SMP\0".encode()
    start[0x2200 : 0x2200 + len(text)] = text
    return bytes(start)


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    """A host with empty directories."""
    monkeypatch.delenv("CONTLAB_KERNEL", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "host" / "boot").mkdir(parents=True)
    return tmp_path / "host"


def put(path, release):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(image(release))
    return path


def test_an_x86_image_says_its_release():
    assert kernel.release(image("6.1.0-56-cloud-amd64")) == "6.1.0-56-cloud-amd64"


@pytest.mark.parametrize(
    "start", [b"", b"\x1f\x8b" + bytes(0x8000), image("x")[:0x210], bytes(0x202) + b"HdrS" + bytes(20)]
)
def test_what_is_no_x86_image_says_none(start):
    assert kernel.release(start) == ""


def test_the_variable_comes_first_then_cache_then_boot_then_modules(root, monkeypatch):
    modules = put(root / "usr/lib/modules/6.4.0/vmlinuz", "6.4.0")
    assert kernel.find(root) == kernel.Kernel(modules, "6.4.0", "/usr/lib/modules")
    boot = put(root / "boot/vmlinuz-6.3.0", "6.3.0")
    assert kernel.find(root) == kernel.Kernel(boot, "6.3.0", "/boot")
    cached = put(kernel.store() / "vmlinuz-6.2.0", "6.2.0")
    assert kernel.find(root) == kernel.Kernel(cached, "6.2.0", "cache")
    named = put(root / "mine", "6.1.0")
    monkeypatch.setenv("CONTLAB_KERNEL", str(named))
    assert kernel.find(root) == kernel.Kernel(named, "6.1.0", "CONTLAB_KERNEL")


def test_the_newest_is_taken_by_number_and_a_cloud_flavour_before_all(root):
    put(root / "boot/vmlinuz-6.9.0-amd64", "6.9.0-amd64")
    put(root / "boot/vmlinuz-6.10.0-amd64", "6.10.0-amd64")
    assert kernel.find(root).release == "6.10.0-amd64"
    put(root / "boot/vmlinuz-6.1.0-cloud-amd64", "6.1.0-cloud-amd64")
    assert kernel.find(root).release == "6.1.0-cloud-amd64"


def test_an_image_that_does_not_say_is_called_as_its_file_or_directory(root):
    put(root / "usr/lib/modules/6.4.0-arch/vmlinuz", "").write_bytes(b"MZ other")
    assert kernel.find(root).release == "6.4.0-arch"


def test_a_dangling_link_is_passed_over(root):
    (root / "boot/vmlinuz-9.0").symlink_to("gone")
    put(root / "boot/vmlinuz-6.1.0", "6.1.0")
    assert kernel.find(root).release == "6.1.0"


def test_none_at_all_says_how_to_get_one(root):
    with pytest.raises(UnavailableError, match="no kernel image") as caught:
        kernel.find(root)
    assert "contlab vm kernel --fetch" in caught.value.hint


def test_a_variable_that_names_nothing_is_an_error_and_not_passed_over(root, monkeypatch):
    put(root / "boot/vmlinuz-6.1.0", "6.1.0")
    monkeypatch.setenv("CONTLAB_KERNEL", "/no/such")
    with pytest.raises(UnavailableError, match="CONTLAB_KERNEL names /no/such, which can't be read: No such file"):
        kernel.find(root)


def test_one_that_only_root_may_read_is_named_with_the_command_that_copies_it(root, monkeypatch):
    locked = put(root / "boot/vmlinuz-6.8.0-generic", "6.8.0-generic")
    real = type(locked).open

    def refuse(path, *arguments):
        if path == locked:
            raise PermissionError(13, os.strerror(13), str(path))
        return real(path, *arguments)

    monkeypatch.setattr(type(locked), "open", refuse)
    with pytest.raises(UnavailableError, match="only root may read it") as caught:
        kernel.find(root)
    assert f"sudo install -D -m 0644 {locked} {kernel.store()}/vmlinuz-6.8.0-generic" in caught.value.hint
