"""Operations that give a process namespaces of its own, and what only makes sense inside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from contlab.linux.flags import CLONE, NAMESPACE_FLAGS
from contlab.runtime import ids
from contlab.runtime.kernel import Kernel
from contlab.runtime.operation.base import Operation, quote
from contlab.runtime.spec import NO_OFFSETS, IdMap, TimeOffsets


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
    """Write uid_map and gid_map, once and whole: ids inside the user namespace -> ids outside."""

    inside = False
    uids: tuple[IdMap, ...]
    gids: tuple[IdMap, ...]

    def describe(self) -> str:
        if self.uids == self.gids:
            return f"map ids {_in_words(self.uids)}"
        return f"map uids {_in_words(self.uids)}; gids {_in_words(self.gids)}"

    def shell(self) -> str:
        return "; ".join(
            f"printf {quote(lines)} > /proc/$PID/{file}" if "\\n" in lines else f"echo '{lines}' > /proc/$PID/{file}"
            for file, lines in (("uid_map", _escaped(self.uids)), ("gid_map", _escaped(self.gids)))
        )

    @property
    def maps(self) -> tuple[tuple[str, str], ...]:
        """Files of the process's directory in /proc, and what is written into each."""
        return ("uid_map", ids.text(self.uids)), ("gid_map", ids.text(self.gids))

    def run(self, kernel: Kernel) -> None:
        for file, text in self.maps:
            kernel.write(f"/proc/{kernel.pid}/{file}", text)


def _in_words(lines: tuple[IdMap, ...]) -> str:
    return ", ".join(f"{_range(m.inside, m.length)} inside to {_range(m.outside, m.length)} outside" for m in lines)


def _range(first: int, length: int) -> str:
    return str(first) if length == 1 else f"{first}-{first + length - 1}"


def _escaped(lines: tuple[IdMap, ...]) -> str:
    return ids.text(lines).replace("\n", "\\n")


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
    """A time namespace of its own: unshare(2) makes one for children only, so the stage enters it itself. In between,
    and only then, its clocks may be set off from the host's (time_namespaces(7))."""

    shifts_clock = True
    offsets: TimeOffsets = NO_OFFSETS

    def describe(self) -> str:
        words = [f"{name} {seconds:+d} s" for name, seconds in self._given()]
        return f"new time namespace: monotonic and boot clocks of its own{', ' if words else ''}{', '.join(words)}"

    def _given(self) -> list[tuple[str, int]]:
        clocks = (("monotonic", self.offsets.monotonic), ("boottime", self.offsets.boottime))
        return [(name, seconds) for name, seconds in clocks if seconds]

    def shell(self) -> str:
        return " ".join(("unshare --time", *(f"--{name} {seconds}" for name, seconds in self._given())))

    def run(self, kernel: Kernel) -> None:
        kernel.unshare(CLONE.NEWTIME)
        if self.offsets:
            # Clock, seconds, nanoseconds.
            lines = (f"{name} {seconds} 0" for name, seconds in self._given())
            kernel.write("/proc/self/timens_offsets", "\n".join(lines))
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
