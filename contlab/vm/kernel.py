"""Kernel: where a guest's kernel image comes from, and how to read what it is.

Looked for in CONTLAB_KERNEL, in the cache (what ``contlab vm kernel --fetch`` put there), /boot and
/usr/lib/modules. Containers and many cloud machines have an empty /boot; Ubuntu's images there are root's alone.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from contlab import paths
from contlab.errors import UnavailableError

FETCH = "Get the distribution's own, without installing it: contlab vm kernel --fetch"

SETUP_MAGIC = slice(0x202, 0x206)
VERSION_POINTER = slice(0x20E, 0x210)
HEADER = 0x8000
"""Bytes that hold an x86 image's setup code, which is at most 64 sectors (Documentation/arch/x86/boot.rst)."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """One kernel image that can be read."""

    path: Path
    release: str
    """As ``uname -r`` will say inside; "" when the image doesn't tell."""
    found: str
    """Where: "CONTLAB_KERNEL", "cache", "/boot" or "/usr/lib/modules"."""

    @property
    def bytes(self) -> int:
        """Size on disk."""
        return self.path.stat().st_size


def store() -> Path:
    """The cache's directory of fetched kernels."""
    return paths.cache() / "kernel"


def find(root: Path = Path("/")) -> Kernel:
    """The first image that can be read; of one directory the newest, a cloud flavour before the others."""
    chosen = os.environ.get("CONTLAB_KERNEL")
    if chosen:
        return Kernel(Path(chosen), _chosen_release(Path(chosen)), "CONTLAB_KERNEL")
    unreadable: list[Path] = []
    for found, paths_there in (
        ("cache", store().glob("vmlinuz-*")),
        ("/boot", (root / "boot").glob("vmlinuz-*")),
        ("/usr/lib/modules", (root / "usr/lib/modules").glob("*/vmlinuz")),
    ):
        for path in sorted(paths_there, key=_preference, reverse=True):
            try:
                return Kernel(path, _release_of(path), found)
            except PermissionError:
                unreadable.append(path)
            except OSError:
                continue  # a dangling link, which is as good as nothing
    if unreadable:
        copy = store() / f"vmlinuz-{_name(unreadable[0])}"
        raise UnavailableError(
            f"{unreadable[0]} is there, but only root may read it",
            f"Copy it: sudo install -D -m 0644 {unreadable[0]} {copy}\n{FETCH}",
        )
    raise UnavailableError("there is no kernel image for a guest on this host (/boot, /usr/lib/modules)", FETCH)


def release(start: bytes) -> str:
    """The version in an x86 image's setup header (boot protocol 2.00 and later); "" in anything else."""
    if start[SETUP_MAGIC] != b"HdrS":
        return ""
    at = int.from_bytes(start[VERSION_POINTER], "little")
    text = start[at + 0x200 :].split(b"\0", 1)[0] if at else b""
    words = text.split()
    return words[0].decode("ascii", "replace") if words else ""


def _chosen_release(path: Path) -> str:
    hint = "Name a kernel image (vmlinuz) that you may read, or unset it."
    try:
        with path.open("rb") as file:
            start = file.read(HEADER)
    except OSError as error:
        raise UnavailableError(f"CONTLAB_KERNEL names {path}, which can't be read: {error.strerror}", hint) from error
    if start[SETUP_MAGIC] != b"HdrS" and not start.startswith(b"\x7fELF"):
        raise UnavailableError(f"CONTLAB_KERNEL names {path}, which is no kernel image", hint)
    return release(start) or _name(path)


def _release_of(path: Path) -> str:
    with path.open("rb") as file:
        return release(file.read(HEADER)) or _name(path)


def _name(path: Path) -> str:
    """The version in an image's own name, or its directory's."""
    return path.parent.name if path.name == "vmlinuz" else path.name.removeprefix("vmlinuz-")


def _preference(path: Path) -> tuple[bool, list[tuple[int, str]]]:
    """Cloud flavours first: they leave out drivers for hardware that a guest hasn't, and boot in half the time."""
    name = _name(path)
    parts = re.findall(r"\d+|\D+", name)
    return bool(re.search(r"cloud|virtual|kvm", name)), [
        (int(part), "") if part.isdigit() else (-1, part) for part in parts
    ]
