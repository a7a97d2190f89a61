"""Id maps: what user_namespaces(7) allows, and who is who outside."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from contlab.errors import LessonError
from contlab.runtime.spec import IdMap

MOST_LINES = 340
PAGE_SIZE = 4096
"""The kernel takes a map in one write that is shorter than a page."""
MOST_IDS = (1 << 32) - 1
"""The last id, -1, stands for "no change" in setresuid(2)."""


def text(lines: Sequence[IdMap]) -> str:
    """What is written into uid_map or gid_map."""
    return "\n".join(f"{line.inside} {line.outside} {line.length}" for line in lines)


def outside(lines: Sequence[IdMap], inside: int) -> int | None:
    """The host's number of an id inside; None when it is not mapped."""
    return next((m.outside + inside - m.inside for m in lines if m.inside <= inside < m.inside + m.length), None)


def refuse_nonsense(lines: Sequence[IdMap]) -> None:
    """LessonError when the kernel would refuse the map, or nobody could be root inside."""
    if not 0 < len(lines) <= MOST_LINES or len(text(lines)) >= PAGE_SIZE:
        raise LessonError(
            f"an id map of {len(lines)} lines and {len(text(lines))} bytes",
            f"The kernel takes 1 to {MOST_LINES} lines that fit into a page of {PAGE_SIZE} bytes.",
        )
    for line in lines:
        first = min(line.inside, line.outside)
        if first < 0 or line.length < 1 or max(line.inside, line.outside) + line.length > MOST_IDS:
            raise LessonError(
                f"no id map: {text([line])!r}", "Write inside, outside and length, ids from 0 to 4294967294."
            )
    for side in ("inside", "outside"):
        ranges = sorted((getattr(line, side), line.length) for line in lines)
        for (first, length), (second, _) in pairwise(ranges):
            if first + length > second:
                raise LessonError(
                    f"id {second} {side} is in two lines of the id map", "Let no two ranges overlap, on either side."
                )
    if outside(lines, 0) is None:
        raise LessonError("id 0 inside is not mapped, so nobody could be root there", "Map it, e.g. 0:100000:1.")
