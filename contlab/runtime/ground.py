"""Ground: what one run stands on, made before its supervisor serves and given back at its end.

The run's directory, and a place in the cgroup tree whose children can have controllers.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from contlab.linux.cgroup import Hierarchies
from contlab.runtime import cgroup, delegation, sweep
from contlab.runtime.rights import Rights, read_rights

LAB_USER = 899_000
"""The uid and gid of containers without walls, and the owner of the run's "lab" folder, where root may choose: nobody's
on any host that we know of."""


class Ground:
    """One run's."""

    def __init__(self, root: str, run: str) -> None:
        """``root`` holds one directory for each run. OSError, with its ``filename``, when it can't be."""
        self.run = run
        self.directory = f"{root}/contlab-{run}"
        self.rights: Rights = read_rights()
        sweep.hold(root, run)
        for name in ("root", "lower", "lab"):
            os.makedirs(f"{self.directory}/{name}", mode=0o755)
        if self.rights.admin:
            os.chown(f"{self.directory}/lab", LAB_USER, LAB_USER)
        self.hierarchies: Hierarchies = cgroup.read_hierarchies()
        self._leaf = delegation.settle(self.hierarchies, self.rights, run)
        if self._leaf:
            self.hierarchies = cgroup.read_hierarchies()

    @property
    def remedy(self) -> str:
        """The command that gives this user limits; "" where there is none."""
        return delegation.remedy(self.hierarchies, self.rights)

    def give_back(self, containers: Sequence[object]) -> None:
        """At the end; the directory and the run's name stay for the sweep where a container could not be removed."""
        if not containers:
            sweep.release(self.directory)
        if self._leaf:
            self._leaf.leave()
