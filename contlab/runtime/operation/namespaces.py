"""Operations that give a process namespaces of its own, and what only makes sense inside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from contlab.linux.flags import CLONE, NAMESPACE_FLAGS
from contlab.runtime.kernel import Kernel
from contlab.runtime.operation.base import Operation, quote


@dataclass(frozen=True, slots=True)
class Clone(Operation):
    """clone3(2): the container's first process is born, into its new namespaces. The supervisor does the call."""

    inside = False
    namespaces: tuple[str, ...]
    into_cgroup: str = ""
    """v2: the cgroup it is born in; v1 can only move it afterwards."""

    _OPTIONS: ClassVar[dict[str, str]] = {"mnt": "mount"}

    @property
    def flags(self) -> CLONE:
        flags = CLONE(0)
        for kind in self.namespaces:
            flags |= NAMESPACE_FLAGS[kind]
        return flags

    def describe(self) -> str:
        kinds = ", ".join(self.namespaces) if self.namespaces else "no namespace of its own"
        where = ", born in its cgroup" if self.into_cgroup else ""
        return f"clone a process with new namespaces: {kinds}{where}" if self.namespaces else f"fork: {kinds}{where}"

    def shell(self) -> str:
        options = " ".join(f"--{self._OPTIONS.get(kind, kind)}" for kind in self.namespaces)
        return f"unshare --fork {options} sh" if options else "sh &"

    def run(self, kernel: Kernel) -> None:
        raise NotImplementedError("the supervisor clones: the child must come back into its own code")


@dataclass(frozen=True, slots=True)
class MapIds(Operation):
    """Write uid_map and gid_map, once: ids inside the user namespace -> ids outside."""

    inside = False
    first_inside: int
    first_outside: int
    length: int

    def describe(self) -> str:
        inside, outside = (f"{first}-{first + self.length - 1}" for first in (self.first_inside, self.first_outside))
        return f"map ids {inside} inside to {outside} outside"

    def shell(self) -> str:
        line = self._line()
        return f"echo '{line}' > /proc/$PID/uid_map; echo '{line}' > /proc/$PID/gid_map"

    def _line(self) -> str:
        return f"{self.first_inside} {self.first_outside} {self.length}"

    def run(self, kernel: Kernel) -> None:
        kernel.write(f"/proc/{kernel.pid}/uid_map", self._line())
        kernel.write(f"/proc/{kernel.pid}/gid_map", self._line())


@dataclass(frozen=True, slots=True)
class BecomeRoot(Operation):
    """setresuid(0) inside the user namespace: from the overflow id to its root."""

    def describe(self) -> str:
        return "become uid 0 of the user namespace"

    def shell(self) -> str:
        return "setpriv --reuid 0 --regid 0 --clear-groups"

    def run(self, kernel: Kernel) -> None:
        kernel.setids(0, 0)


@dataclass(frozen=True, slots=True)
class UnshareCgroup(Operation):
    """A cgroup namespace of its own: its present cgroup becomes "/"."""

    def describe(self) -> str:
        return "new cgroup namespace: the present cgroup becomes its /"

    def shell(self) -> str:
        return "unshare --cgroup"

    def run(self, kernel: Kernel) -> None:
        kernel.unshare(CLONE.NEWCGROUP)


@dataclass(frozen=True, slots=True)
class UnshareTime(Operation):
    """A time namespace of its own: unshare(2) makes one for children only, so the stage enters it itself."""

    def describe(self) -> str:
        return "new time namespace: monotonic and boot clocks of its own"

    def shell(self) -> str:
        return "unshare --time"

    def run(self, kernel: Kernel) -> None:
        kernel.unshare(CLONE.NEWTIME)
        kernel.enter("/proc/self/ns/time_for_children", CLONE.NEWTIME)


@dataclass(frozen=True, slots=True)
class SetHostname(Operation):
    """sethostname(2), in the container's uts namespace."""

    name: str

    def describe(self) -> str:
        return f"set the hostname to {self.name}"

    def shell(self) -> str:
        return f"hostname {quote(self.name)}"

    def run(self, kernel: Kernel) -> None:
        kernel.sethostname(self.name)


@dataclass(frozen=True, slots=True)
class LoopbackUp(Operation):
    """A new net namespace has one interface, lo, and it is down."""

    def describe(self) -> str:
        return "bring lo up"

    def shell(self) -> str:
        return "ip link set lo up"

    def run(self, kernel: Kernel) -> None:
        kernel.interface_up("lo")
