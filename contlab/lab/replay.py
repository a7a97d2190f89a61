"""ReplayLab: a recording that answers as the lab did. Nothing is made on this host; screens stamp it RECORDED."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from contlab.course.facts import FactContext, RunResult
from contlab.course.lesson import Lesson, Run, Step
from contlab.errors import TraceError
from contlab.lab.protocol import News, Sampled
from contlab.lab.record import Began, Entered, Entry, Finished, Item, Looked, Opened, Settled, decoder, told
from contlab.observe.snapshot import Snapshot
from contlab.observe.trace import read_trace

LONGEST_PAUSE = 1.0
"""Seconds: a recording's longer pauses are cut to this. What happened between two calls takes no time at all."""


class ReplayLab:
    """Fulfils ``protocol.Lab`` from a recording."""

    recorded = True

    def __init__(self, path: Path, lesson: Lesson, speed: float = 1.0) -> None:
        """Read it all; TraceError when it is no recording of this lesson. ``speed`` 0 waits for nothing.

        One that is damaged answers until the damage, and then says what it is.
        """
        self._path = path
        self._entries: list[Entry] = []
        self._damage: TraceError | None = None
        try:
            self._entries.extend(read_trace(path, decoder))
        except TraceError as error:
            if not self._entries:
                raise
            self._damage = error
        self._speed = speed
        self._at = 1
        """The entry that comes next."""
        self._snapshots: dict[str, Snapshot] = {}
        self._results: dict[str, RunResult] = {}
        self._queue: asyncio.Queue[News | None] = asyncio.Queue()
        self._stop = asyncio.Event()
        opened = self._entries[0].item if self._entries else None
        if not isinstance(opened, Opened):
            raise TraceError(f"{path} is not a recording of a lesson", "Record one: contlab run LESSON --record FILE")
        if opened.lesson != lesson.id:
            raise TraceError(
                f"{path} is a recording of {opened.lesson}, not of {lesson.id}",
                f"Play it with that lesson, or record anew: contlab run {lesson.id} --record FILE",
            )
        self._opened = opened

    async def enter(self, step: Step) -> None:
        """Play how the step was opened."""
        entered = Entered(step.slug)
        for place in (*range(self._at, len(self._entries)), *range(1, self._at)):
            if self._entries[place].item == entered:
                self._at = place + 1
                await self._play()
                if self._next() == Settled():
                    self._at += 1
                return
        raise self._lacks(f"the step “{step.title}”")

    async def run(self, run: Run) -> RunResult:
        """Play what happened while it ran."""
        for place in range(self._at, len(self._entries)):
            item = self._entries[place].item
            if isinstance(item, Entered):
                break
            if item == Began(run.name):
                self._catch_up(place)
                self._at += 1
                await self._play()
                if not isinstance(finished := self._next(), Finished):
                    break
                self._at += 1
                self._results[run.name] = finished.result
                return finished.result
        raise self._lacks(f"the run {run.name}")

    async def facts(self) -> FactContext:
        """As they were when they were asked for then."""
        for place in range(self._at, len(self._entries)):
            item = self._entries[place].item
            if told(item) is None:
                if isinstance(item, Looked):
                    self._catch_up(place)
                    self._at += 1
                break
        return FactContext(
            snapshots=dict(self._snapshots),
            runs=dict(self._results),
            host_kernel=self._opened.host_kernel,
            host_hostname=self._opened.host_hostname,
        )

    async def news(self) -> AsyncIterator[News]:
        """What was told then, at the pace of then."""
        while (item := await self._queue.get()) is not None:
            yield item

    async def interrupt(self) -> None:
        """Skip to the end of the run."""
        self._stop.set()

    async def close(self) -> None:
        """Nothing to end."""
        self._stop.set()
        self._queue.put_nowait(None)

    def _next(self) -> Item | None:
        return self._entries[self._at].item if self._at < len(self._entries) else None

    async def _play(self) -> None:
        """Tell what follows, up to the next mark, at the pace of then."""
        self._stop.clear()
        while (item := self._next()) is not None and (news := told(item)) is not None:
            await self._pause(self._entries[self._at].at - self._entries[self._at - 1].at)
            self._tell(news)
            self._at += 1

    def _catch_up(self, place: int) -> None:
        """Tell at once what happened up to ``place`` while nobody asked for anything."""
        for entry in self._entries[self._at : place]:
            if (news := told(entry.item)) is not None:
                self._tell(news)
        self._at = place

    def _tell(self, news: News) -> None:
        if isinstance(news, Sampled):
            self._snapshots = news.snapshots
        self._queue.put_nowait(news)

    async def _pause(self, seconds: float) -> None:
        if self._speed and seconds > 0:
            try:
                await asyncio.wait_for(self._stop.wait(), min(seconds, LONGEST_PAUSE) / self._speed)
            except TimeoutError:
                return

    def _lacks(self, what: str) -> TraceError:
        return self._damage or TraceError(
            f"{self._path} does not hold {what}: the lesson has changed since, or the recording stopped before it",
            f"Record anew: contlab run {self._opened.lesson} --record FILE",
        )
