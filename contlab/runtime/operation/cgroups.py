"""Operations on cgroupfs: a directory is a group, a file is a limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from contlab.runtime.kernel import Kernel
from contlab.runtime.operation.base import Operation, quote


@dataclass(frozen=True, slots=True)
class MakeCgroup(Operation):
    """mkdir in cgroupfs: the kernel fills the directory with the controllers' files."""

    inside = False
    directory: str
    tree: str
    """What the hierarchy is for: its controllers, or "v2"."""

    def describe(self) -> str:
        return f"make a cgroup in the {self.tree} hierarchy"

    def shell(self) -> str:
        return f"mkdir {quote(self.directory)}"

    def run(self, kernel: Kernel) -> None:
        kernel.mkdir(self.directory, 0o755)


@dataclass(frozen=True, slots=True)
class SetLimit(Operation):
    """Write a limit into a cgroup file and read it back: the kernel may round it, or ignore it."""

    inside = False
    file: str
    value: str
    if_present: bool = False
    """The file may be missing (memory.swap.max without swap accounting): then nothing is done."""

    def describe(self) -> str:
        return f"limit {self.file.rpartition('/')[2]} to {self.value}"

    def shell(self) -> str:
        return f"echo {quote(self.value)} > {quote(self.file)}"

    def run(self, kernel: Kernel) -> str | None:
        if self.if_present and not kernel.exists(self.file):
            return "this kernel has no such file"
        kernel.write(self.file, self.value)
        held = [line for line in kernel.read(self.file).splitlines() if line.strip()]  # io.max has a line for each disk
        return None if self.value in held else f"the kernel holds {'; '.join(held)}"


@dataclass(frozen=True, slots=True)
class EnableControllers(Operation):
    """cgroup v2: let the children of a cgroup have these controllers."""

    inside = False
    directory: str
    controllers: tuple[str, ...]

    def describe(self) -> str:
        return f"let the children of {self.directory} have {', '.join(self.controllers)}"

    def shell(self) -> str:
        return f"echo '{self._words()}' > {quote(self._file())}"

    def _words(self) -> str:
        return " ".join(f"+{name}" for name in self.controllers)

    def _file(self) -> str:
        return f"{self.directory}/cgroup.subtree_control"

    def run(self, kernel: Kernel) -> None:
        kernel.write(self._file(), self._words())


@dataclass(frozen=True, slots=True)
class JoinCgroup(Operation):
    """A process moves itself into a v1 cgroup; on v2 it is born there.

    By its own hand and as a task: whoever moves another process, or all its threads, has to hold up every fork and exit
    on the host first, which takes a quiet kernel an RCU grace period of some 10 ms (cgroup_attach_lock in
    kernel/cgroup/cgroup.c).
    """

    directory: str
    tree: str

    def describe(self) -> str:
        return f"put the process into its {self.tree} cgroup"

    def shell(self) -> str:
        return f"echo 0 > {quote(self.directory)}/tasks"

    def run(self, kernel: Kernel) -> None:
        kernel.write(f"{self.directory}/tasks", "0")


def elsewhere(step: Operation, moved: Callable[[str], str]) -> Operation:
    """``step`` for the cgroup whose directory ``moved`` gives for its own; any other step as it is."""
    match step:
        case MakeCgroup(directory, tree):
            return MakeCgroup(moved(directory), tree)
        case JoinCgroup(directory, tree):
            return JoinCgroup(moved(directory), tree)
        case SetLimit(file, value, if_present):
            directory, _, limit = file.rpartition("/")
            return SetLimit(f"{moved(directory)}/{limit}", value, if_present)
        case _:
            return step
