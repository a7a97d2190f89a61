"""The live things of a lesson, or their recording: ``open_lab`` chooses."""

from __future__ import annotations

import os
from pathlib import Path

from contlab.course.lesson import Lesson
from contlab.errors import NotPermittedError
from contlab.lab.live import LiveLab
from contlab.lab.protocol import Lab
from contlab.lab.replay import ReplayLab

__all__ = ["Lab", "LiveLab", "ReplayLab", "open_lab", "recording_of"]


def recording_of(lesson: Lesson) -> Path:
    """Where the recording that ships with a lesson lies: beside its file."""
    return lesson.path.with_suffix(".trace.jsonl")


async def open_lab(lesson: Lesson, *, record: Path | None = None, may_replay: bool = True) -> Lab:
    """A live lab where this user may make containers; else, if allowed, the recording that ships with the lesson.

    ``record``: write a recording of the live lab there. NotPermittedError when neither can be.
    """
    if os.geteuid() == 0:
        return await LiveLab.open(lesson, record)
    if may_replay and record is None and recording_of(lesson).is_file():
        return ReplayLab(recording_of(lesson), lesson)
    raise NotPermittedError(
        "making containers needs root here",
        "Run contlab as root, with sudo; or watch a recording: contlab replay FILE.",
    )
