"""The id maps of a plain user's user namespace. Root's is ``MapIds``, which may name any id.

user_namespaces(7), "Defining user and group ID mappings": without privileges a process may map one id, its own, and
its gid only once setgroups(2) is denied; newuidmap(1) and newgidmap(1), which are setuid, map the ranges that the
administrator gave the user in subuid(5) and subgid(5).
"""

from __future__ import annotations

from dataclasses import dataclass

from contlab.linux.errno import SyscallError
from contlab.runtime.kernel import Kernel
from contlab.runtime.operation.base import Operation
from contlab.runtime.spec import IdMap


@dataclass(frozen=True, slots=True)
class MapOwnId(Operation):
    """Map one id: root inside is the user who makes the container."""

    inside = False
    uid: int
    gid: int

    def describe(self) -> str:
        return f"map id 0 inside to yourself outside, uid {self.uid}; deny setgroups"

    def shell(self) -> str:
        uid, gid = (f"echo '0 {outside} 1'" for outside in (self.uid, self.gid))
        return f"{uid} > /proc/$PID/uid_map; echo deny > /proc/$PID/setgroups; {gid} > /proc/$PID/gid_map"

    @property
    def maps(self) -> tuple[tuple[str, str], ...]:
        """As ``MapIds.maps``."""
        # A process could drop a group whose members are denied a file: so the gid comes at the price of setgroups.
        return ("uid_map", f"0 {self.uid} 1"), ("setgroups", "deny"), ("gid_map", f"0 {self.gid} 1")

    def run(self, kernel: Kernel) -> None:
        for file, text in self.maps:
            kernel.write(f"/proc/{kernel.pid}/{file}", text)


@dataclass(frozen=True, slots=True)
class MapSubordinateIds(Operation):
    """Map ranges of subordinate ids by newuidmap(1) and newgidmap(1)."""

    inside = False
    uids: tuple[IdMap, ...]
    gids: tuple[IdMap, ...]
    otherwise: MapOwnId | None = None
    """Done when the helpers refuse; None: then there is no container."""

    def describe(self) -> str:
        lines = (f"{m.inside}-{m.inside + m.length - 1} to {m.outside}-{m.outside + m.length - 1}" for m in self.uids)
        return f"map ids inside to yours and your subordinate ones outside: {', '.join(lines)}"

    def shell(self) -> str:
        return f"newuidmap $PID {' '.join(_words(self.uids))}; newgidmap $PID {' '.join(_words(self.gids))}"

    def run(self, kernel: Kernel) -> str | None:
        try:
            kernel.command("newuidmap", str(kernel.pid), *_words(self.uids))
        except SyscallError as refusal:
            if self.otherwise is None:
                raise
            # The helper is there but may not (not setuid, or the range was taken back): one id is better than none.
            self.otherwise.run(kernel)
            return f"only your own id instead: {refusal.explanation}"
        kernel.command("newgidmap", str(kernel.pid), *_words(self.gids))
        return None


def _words(lines: tuple[IdMap, ...]) -> tuple[str, ...]:
    return tuple(str(number) for m in lines for number in (m.inside, m.outside, m.length))
