"""What the screen's tests share: an app with a fake lab, the text it draws, and a wait without sleeping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from textual.app import App
from textual.pilot import Pilot

from contlab.course.catalogue import Entry, Track
from contlab.course.lesson import Lesson
from contlab.course.progress import Progress
from contlab.tui.app import ContlabApp
from contlab.tui.course import Course
from contlab.tui.player import Player
from contlab.tui.screens.compare import Comparing
from contlab.tui.screens.learn import LearnScreen
from contlab.vm.row import Row
from tests.tui.fake_lab import FakeLab, lesson

Play = Callable[..., AbstractAsyncContextManager["Stage"]]

ROWS = (
    Row(
        key="boot",
        label="request to first process",
        vm="260 ms",
        container="17 ms",
        value=260.0,
        unit="ms",
        source="NSDI'20 data",
        year="2020",
        conditions="one m5d.metal server",
        explanation="A kernel has to boot.",
    ),
)


class Stage:
    """A running app, its lab, and what can be asked of them."""

    def __init__(self, app: ContlabApp, pilot: Pilot[None], lab: FakeLab) -> None:
        self.app, self.pilot, self.lab = app, pilot, lab

    @property
    def screen(self) -> LearnScreen:
        """The lesson's screen, also while a modal lies over it."""
        return next(screen for screen in self.app.screen_stack if isinstance(screen, LearnScreen))

    @property
    def player(self) -> Player:
        """What drives the session and the lab."""
        return self.screen.player

    async def press(self, *keys: str) -> None:
        """Press keys, each one's work being finished before the next."""
        for key in keys:
            await self.pilot.press(key)
            await self.settle()

    async def settle(self) -> None:
        """Until no act runs and everything that was said has been drawn."""
        ours = ("play", "interrupt", "save")
        acts = [worker for worker in self.app.workers if worker.group in ours and not worker.is_finished]
        if acts and not self.lab.hold:
            await self.app.workers.wait_for_complete(acts)
        await settle(self.pilot)

    def drawn(self) -> str:
        """The characters on the screen."""
        return drawn(self.app)


async def settle(pilot: Pilot[None]) -> None:
    """Until messages are handled, the screen is drawn, what was put off until then is done, and that is drawn."""
    for _ in range(3):
        await pilot.pause()


async def until(pilot: Pilot[None], holds: Callable[[], bool]) -> None:
    """Until it holds; what takes longer than a few rounds of messages, such as the palette's search."""
    async with asyncio.timeout(30):
        while not holds():
            await pilot.pause(0.02)


def drawn(app: App[None]) -> str:
    """The characters on an app's screen."""
    return "\n".join(strip.text for strip in app.screen._compositor.render_strips())


def app_with(
    lab: FakeLab, progress: Progress, *lessons: Lesson, first: bool = True, comparing: Comparing | None = None
) -> ContlabApp:
    """An app that plays ``lessons`` (by default the fake one) in ``lab``."""
    shelf = {each.path: each for each in lessons or (lesson(),)}

    def tracks() -> tuple[Track, ...]:
        entries = tuple(Entry(each.path, each.id, each.title, each.minutes, each.path.stem) for each in shelf.values())
        return (Track("why-containers", "Why containers", "", 1, entries),)

    async def open_lab(_: Lesson) -> FakeLab:
        return lab

    course = Course(tracks, shelf.__getitem__, open_lab, progress, ROWS)
    return ContlabApp(course, next(iter(shelf.values())) if first else None, comparing=comparing)


@pytest.fixture
def progress(tmp_path: Path) -> Progress:
    """A learner who has done nothing yet."""
    return Progress(tmp_path / "progress.json")


@pytest.fixture
def play(progress: Progress) -> Play:
    """``async with play(size=(120, 40)) as stage``: the first step is open and settled."""

    @asynccontextmanager
    async def opened(
        lab: FakeLab | None = None, size: tuple[int, int] = (120, 40), lessons: tuple[Lesson, ...] = ()
    ) -> AsyncIterator[Stage]:
        lab = lab or FakeLab()
        app = app_with(lab, progress, *lessons)
        async with app.run_test(size=size) as pilot:
            stage = Stage(app, pilot, lab)
            await stage.settle()
            yield stage

    return opened
