"""doctor: what this host allows, in the words that lessons and tests use in ``needs``; why; and what mends it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from contlab.doctor.finding import Finding, Level, Readiness, Status
from contlab.doctor.host import Host
from contlab.doctor.probes import PROBES, find
from contlab.errors import LessonError

__all__ = ["WORDS", "Finding", "Host", "Level", "Readiness", "Status", "examine", "probe", "readiness"]

WORDS = {word: probe.meaning for word, probe in PROBES.items()}
"""Every word and what it means."""

_here: list[Host] = []


def probe(word: str, host: Host | None = None) -> Finding:
    """One capability; LessonError, with the nearest valid word, for a word that is none."""
    if word not in WORDS:
        near = difflib.get_close_matches(word, WORDS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"the words are {', '.join(WORDS)}"
        raise LessonError(f"needs: no capability is called {word!r}", hint)
    return find(word, host or _this_host())


def examine(host: Host | None = None) -> tuple[Finding, ...]:
    """All capabilities, looked at afresh. Takes some 0.2 s: call it in a thread."""
    if host is None:
        _here.clear()
    return tuple(probe(word, host) for word in WORDS)


def readiness(needs: Iterable[str], host: Host | None = None) -> Readiness:
    """How a lesson with these ``needs`` can be played here."""
    lacking = tuple(finding for word in needs if (finding := probe(word, host)).status is not Status.OK)
    if any(finding.status is Status.MISSING for finding in lacking):
        return Readiness(Level.RECORDED, lacking)
    return Readiness(Level.REDUCED if lacking else Level.FULL, lacking)


def _this_host() -> Host:
    """One Host a process: its trials are made once."""
    if not _here:
        _here.append(Host())
    return _here[0]
