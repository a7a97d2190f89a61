"""ReplayLab: a recording that answers as the lab did. Nothing is made on this host; screens stamp it RECORDED."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from contlab.course.facts import FactContext, RunResult
from contlab.course.lesson import Lesson, Run, Step
from contlab.errors import TraceError
from contlab.lab.protocol import News, Sampled
from contlab.lab.record import Began, Entered, Entry, Finished, Opened, decoder, told
from contlab.observe.snapshot import Snapshot
from contlab.observe.trace import read_trace

LONGEST_PAUSE = 1.0
"""Seconds: a recording's longer pauses (somebody was reading) are cut to this."""


class ReplayLab:
    """Fulfils ``protocol.Lab`` from a recording."""

    recorded = True

    def __init__(self, path: Path, lesson: Lesson, speed: float = 1.0) -> None:
        """Read it all; TraceError when it is damaged or of another lesson. ``speed`` 0 waits for nothing."""
        self._path = path
        self._entries: list[Entry] = list(read_trace(path, decoder))
        self._speed = speed
        self._at = 0
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
        """Go to where the step was entered, and play until its first run."""
        for place, entry in enumerate(self._entries):
            if entry.item == Entered(step.slug):
                self._at = place + 1
                await self._play()
                return
        raise self._lacks(f"the step “{step.title}”")

    async def run(self, run: Run) -> RunResult:
        """Play what happened while it ran."""
        for place in range(self._at, len(self._entries)):
            item = self._entries[place].item
            if isinstance(item, Entered):
                break
            if item == Began(run.name):
                self._at = place + 1
                await self._play()
                finished = self._entries[self._at].item if self._at < len(self._entries) else None
                if not isinstance(finished, Finished):
                    break
                self._at += 1
                self._results[run.name] = finished.result
                await self._play()
                return finished.result
        raise self._lacks(f"the run {run.name}")

    async def facts(self) -> FactContext:
        """As they were then."""
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

    async def _play(self) -> None:
        """Tell what follows, up to the next mark."""
        self._stop.clear()
        last = self._entries[self._at - 1].at
        while self._at < len(self._entries) and (item := told(self._entries[self._at].item)) is not None:
            await self._pause(self._entries[self._at].at - last)
            last = self._entries[self._at].at
            if isinstance(item, Sampled):
                self._snapshots = item.snapshots
            self._queue.put_nowait(item)
            self._at += 1

    async def _pause(self, seconds: float) -> None:
        if self._speed and seconds > 0:
            try:
                await asyncio.wait_for(self._stop.wait(), min(seconds, LONGEST_PAUSE) / self._speed)
            except TimeoutError:
                return

    def _lacks(self, what: str) -> TraceError:
        return TraceError(
            f"{self._path} does not hold {what}: the lesson has changed since, or the recording stopped before it",
            f"Record anew: contlab run {self._opened.lesson} --record FILE",
        )
