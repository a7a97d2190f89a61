"""Facts: the closed vocabulary that ``expect`` and ``predict`` speak, over snapshots and command results."""

from __future__ import annotations

import msgspec

from contlab.course.lesson import Check
from contlab.observe.snapshot import Snapshot


class RunResult(msgspec.Struct, frozen=True):
    """How one ``run`` ended."""

    name: str
    container: str
    exit_code: int
    """0-255; 128 + signal when it was killed."""
    signal: int | None
    output: str
    """stdout and stderr as they came, at most the last 64 KiB."""
    seconds: float
    timed_out: bool = False


class FactContext(msgspec.Struct, frozen=True):
    """All that facts are read from."""

    snapshots: dict[str, Snapshot]
    runs: dict[str, RunResult]
    host_kernel: str
    host_hostname: str


class Verdict(msgspec.Struct, frozen=True):
    """One check, judged."""

    holds: bool
    seen: str
    """The fact's value in words, or why it is not known."""


def judge(check: Check, facts: FactContext) -> Verdict:
    """Compare the fact with the value as the check says; an unknown value never holds."""
    raise NotImplementedError
