from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from contlab.course.document import parse
from contlab.course.lesson import Lesson, Predict
from contlab.course.progress import Progress
from contlab.course.session import Prediction
from contlab.errors import ContlabError

WHEN = "2026-05-01T10:00:00+00:00"


@pytest.fixture
def lesson(small: str) -> Lesson:
    return parse(small + "\n## Second step\n\nThe end.\n\n## Third step\n\nReally.\n", Path("x.md")).lesson


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "progress.json"


def predictions(lesson: Lesson, chosen: int, right: int | None) -> tuple[Prediction, ...]:
    [asked] = lesson.steps[0].of(Predict)
    return (Prediction(asked, chosen, right),)


def test_at_first_nothing_is_done_and_nothing_is_written(lesson: Lesson, path: Path) -> None:
    progress = Progress(path)

    assert ((), 0, (0, 0), "") == (
        progress.done(lesson),
        progress.next_step(lesson),
        progress.score(lesson),
        progress.notice,
    )
    assert not path.exists()


def test_what_is_done_is_known_next_time(lesson: Lesson, path: Path) -> None:
    Progress(path).finish(lesson, "first-step", predictions(lesson, 1, 0), WHEN)
    progress = Progress(path)

    assert ("first-step",) == progress.done(lesson)
    assert 1 == progress.next_step(lesson)
    assert (0, 1) == progress.score(lesson)


def test_the_file_holds_names_and_no_places(lesson: Lesson, path: Path) -> None:
    Progress(path).finish(lesson, "first-step", predictions(lesson, 0, 0), WHEN)

    answer = {"question": "What is its number?", "chosen": "One", "right": True}
    step = {"done": WHEN, "answers": [answer]}
    assert {"format": 1, "lessons": {"small/lesson": {"first-step": step}}} == json.loads(path.read_text())


def test_a_step_that_the_lesson_no_longer_has_does_not_count(lesson: Lesson, path: Path) -> None:
    progress = Progress(path)
    progress.finish(lesson, "a-step-of-old", predictions(lesson, 0, 0), WHEN)

    assert ((), (0, 0)) == (progress.done(lesson), progress.score(lesson))


def test_the_last_time_counts(lesson: Lesson, path: Path) -> None:
    progress = Progress(path)
    progress.finish(lesson, "first-step", predictions(lesson, 1, 0), WHEN)
    progress.finish(lesson, "first-step", predictions(lesson, 0, 0), WHEN)

    assert (1, 1) == progress.score(lesson)


def test_a_prediction_that_the_kernel_did_not_judge_is_not_counted(lesson: Lesson, path: Path) -> None:
    progress = Progress(path)
    progress.finish(lesson, "first-step", predictions(lesson, 1, None), WHEN)

    assert (0, 0) == progress.score(lesson)


def test_when_all_is_done_it_begins_with_the_first_step(lesson: Lesson, path: Path) -> None:
    progress = Progress(path)
    for step in lesson.steps:
        progress.finish(lesson, step.slug, (), WHEN)

    assert 0 == progress.next_step(lesson)


def test_a_lesson_can_be_forgotten(lesson: Lesson, path: Path) -> None:
    progress = Progress(path)
    progress.finish(lesson, "first-step", (), WHEN)
    progress.forget(lesson)

    assert () == Progress(path).done(lesson)


@pytest.mark.parametrize("damage", [b"", b"{", b'{"lessons": 3}', b"\xff\xfe"])
def test_a_damaged_file_is_kept_aside_and_said(lesson: Lesson, path: Path, damage: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(damage)
    progress = Progress(path)

    assert () == progress.done(lesson)
    assert damage == path.with_name("progress.json.bad").read_bytes()
    assert "kept as" in progress.notice
    assert str(path) in progress.notice


def test_a_second_damaged_file_does_not_replace_the_first(path: Path) -> None:
    path.parent.mkdir()
    for damage in (b"one", b"two"):
        path.write_bytes(damage)
        Progress(path)

    assert [b"one", b"two"] == [path.with_name(f"progress.json.{name}").read_bytes() for name in ("bad", "bad1")]


def test_a_newer_contlabs_file_is_left_alone(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"format": 2, "lessons": {}}')

    with pytest.raises(ContlabError, match="newer contlab"):
        Progress(path)
    assert '{"format": 2, "lessons": {}}' == path.read_text()


def test_a_folder_that_can_not_be_made_is_said(lesson: Lesson, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ContlabError, match=r"can't (read|save) your progress"):
        Progress(tmp_path / "file" / "progress.json").finish(lesson, "first-step", (), WHEN)


def test_a_failed_write_leaves_the_old_file(lesson: Lesson, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    progress = Progress(path)
    progress.finish(lesson, "first-step", (), WHEN)
    before = path.read_bytes()

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ContlabError, match="No space left"):
        progress.finish(lesson, "second-step", (), WHEN)

    assert before == path.read_bytes()
    assert ["progress.json"] == [entry.name for entry in path.parent.iterdir() if not entry.name.endswith(".lock")]


def test_two_contlabs_at_once_lose_nothing(lesson: Lesson, path: Path) -> None:
    slugs = [f"step-{number}" for number in range(12)]
    threads = [
        threading.Thread(target=lambda slug=slug: Progress(path).finish(lesson, slug, (), WHEN)) for slug in slugs
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(slugs) == set(Progress(path).record.lessons["small/lesson"])
