"""Recording a lab: everything it tells and every answer it gives, in order, so that it can be played again.

::

    Opened (call | told)*          call: Entered told* Settled | Began told* Finished | Looked
                                   told: Output | Sampled | Happened | Trouble
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from contlab import __version__
from contlab.course.facts import RunResult
from contlab.course.lesson import Lesson
from contlab.lab.protocol import Happened, News, Output, Sampled, Trouble
from contlab.observe.share import same
from contlab.observe.snapshot import Snapshot
from contlab.observe.trace import TraceHeader, TraceWriter


class Opened(msgspec.Struct, frozen=True, tag="opened"):
    """The lab stands."""

    lesson: str
    """Its id."""
    host_kernel: str
    host_hostname: str


class Entered(msgspec.Struct, frozen=True, tag="entered"):
    """A step is being opened; what follows belongs to it."""

    step: str
    """Its slug."""


class Settled(msgspec.Struct, frozen=True, tag="settled"):
    """Its containers run. What is told from here on happened while nobody asked for anything."""


class Began(msgspec.Struct, frozen=True, tag="began"):
    """A run begins."""

    run: str


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """It ended."""

    result: RunResult


class Looked(msgspec.Struct, frozen=True, tag="looked"):
    """The facts were asked for: they are those of the last sample."""


Item = Opened | Entered | Settled | Began | Finished | Looked | Output | Sampled | Happened | Trouble


class Entry(msgspec.Struct, frozen=True):
    """One line of the file."""

    at: float
    """Seconds since the lab was opened."""
    item: Item


decoder: msgspec.json.Decoder[Entry] = msgspec.json.Decoder(Entry)


class Recorder:
    """Writes entries to a file; without one, nowhere."""

    def __init__(self, path: Path | None, lesson: Lesson, kernel: str = "") -> None:
        self._begun = time.monotonic()
        self._last: dict[str, Snapshot] = {}
        self._writer: TraceWriter | None = None
        if path is not None:
            recorded = datetime.now(UTC).isoformat(timespec="seconds")
            header = TraceHeader(contlab=__version__, kernel=kernel, recorded=recorded, subject=lesson.id)
            self._writer = TraceWriter(path, header)

    def write(self, item: Item) -> None:
        """One entry; a sample that shows nothing new is left out."""
        if self._writer is None or (isinstance(item, Sampled) and not self._is_new(item)):
            return
        self._writer.write(Entry(round(time.monotonic() - self._begun, 3), item))

    def close(self) -> None:
        """The file is whole."""
        if self._writer is not None:
            self._writer.close()

    def _is_new(self, sampled: Sampled) -> bool:
        last, self._last = self._last, sampled.snapshots
        return not same(last, sampled.snapshots)


def told(item: Item) -> News | None:
    """The item as news; None when it is a mark of the recorder's own."""
    return item if isinstance(item, Output | Sampled | Happened | Trouble) else None
