"""The base of all operations, and how they quote for the shell."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import ClassVar

from contlab.runtime.kernel import Kernel

quote = shlex.quote


@dataclass(frozen=True, slots=True)
class Operation:
    """Base: what every operation can do."""

    inside: ClassVar[bool] = True
    """Done by the stage in the container's namespaces; else by the supervisor on the host."""
    shifts_clock: ClassVar[bool] = False
    """The monotonic clocks may jump meanwhile, so that it is timed by another one."""

    def describe(self) -> str:
        """One line: what the kernel is asked to do."""
        raise NotImplementedError

    def shell(self) -> str:
        """The command that does it by hand; "" where there is none."""
        return ""

    def prepare(self) -> None:
        """What needs no kernel, before the process is born: the first use of anything costs that one page faults."""

    def run(self, kernel: Kernel) -> str | None:
        """Ask the kernel; SyscallError when it refuses."""
        raise NotImplementedError
