"""Finding: what one probe found out. Readiness: what the findings mean for a lesson."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Status(StrEnum):
    """How far a capability is there."""

    OK = "ok"
    REDUCED = "reduced"
    """Something less does in its place; the reason says what."""
    MISSING = "missing"


class Finding(msgspec.Struct, frozen=True):
    """One capability of this host."""

    word: str
    """As lessons and tests ask for it in ``needs``."""
    status: Status
    reason: str
    """What was seen, one clause without a full stop."""
    fix: str = ""
    """The exact command, or act, that mends it; "" where nothing has to or can be mended."""


class Level(StrEnum):
    """How a lesson can be played here."""

    FULL = "full"
    REDUCED = "reduced"
    RECORDED = "recorded"
    """Only from its recording."""


class Readiness(msgspec.Struct, frozen=True):
    """A lesson's ``needs`` against this host."""

    level: Level
    lacking: tuple[Finding, ...] = ()
    """The findings that are not ok."""

    @property
    def why(self) -> str:
        """One clause a lacking capability; "" when nothing lacks."""
        return "; ".join(f"{finding.word}: {finding.reason}" for finding in self.lacking)


Verdict = tuple[Status, str, str]
"""A finding before it has its word."""


def ok(reason: str) -> Verdict:
    """It is there."""
    return Status.OK, reason, ""


def reduced(reason: str, fix: str = "") -> Verdict:
    """Something less is there."""
    return Status.REDUCED, reason, fix


def missing(reason: str, fix: str = "") -> Verdict:
    """It is not there."""
    return Status.MISSING, reason, fix
