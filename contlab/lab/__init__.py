"""The live things of a lesson, or their recording: ``open_lab`` chooses."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from contlab.course.lesson import Lesson
from contlab.doctor import Status, readiness
from contlab.errors import ContlabError, NotPermittedError
from contlab.lab.live import LiveLab
from contlab.lab.protocol import Lab
from contlab.lab.replay import ReplayLab
from contlab.lab.walls import refuse_bare

__all__ = ["Lab", "LiveLab", "ReplayLab", "open_lab", "recording_of"]

GUESTS = frozenset({"qemu", "kernel-image", "kvm"})
"""What only a lesson's guests need."""

Notice = Callable[[str, str], None]
"""Called with a message and its hint."""


def recording_of(lesson: Lesson) -> Path:
    """Where the recording that ships with a lesson lies: beside its file."""
    return lesson.path.with_suffix(".trace.jsonl.gz")


async def open_lab(
    lesson: Lesson,
    *,
    record: Path | None = None,
    may_replay: bool = True,
    sudo: bool = False,
    notice: Notice | None = None,
) -> Lab:
    """A live lab where this user may make its containers; else, if allowed, the recording that ships with the lesson.

    ``record``: write a recording of the live lab there. ``sudo``: start the supervisor by sudo(8). ``notice`` is told
    what is less than the lesson asks for; without one the lab's news tell it. NotPermittedError, with the reasons and
    what mends them, when neither can be.
    """
    if sudo or os.geteuid() == 0:
        return await LiveLab.open(lesson, record, sudo=sudo)
    here = await asyncio.to_thread(readiness, lesson.needs)
    refusal: ContlabError | None = None
    # Without a guest the lesson goes on beside the model of one.
    if any(finding.status is Status.MISSING and finding.word not in GUESTS for finding in here.lacking):
        fixes = "\n".join(dict.fromkeys(finding.fix for finding in here.lacking if finding.fix))
        refusal = NotPermittedError(f"this lesson can't be played live here: {here.why}", fixes)
    else:
        try:
            refuse_bare(lesson)
        except NotPermittedError as error:
            refusal = error
    if refusal is None:
        lab = await LiveLab.open(lesson, record)
        for finding in here.lacking:
            (notice or lab.warn)(f"reduced: {finding.word}: {finding.reason}", finding.fix)
        return lab
    if may_replay and record is None and recording_of(lesson).is_file():
        return ReplayLab(recording_of(lesson), lesson)
    raise refusal
