"""Variables: what a lesson's commands may name but not know, ``$NEIGHBOUR_PID`` and ``$LAB``, set by the lab.

``$NAME_PID`` is the number that container NAME's first process has on the host; in capitals, a ``-`` as ``_``.
``$LAB`` is a folder on the host that the lab makes for a lesson and removes with it. Containers with a root of
their own can't see it: that is what it is for.
"""

from __future__ import annotations

import re

LAB = "LAB"
"""The environment variable, in every container and every run, that holds the lesson's folder."""

_PID = re.compile(r"\$(?:\{([A-Za-z0-9_]+)_PID\}|([A-Za-z0-9_]+)_PID\b)")


def pid_variable(container: str) -> str:
    """``my-neighbour`` -> ``MY_NEIGHBOUR_PID``."""
    return container.upper().replace("-", "_") + "_PID"


def named(command: str) -> frozenset[str]:
    """The PID variables that a command uses, e.g. ``{"NEIGHBOUR_PID"}``."""
    return frozenset(f"{one or other}_PID" for one, other in _PID.findall(command))
