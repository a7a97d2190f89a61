from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path

from contlab.course.catalogue import Entry, Track
from contlab.course.progress import Progress
from contlab.errors import LessonError
from contlab.lab.compare import Comparison, Measuring
from contlab.tui.app import ContlabApp
from contlab.tui.course import Course
from contlab.tui.screens.compare import CompareScreen
from contlab.tui.screens.error import ErrorScreen
from contlab.tui.screens.home import HomeScreen
from contlab.tui.screens.learn import LearnScreen
from tests.tui.conftest import app_with, drawn, settle, until
from tests.tui.fake_lab import FakeLab, lesson


async def endless(ended: list[bool]) -> AsyncGenerator[Measuring | Comparison, None]:
    """A comparison that measures until it is stopped."""
    try:
        yield Measuring(1, 2, "boot 1 of 5")
        await asyncio.Event().wait()
    finally:
        ended.append(True)


async def test_lessons_are_listed_with_how_far_one_has_come(progress: Progress) -> None:
    progress.finish(lesson(), "own-pids", (), "2026-01-01T00:00:00+00:00")
    app = app_with(FakeLab(), progress, first=False)
    async with app.run_test(size=(120, 30)) as pilot:
        await settle(pilot)
        text = drawn(app)

    assert "◐ Being PID 1" in text
    assert "■□□  12 min" in text
    assert "✓ Its own PIDs" in text
    assert "• find what still leaks" in text
    assert "Press Enter to go on" in text


async def test_enter_opens_the_lesson_and_progress_shows_on_the_way_back(progress: Progress) -> None:
    lab = FakeLab()
    app = app_with(lab, progress, first=False)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert "□□□" in drawn(app)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, LearnScreen)
        for key in ("enter", "2", "r", "l"):
            await pilot.press(key)
            await settle(pilot)
        assert lab.closed
        assert "■□□" in drawn(app)


async def test_a_lesson_that_needs_mending_says_what_is_wrong(progress: Progress) -> None:
    path = Path("broken.md")
    track = Track("t", "A track", "", 1, (Entry(path, "t/broken", "Broken", 5, "broken", 1),))

    def refuse(_: Path) -> object:
        raise LessonError("broken.md:7: unknown word 'mont'", "Did you mean 'mount'?")

    app = ContlabApp(Course(lambda: (track,), refuse, lambda _: FakeLab(), progress))  # type: ignore[arg-type]
    async with app.run_test(size=(120, 30)) as pilot:
        await settle(pilot)
        assert "✗ Broken" in drawn(app)
        assert "unknown word 'mont'" in drawn(app)
        await pilot.press("enter")
        await settle(pilot)
        assert isinstance(app.screen, ErrorScreen)
        assert "→ Did you mean 'mount'?" in drawn(app)


async def test_without_lessons_the_list_says_what_to_do(progress: Progress) -> None:
    app = ContlabApp(Course(lambda: (), lambda _: lesson(), lambda _: FakeLab(), progress))  # type: ignore[arg-type]
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        assert "No lessons were found." in drawn(app)
        await pilot.press("enter")
        await settle(pilot)
        assert "No lessons were found." in drawn(app)


async def test_a_damaged_progress_file_is_told_not_lost(tmp_path: Path) -> None:
    (tmp_path / "progress.json").write_text("{")
    app = app_with(FakeLab(), Progress(tmp_path / "progress.json"), first=False)
    async with app.run_test(size=(120, 30)) as pilot:
        await settle(pilot)
        assert "It is kept as" in " ".join(drawn(app).split())


async def test_the_comparison_opens_from_the_list_by_key_and_palette_and_one_comes_back_to_the_list(
    progress: Progress,
) -> None:
    ended: list[bool] = []
    app = app_with(FakeLab(), progress, first=False, comparing=partial(endless, ended))
    async with app.run_test(size=(120, 30)) as pilot:
        await settle(pilot)
        assert "c Compare" in drawn(app)
        before = drawn(app)
        await pilot.press("c")
        await settle(pilot)
        assert isinstance(app.screen, CompareScreen)
        assert "boot 1 of 5" in drawn(app)
        await pilot.press("q")
        await settle(pilot)
        assert before == drawn(app)
        await pilot.press("ctrl+p", *"compare")
        await until(pilot, lambda: "side by side" in drawn(app))
        await pilot.press("enter", "enter")
        await until(pilot, lambda: isinstance(app.screen, CompareScreen))
        await pilot.press("ctrl+c")
        await settle(pilot)
        assert isinstance(app.screen, HomeScreen)
    assert [True, True] == ended


async def test_leaving_contlab_ends_what_is_being_measured(progress: Progress) -> None:
    ended: list[bool] = []
    app = app_with(FakeLab(), progress, first=False, comparing=partial(endless, ended))
    async with app.run_test(size=(120, 30)) as pilot:
        await settle(pilot)
        await pilot.press("c")
        await settle(pilot)
        await app.action_quit()  # as SIGTERM does
        await settle(pilot)
        assert [True] == ended


async def test_where_nothing_can_be_compared_no_key_says_it_can(progress: Progress) -> None:
    app = app_with(FakeLab(), progress, first=False)
    async with app.run_test(size=(120, 30)) as pilot:
        await settle(pilot)
        assert "Compare" not in drawn(app)
        await pilot.press("c")
        assert isinstance(app.screen, HomeScreen)
