"""A Review screen over a vault in a temporary folder, with a fake lab."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from pathlib import Path

import msgspec
from textual.pilot import Pilot

from contlab.course.progress import Progress
from contlab.review.desk import Desk
from contlab.review.links import Lessons
from contlab.review.session import Caps
from contlab.review.vault import open_vault
from contlab.tui.app import ContlabApp
from contlab.tui.course import Course
from contlab.tui.reviewing import Reviewing
from contlab.tui.screens.review import ReviewScreen
from tests.tui.conftest import drawn, settle
from tests.tui.fake_lab import FakeLab, lesson

USERS_NOTE = (Path(__file__).parents[1] / "data" / "review" / "why-containers.md").read_bytes()
RATED = USERS_NOTE.replace(b"2026-04-25", b"2031-10-21").replace(b"611", b"1793")
LATE = date(2026, 11, 23)
LESSON = msgspec.structs.replace(lesson(), notes=("Containers",), title="Being PID 1 [/] x")


def desk_of(root: Path | None, log: Path) -> Desk:
    return Desk(open_vault(root) if root else None, lambda deck: None, Lessons([LESSON]), on=LATE, log=log)


class ReviewStage:
    """The app, its pilot, its lab and its vault."""

    def __init__(self, root: Path | None, log: Path, lab: FakeLab | None = None, caps: Caps = Caps()) -> None:  # noqa: B008
        self.root, self.log, self.lab = root, log, lab or FakeLab()
        self.opened = 0

        async def open_lab(_: object) -> FakeLab:
            self.opened += 1
            return self.lab

        course = Course(lambda: (), lambda path: LESSON, open_lab, Progress(log.with_name("progress.json")))
        reviewing = Reviewing(desk_of(root, log), {LESSON.id: LESSON}, caps)
        self.app = ContlabApp(course, None, lambda: reviewing, review_first=True)
        self.pilot: Pilot[None]

    @asynccontextmanager
    async def running(self, size: tuple[int, int] = (120, 40)) -> AsyncIterator[ReviewStage]:
        async with self.app.run_test(size=size) as self.pilot:
            await self.settle()
            yield self

    @property
    def screen(self) -> ReviewScreen:
        return next(screen for screen in self.app.screen_stack if isinstance(screen, ReviewScreen))

    async def settle(self) -> None:
        for _ in range(2):
            await settle(self.pilot)
            groups = ("play", "look") if self.lab.hold else ("play", "look", "live")
            acts = [worker for worker in self.app.workers if worker.group in groups and not worker.is_finished]
            if acts:
                await self.app.workers.wait_for_complete(acts)
            await settle(self.pilot)

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.pilot.press(key)
            await self.settle()

    def drawn(self) -> str:
        return drawn(self.app)

    @property
    def note(self) -> Path:
        assert self.root is not None
        return self.root / "Why containers.md"


def make_vault(root: Path, **notes: str) -> Path:
    """The user's note, and others."""
    (root / ".obsidian").mkdir(parents=True)
    (root / "Why containers.md").write_bytes(USERS_NOTE)
    for name, text in notes.items():
        (root / f"{name}.md").write_text(text)
    return root
