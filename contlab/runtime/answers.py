"""Answers: what the client asks of a container that is there already, short of a process."""

from __future__ import annotations

import errno
from collections.abc import Mapping

from contlab.errors import ContlabError, RuntimeFailure
from contlab.runtime import cgroup, looks
from contlab.runtime.children import Children
from contlab.runtime.container import Container
from contlab.runtime.voice import Voice
from contlab.runtime.wiring import Wiring


class Answers:
    """Each request is answered by one event, a refusal too."""

    def __init__(self, voice: Voice, containers: Mapping[str, Container], children: Children, wiring: Wiring) -> None:
        self._voice = voice
        self._containers = containers
        self._children = children
        self._wiring = wiring

    def hostname(self, name: str) -> None:
        """What its uts namespace says."""
        first = self._children.first(name)
        self._voice.hostname(name, first.nodename() if first else None)

    def link_in_proc(self, path: str) -> None:
        """Of one of the containers' processes."""
        pids = {process.pid for name in self._containers for process in self._children.of(name)}
        try:
            self._voice.link_read(looks.readlink(path, pids))
        except OSError as error:
            self._voice.link_read("", error.errno or errno.EIO)

    def freeze(self, name: str, frozen: bool) -> None:
        """Stop all its processes, or let them go on."""
        try:
            if (container := self._containers.get(name)) is None:
                raise RuntimeFailure(f"there is no {name}", "Start it again.")
            held = cgroup.set_frozen(container.directories, frozen)
        except ContlabError as error:
            self._voice.frozen(name, not frozen, error)
            return
        late = RuntimeFailure(
            f"{name} is not yet {'frozen' if frozen else 'thawed'}: a process waits inside the kernel",
            "It follows as soon as it comes back (state D in `ps`).",
        )
        self._voice.frozen(name, held, None if held == frozen else late)

    def cable(self, name: str, up: bool) -> None:
        """Plug it in, or pull it out."""
        try:
            self._wiring.cut(name, up)
        except ContlabError as error:
            self._voice.link(name, not up, error)
        else:
            self._voice.link(name, up, None)
