"""Operations on files and directories of the new root."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

from contlab.runtime.kernel import Kernel
from contlab.runtime.operation.base import Operation, quote
from contlab.runtime.overlay import copy_tree


@dataclass(frozen=True, slots=True)
class CopyRoot(Operation):
    """A root of its own without a mount: with the host's mount namespace, a mount would be the host's too."""

    inside = False
    source: str
    target: str

    def describe(self) -> str:
        return f"copy {self.source} to {self.target}"

    def shell(self) -> str:
        return f"cp -a {quote(self.source)} {quote(self.target)}"

    def run(self, kernel: Kernel) -> None:
        kernel.mkdir(self.target, 0o755, parents=True)
        copy_tree(self.source, self.target)


@dataclass(frozen=True, slots=True)
class MakeDirectory(Operation):
    """mkdir(2), parents included."""

    path: str
    mode: int = 0o755
    root: str = ""
    """The new root that ``path`` is looked up in, links included."""

    def describe(self) -> str:
        return f"make the directory {self.root}{self.path}"

    def shell(self) -> str:
        return f"mkdir -p -m {self.mode:o} {quote(self.root + self.path)}"

    def run(self, kernel: Kernel) -> None:
        kernel.mkdir(kernel.within(self.root, self.path) if self.root else self.path, self.mode, parents=True)


@dataclass(frozen=True, slots=True)
class MakeDevice(Operation):
    """mknod(2): a device file. Not allowed in a user namespace, where the host's is bound instead."""

    path: str
    major: int
    minor: int

    def describe(self) -> str:
        return f"make the device {self.path} ({self.major}:{self.minor})"

    def shell(self) -> str:
        return f"mknod -m 666 {quote(self.path)} c {self.major} {self.minor}"

    def run(self, kernel: Kernel) -> None:
        kernel.mknod(self.path, stat.S_IFCHR | 0o666, os.makedev(self.major, self.minor))


@dataclass(frozen=True, slots=True)
class Symlink(Operation):
    """symlink(2)."""

    target: str
    path: str

    def describe(self) -> str:
        return f"link {self.path} -> {self.target}"

    def shell(self) -> str:
        return f"ln -s {quote(self.target)} {quote(self.path)}"

    def run(self, kernel: Kernel) -> None:
        kernel.symlink(self.target, self.path)


@dataclass(frozen=True, slots=True)
class WriteFile(Operation):
    """A small file written into the new root."""

    path: str
    text: str
    mode: int = 0o644

    def describe(self) -> str:
        return f"write {self.path} ({len(self.text.encode())} bytes)"

    def shell(self) -> str:
        return f"printf %s {quote(self.text)} > {quote(self.path)}"

    def run(self, kernel: Kernel) -> None:
        kernel.mkdir(self.path.rpartition("/")[0] or "/", 0o755, parents=True)
        kernel.create(self.path, self.text, self.mode)
