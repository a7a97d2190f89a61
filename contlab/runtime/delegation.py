"""Delegation: the part of the cgroup v2 tree in which this user may make cgroups, and how to come by one.

A plain user's is one of, in this order:

- a directory from their own cgroup up that is theirs to write (chown, cgroup-v2.rst "Delegation Containment");
- a scope of its own for the supervisor, by ``systemd-run --user --scope -p Delegate=yes``. What systemd's user manager
  owns without having delegated it is left to it: it switches controllers there off again as it sees fit;
- none: then gauges are Unavailable and a limit is an error with the command that mends it.

"No internal processes" (cgroup-v2.rst): a cgroup that holds processes can't pass controllers on to its children. The
supervisor alone in its scope moves into a leaf there. Others it never moves, the app and its shell least of all: what
is in a run's cgroups when the run has died is killed by the next sweep.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from contlab.linux.cgroup import Hierarchies, Hierarchy, Mode
from contlab.runtime.kernel import Linux
from contlab.runtime.rights import Rights

SCOPE = ("systemd-run", "--user", "--scope", "--quiet", "--collect", "-p", "Delegate=yes", "--")
CONTROLLERS = ("cpu", "memory", "pids")


@dataclass(frozen=True, slots=True)
class Base:
    """A directory whose children may be ours."""

    directory: str = ""
    """"": there is none."""
    enable: tuple[str, ...] = ()
    """Controllers to pass on to its children first."""
    lacking: tuple[str, ...] = ()
    """Controllers that its children can't have."""
    full: bool = False
    """It holds processes, and that is why."""

    @property
    def why(self) -> str:
        """What keeps its children from them."""
        reason = "holds processes, so it can't pass on" if self.full else "does not pass on"
        return f"the cgroup {self.directory} {reason} {', '.join(self.lacking)}"


def find_base(tree: Hierarchy, needed: Sequence[str]) -> Base:
    """The nearest directory, from our own cgroup up, whose children can have the most of the controllers ``needed``."""
    best = Base(lacking=tuple(needed))
    directory = tree.own
    while True:
        if os.access(directory, os.W_OK) and os.access(f"{directory}/cgroup.procs", os.W_OK):
            found = _children_of(directory, needed)
            if not found.lacking:
                return found
            if not best.directory or len(found.lacking) < len(best.lacking):
                best = found
        if directory == tree.mount_point or len(directory) <= 1:
            return best
        directory = os.path.dirname(directory)


def _children_of(directory: str, needed: Sequence[str]) -> Base:
    if not needed:  # hybrid
        return Base(directory)
    enabled = _words(f"{directory}/cgroup.subtree_control")
    # The true root is the one without cgroup.type, and the one that may do both.
    full = os.path.exists(f"{directory}/cgroup.type") and bool(_words(f"{directory}/cgroup.procs"))
    free = not full and os.access(f"{directory}/cgroup.subtree_control", os.W_OK)
    possible = enabled | _words(f"{directory}/cgroup.controllers") if free else enabled
    return Base(
        directory,
        tuple(c for c in needed if c in possible and c not in enabled),
        tuple(c for c in needed if c not in possible),
        full,
    )


def scope(hierarchies: Hierarchies, rights: Rights, environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """What to put before the supervisor's command so that it starts in a delegated scope; () where it needn't or can't
    be."""
    unified = hierarchies.unified
    if rights.admin or unified is None or hierarchies.mode is not Mode.V2 or not _user_manager(environment):
        return ()
    base = find_base(unified, CONTROLLERS)
    managed = f"/user@{rights.uid}.service" in base.directory
    return SCOPE if base.lacking or managed else ()


def controllers_of_scope(
    hierarchies: Hierarchies, rights: Rights, environment: Mapping[str, str] = os.environ
) -> frozenset[str]:
    """Which controllers such a scope will have: those that the user's manager was given."""
    if not scope(hierarchies, rights, environment) or hierarchies.unified is None:
        return frozenset()
    slices = f"user.slice/user-{rights.uid}.slice/user@{rights.uid}.service"
    return frozenset(_words(f"{hierarchies.unified.mount_point}/{slices}/cgroup.controllers"))


def remedy(hierarchies: Hierarchies, rights: Rights, systemd: bool | None = None) -> str:
    """The command that gives a plain user limits on this host; "" where no command would.

    ``systemd``: whether it is PID 1; None: look.
    """
    if rights.admin:
        return ""
    if hierarchies.mode is not Mode.V2 or hierarchies.unified is None:
        return "add --sudo: contlab's supervisor, and it alone, is root then; v1 cgroups can't be a user's own safely"
    if os.path.isdir("/run/systemd/system") if systemd is None else systemd:  # sd_booted(3)
        folder = "/etc/systemd/system/user@.service.d"
        return (
            f'sudo sh -c \'mkdir -p {folder} && printf "[Service]\\nDelegate=cpu cpuset io memory pids\\n" > '
            f"{folder}/contlab.conf && systemctl daemon-reload', then log out and in (to undo, remove that file)"
        )
    top = hierarchies.unified.mount_point
    mine = f"{top}/contlab-user-{rights.uid}"
    return (
        f"sudo sh -c 'echo +cpu +memory +pids > {top}/cgroup.subtree_control; mkdir -p {mine}/shell; chown -R "
        f"{rights.uid} {mine}; echo '$$' > {mine}/shell/cgroup.procs', then start contlab from this shell again"
    )


class Leaf:
    """The supervisor's own place below a scope that it was alone in."""

    def __init__(self, tree: Hierarchy, run: str) -> None:
        self._scope = tree.own
        self._directory = f"{tree.own}/contlab-{run}-supervisor"
        os.mkdir(self._directory)
        Linux().write(f"{self._directory}/cgroup.procs", str(os.getpid()))

    def leave(self) -> None:
        """Back, as the last thing; where it can't be, whoever made the scope removes it with all that is in it."""
        with contextlib.suppress(OSError):
            passed_on = " ".join(f"-{name}" for name in _words(f"{self._scope}/cgroup.subtree_control"))
            Linux().write(f"{self._scope}/cgroup.subtree_control", passed_on)
            Linux().write(f"{self._scope}/cgroup.procs", str(os.getpid()))
            os.rmdir(self._directory)


def settle(hierarchies: Hierarchies, rights: Rights, run: str) -> Leaf | None:
    """Make room in a delegated cgroup that we are alone in; None where we are not, or have no such thing."""
    tree = hierarchies.unified
    if rights.admin or tree is None or not os.path.exists(f"{tree.own}/cgroup.type"):
        return None
    if _words(f"{tree.own}/cgroup.procs") != {str(os.getpid())} or not os.access(tree.own, os.W_OK):
        return None
    try:
        return Leaf(tree, run)
    except OSError:  # writable, and yet not ours: what it lacks for it, the plan tells
        return None


def _user_manager(environment: Mapping[str, str]) -> bool:
    """Whether systemd's manager for this user listens."""
    folder = environment.get("XDG_RUNTIME_DIR", "")
    listens = folder and any(os.path.exists(f"{folder}/{name}") for name in ("systemd/private", "bus"))
    programs = (f"{part}/systemd-run" for part in environment.get("PATH", "").split(":") if part)
    return bool(listens) and any(os.access(program, os.X_OK) for program in programs)


def _words(path: str) -> set[str]:
    try:
        with open(path, encoding="utf-8") as file:
            return set(file.read().split())
    except OSError:
        return set()
