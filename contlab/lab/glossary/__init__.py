"""The glossary: for every field that a panel shows, what it means, the file it is from, the command that prints it.

Closed and pure: a key and what the row is about in, a ``Field`` out. Keys are ``FAMILY.NAME``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from contlab.lab.glossary import cgroup, history, machine, mounts, namespaces, network, processes
from contlab.lab.glossary.entry import Field, Shown
from contlab.lab.glossary.machine import key_of
from contlab.lab.glossary.namespaces import protection

__all__ = ["KEYS", "Field", "Shown", "explain", "key_of", "protection"]

_OF: dict[str, Callable[[str, Any, Shown], Field]] = (
    dict.fromkeys(processes.ENTRIES, processes.of)
    | dict.fromkeys(mounts.ENTRIES, mounts.of)
    | dict.fromkeys(namespaces.ENTRIES, namespaces.of)
    | dict.fromkeys(cgroup.KEYS, cgroup.of)
    | dict.fromkeys(network.ENTRIES, network.of)
    | dict.fromkeys(history.ENTRIES, history.of)
    | dict.fromkeys(machine.ENTRIES, machine.of)
)

KEYS = frozenset(_OF)
"""All there are."""


def explain(key: str, subject: object, shown: Shown) -> Field:
    """The field ``key`` of ``subject``: a PidView, a Mount, a CgroupSample, ..., as the key's family takes it."""
    return _OF[key](key, subject, shown)
