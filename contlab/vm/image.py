"""Image: the first root file system of a guest: the container's own tree, and the agent. Cached by content."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

from contlab import paths
from contlab.errors import RootfsError
from contlab.rootfs import Rootfs
from contlab.vm import cpio
from contlab.vm.cpio import Entry

COMMANDS = (
    "sh",
    "mount",
    "mkdir",
    "cat",
    "cp",
    "rm",
    "mv",
    "find",
    "cpio",
    "head",
    "tail",
    "wc",
    "stty",
    "setsid",
    "reboot",
)
"""What init and agent are made of, beside what a shell has."""

AGENT, INIT = "lib/contlab/agent", "init"


def build(rootfs: Rootfs) -> Path:
    """The archive for a tree, made now unless the cache has it. The same tree gives the same bytes."""
    if gone := [name for name in COMMANDS if not os.path.lexists(rootfs.path / "bin" / name)]:
        raise RootfsError(
            f"a guest's root file system needs {', '.join(gone)}, which this one hasn't",
            "Debian, Ubuntu: apt-get install busybox-static · Fedora: dnf install busybox",
        )
    scripts = {INIT: _script("init"), AGENT: _script("agent")}
    name = hashlib.sha256(b"\0".join((bytes(rootfs.path), *scripts.values()))).hexdigest()[:32]
    image = paths.cache() / "guest" / f"{name}.cpio"
    if not image.exists():
        image.parent.mkdir(parents=True, exist_ok=True)
        # A name of its own: two guests that boot together both build it.
        handle, fresh = tempfile.mkstemp(prefix=f".{name}.", dir=image.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                cpio.write((*entries(rootfs.path), *extra(scripts)), file)
            Path(fresh).chmod(0o644)
            Path(fresh).replace(image)
        finally:
            Path(fresh).unlink(missing_ok=True)
    return image


def entries(root: Path) -> Iterator[Entry]:
    """A tree as archive entries, sorted, directories before what is in them; all of it root's."""
    for path in sorted(root.rglob("*")):
        name, status = str(path.relative_to(root)), path.lstat()
        if stat.S_ISLNK(status.st_mode):
            yield Entry(name, stat.S_IFLNK | 0o777, os.fsencode(path.readlink()))
        elif stat.S_ISDIR(status.st_mode):
            yield Entry(name, stat.S_IFDIR | stat.S_IMODE(status.st_mode))
        else:
            yield Entry(name, stat.S_IFREG | stat.S_IMODE(status.st_mode), path.read_bytes())


def extra(scripts: dict[str, bytes]) -> Iterator[Entry]:
    """What a guest has beside the tree: the scripts, and the console that the kernel opens for its first process."""
    for name in ("dev", "lib", "lib/contlab"):
        yield cpio.directory(name)
    yield cpio.character("dev/console", 5, 1)
    for name, content in scripts.items():
        yield cpio.file(name, content, 0o755)


def _script(name: str) -> bytes:
    return resources.files("contlab.vm").joinpath("guest", name).read_bytes()
