"""Live, recorded or refused: what a plain user's lesson becomes."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

import contlab.lab
from contlab.course.catalogue import open_lesson
from contlab.course.lesson import Lesson
from contlab.doctor import Finding, Level, Readiness, Status
from contlab.errors import NotPermittedError
from contlab.lab import ReplayLab, open_lab

LACKING = Finding("cgroup-memory", Status.MISSING, "nothing is delegated", "do this")
LESS = Finding("overlay", Status.REDUCED, "copied", "do that")


class Opened:
    """Stands for LiveLab."""

    def __init__(self) -> None:
        self.calls: list[tuple[Path | None, bool]] = []
        self.warnings: list[tuple[str, str]] = []

    async def open(self, lesson: Lesson, record: Path | None = None, *, sudo: bool = False) -> Opened:
        self.calls.append((record, sudo))
        return self

    def warn(self, message: str, hint: str) -> None:
        self.warnings.append((message, hint))


@pytest.fixture
def live(monkeypatch: pytest.MonkeyPatch) -> Opened:
    """A plain user whose live lab always opens."""
    live = Opened()
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(contlab.lab, "LiveLab", live)
    return live


def ready(monkeypatch: pytest.MonkeyPatch, level: Level, *lacking: Finding) -> None:
    monkeypatch.setattr(contlab.lab, "readiness", lambda _: Readiness(level, lacking))


@pytest.fixture
def lesson(checkout: Path, tmp_path: Path) -> Lesson:
    """One of contlab's own, at a place where a recording can be laid beside it."""
    lesson = open_lesson("why-containers/three-walls")
    own = tmp_path / "lesson.md"
    own.symlink_to(lesson.path)
    return msgspec.structs.replace(lesson, path=own)


async def test_where_the_needs_are_met_it_is_live(
    live: Opened, lesson: Lesson, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(monkeypatch, Level.FULL)

    assert live is await open_lab(lesson)
    assert [] == live.warnings


async def test_what_is_reduced_is_told_with_its_remedy(
    live: Opened, lesson: Lesson, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(monkeypatch, Level.REDUCED, LESS)
    told: list[tuple[str, str]] = []

    await open_lab(lesson)
    await open_lab(lesson, notice=lambda *words: told.append(words))

    assert [("reduced: overlay: copied", "do that")] == live.warnings == told


async def test_where_a_need_is_missing_the_recording_is_played(
    live: Opened, lesson: Lesson, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(monkeypatch, Level.RECORDED, LACKING, LESS)
    lesson.path.with_suffix(".trace.jsonl.gz").touch()
    monkeypatch.setattr(ReplayLab, "__init__", lambda *_: None)

    assert isinstance(await open_lab(lesson), ReplayLab)
    with pytest.raises(NotPermittedError):
        await open_lab(lesson, may_replay=False)


async def test_without_a_recording_the_reasons_and_all_remedies_are_told(
    live: Opened, lesson: Lesson, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(monkeypatch, Level.RECORDED, LACKING, LESS)

    with pytest.raises(NotPermittedError) as caught:
        await open_lab(lesson)

    assert "this lesson can't be played live here: cgroup-memory: nothing is delegated; overlay: copied" == (
        caught.value.message
    )
    assert "do this\ndo that" == caught.value.hint


async def test_with_sudo_the_supervisor_s_rights_count_and_not_the_user_s(
    live: Opened, lesson: Lesson, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(monkeypatch, Level.RECORDED, LACKING)

    await open_lab(lesson, sudo=True)

    assert [(None, True)] == live.calls


async def test_a_lesson_by_anyone_that_has_no_walls_is_refused(
    live: Opened, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready(monkeypatch, Level.FULL)
    foreign = msgspec.structs.replace(
        open_lesson("why-containers/three-walls"), path=checkout / "tests/data/lessons/walls.md"
    )

    with pytest.raises(NotPermittedError, match="would run as you"):
        await open_lab(foreign)
    assert [] == live.calls
