"""Fetch: the distribution's own kernel package, got with the distribution's own tool, of which only the image is kept.

Nothing is installed, and no server is named here: the package manager's configuration and signatures decide.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, cast

from contlab.errors import ContlabError, UnavailableError
from contlab.vm import cpio, kernel
from contlab.vm.kernel import Kernel

DEADLINE = 600.0
"""Seconds that a download may take."""

IMAGE = re.compile(r"(\./)?(boot/vmlinuz-[^/]+|(usr/)?lib/modules/[^/]+/vmlinuz)$")
"""The kernel's path in a package."""


@dataclass(frozen=True, slots=True)
class Packaging:
    """How one family of distributions names, downloads and opens its kernel package."""

    name: str
    download: Callable[[str], Sequence[str]]
    """Package -> command that leaves it in the working directory."""
    open: Callable[[str], Sequence[str]]
    """File -> command that prints its content as an archive."""
    suffix: str
    archive: str
    """"tar" or "cpio"."""
    package: str = ""
    """The package that has the image; "" when a metapackage's dependencies have to be asked."""
    metapackage: str = ""
    tested: bool = True
    """False: written from the tools' documentation, and not tried on that distribution."""


def packaging(identity: Sequence[str], machine: str) -> Packaging:
    """By os-release's ID and ID_LIKE, the machine being ``uname -m``'s."""
    debian = Packaging(
        "Debian",
        lambda package: ("apt-get", "download", package),
        lambda file: ("dpkg-deb", "--fsys-tarfile", file),
        ".deb",
        "tar",
    )
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    families = {
        "ubuntu": replace(debian, name="Ubuntu", metapackage="linux-image-virtual", tested=False),
        "debian": replace(debian, metapackage=f"linux-image-cloud-{architecture}"),
        "fedora": Packaging(
            "Fedora",
            lambda package: ("dnf", "download", package),
            lambda file: ("rpm2cpio", file),
            ".rpm",
            "cpio",
            package="kernel-core",
            tested=False,
        ),
        "arch": Packaging(
            "Arch",
            lambda package: ("pacman", "-Sw", "--noconfirm", "--cachedir", ".", package),
            lambda file: ("bsdtar", "-cf", "-", f"@{file}"),
            ".pkg.tar.zst",
            "tar",
            package="linux",
            tested=False,
        ),
    }
    for word in identity:
        if word in families:
            return families[word]
    raise UnavailableError(
        f"contlab doesn't know how {identity[0] if identity else 'this distribution'} packages its kernel",
        "Name an image that you have: CONTLAB_KERNEL=/path/to/vmlinuz",
    )


def fetch(chosen: Packaging | None = None, say: Callable[[str], None] = lambda words: None) -> Kernel:
    """Download the kernel package, keep its image in the cache, and return it. Blocks; takes seconds to minutes."""
    chosen = chosen or packaging(identity(Path("/etc/os-release").read_text(errors="replace")), platform.machine())
    store = kernel.store()
    store.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetching-", dir=store) as place:
        package = chosen.package or _dependency(chosen.metapackage)
        say(f"downloading {package} ({chosen.name}{'' if chosen.tested else '; untested there'})")
        _run(chosen.download(package), place)
        files = sorted(Path(place).glob(f"*{chosen.suffix}"))
        if not files:
            raise ContlabError(f"{chosen.download(package)[0]} left no {chosen.suffix} file", "Try it by hand.")
        image = _unpack(chosen, files[0], Path(place))
        release = kernel.release(image.read_bytes()[: kernel.HEADER]) or package.removeprefix("linux-image-")
        kept = store / f"vmlinuz-{release}"
        image.chmod(0o644)
        image.replace(kept)
    return Kernel(kept, release, "cache")


def identity(os_release: str) -> tuple[str, ...]:
    """The words of ID and ID_LIKE in os-release(5), most specific first."""
    found = dict(re.findall(r"^(ID|ID_LIKE)=[\"']?(.*?)[\"']?$", os_release, re.MULTILINE))
    return tuple(f"{found.get('ID', '')} {found.get('ID_LIKE', '')}".split())


def dependency(printed: str) -> str | None:
    """The package with the image among what ``apt-cache depends`` prints of its metapackage."""
    found = re.findall(r"Depends: (linux-image-(?:unsigned-)?\d\S*)", printed)
    return found[0] if found else None


def _dependency(metapackage: str) -> str:
    printed = _run(("apt-cache", "depends", metapackage), "/").decode(errors="replace")
    if (package := dependency(printed)) is None:
        raise UnavailableError(f"apt knows no kernel under {metapackage}", "Refresh its lists: sudo apt-get update")
    return package


def _unpack(chosen: Packaging, file: Path, place: Path) -> Path:
    """The kernel image out of a package, as a file in ``place``; nothing else is written."""
    image = place / "vmlinuz"
    with _process(chosen.open(file.name), str(place)) as process:
        stream = cast(BinaryIO, process.stdout)
        try:
            content = _from_tar(stream) if chosen.archive == "tar" else _from_cpio(stream)
        except (tarfile.TarError, ValueError) as error:
            raise ContlabError(f"{file.name} is damaged: {error}", "Download it again.") from error
        if content is None:
            raise ContlabError(f"{file.name} has no kernel image in it", "Name one: CONTLAB_KERNEL=/path/to/vmlinuz")
        image.write_bytes(content)
        process.kill()  # what follows in the package isn't needed
    return image


def _from_tar(stream: BinaryIO) -> bytes | None:
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            if member.isfile() and IMAGE.match(member.name) and (inside := archive.extractfile(member)) is not None:
                return inside.read()
    return None


def _from_cpio(stream: BinaryIO) -> bytes | None:
    return next((entry.content for entry in cpio.read(stream) if entry.content and IMAGE.match(entry.name)), None)


def _process(command: Sequence[str], place: str) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(command, cwd=place, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    except FileNotFoundError as error:
        raise UnavailableError(
            f"{command[0]} is not on this host", f"Install the package that has {command[0]}."
        ) from error


def _run(command: Sequence[str], place: str) -> bytes:
    try:
        done = subprocess.run(
            command, cwd=place, stdin=subprocess.DEVNULL, capture_output=True, timeout=DEADLINE, check=True,
            env={**os.environ, "LC_ALL": "C"},
        )  # fmt: skip
    except FileNotFoundError as error:
        raise UnavailableError(
            f"{command[0]} is not on this host", f"Install the package that has {command[0]}."
        ) from error
    except subprocess.TimeoutExpired as error:
        raise UnavailableError(f"{' '.join(command)} took more than {DEADLINE:.0f} s", "Check the network.") from error
    except subprocess.CalledProcessError as error:
        words = error.stderr.decode(errors="replace").strip().splitlines()
        raise UnavailableError(
            f"{' '.join(command)} failed: {words[-1] if words else f'exit {error.returncode}'}",
            "Refresh the package lists (sudo apt-get update), check the network, and try again.",
        ) from error
    return done.stdout
