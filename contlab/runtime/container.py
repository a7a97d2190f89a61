"""What the supervisor knows of one container."""

from __future__ import annotations

import re

from contlab.runtime.cgroup import CgroupPlan
from contlab.runtime.protection import unprotected
from contlab.runtime.spec import ContainerSpec

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}")


def valid_name(name: str) -> bool:
    """Whether a container may be called so: its name is part of a cgroup's, and a hostname (64 bytes at most)."""
    return _NAME.fullmatch(name) is not None


class Container:
    """One container; or a group, which is a cgroup without processes and has no spec."""

    def __init__(self, name: str, planned: CgroupPlan, spec: ContainerSpec | None = None) -> None:
        self.name = name
        self.directories = planned.directories
        """Controller -> its cgroup's directory."""
        self.missing = planned.missing
        """Limit -> why this host does not give it."""
        self.spec = spec
        self.root = ""
        """Its root directory, when that is a place on the host."""
        self.copy = ""
        """The copied root to remove with it; "" when there is none."""
        self.unprotected = unprotected(spec) if spec else ()
        """The protections it is without, in words."""
        self.peers: dict[str, str] = {}
        """Interface inside -> where the other end of its cable is."""
        self.goes_at_end = False
        """It is taken away when its first process has ended."""
        self.closing = False
        """It is being taken away; its processes' ends lead to nothing further."""
        self.oom_kills = 0
        """As last seen, so that an exit can be laid to the OOM killer."""
