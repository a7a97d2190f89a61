"""What the tests of the lab share: a lesson of two steps, and recordings made by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from contlab.course.lesson import Check, Container, Expect, Lesson, Predict, Prose, Run, Step
from contlab.lab.record import Entry, Item, Opened
from contlab.observe.trace import TraceHeader, TraceWriter
from contlab.runtime.spec import ContainerSpec


@pytest.fixture
def lesson() -> Lesson:
    """Step "First" asks, runs "look" and expects; step "Second" runs "again" and expects nothing."""
    box = Container("box", ContainerSpec(), line=3)
    alive = Check("box.alive", "eq", True, line=21)
    printed = Check("look.output", "contains", "box", line=22)
    asked = Predict(
        "Who is it?",
        ("box", "host"),
        (Check("look.output", "eq", "box", line=11), Check("look.output", "eq", "host", line=12)),
        "It has a name of its own.",
        line=10,
    )
    first = (Prose("Look.", 2), box, asked, Run("look", "box", "hostname", line=15), Expect((alive, printed), line=20))
    second = (Prose("Again.", 30), Run("again", "box", "hostname", line=31))
    steps = (Step("First", "first", 1, first), Step("Second", "second", 29, second))
    return Lesson(id="test/two", title="Two", path=Path("two.md"), track="test", minutes=1, steps=steps)


@pytest.fixture
def recording(tmp_path: Path, lesson: Lesson) -> Callable[..., Path]:
    """Writes the items of a recording, one second apart, and gives its file."""

    def write(*items: Item, of: str = lesson.id) -> Path:
        file = tmp_path / "recording.jsonl"
        with TraceWriter(file, TraceHeader(kernel="6.1.0", recorded="2025-01-01T00:00:00+00:00", subject=of)) as trace:
            for second, item in enumerate((Opened(of, "6.1.0", "there"), *items)):
                trace.write(Entry(float(second), item))
        return file

    return write


@pytest.fixture
def cut() -> Callable[[Path, int], Path]:
    """Takes the last bytes of a file away."""

    def shorten(file: Path, by: int) -> Path:
        file.write_bytes(file.read_bytes()[:-by])
        return file

    return shorten


@pytest.fixture
def lines() -> Callable[[Path], list[Item]]:
    """The items that a recording holds."""

    def read(file: Path) -> list[Item]:
        return [msgspec.json.decode(line, type=Entry).item for line in file.read_bytes().splitlines()[1:]]

    return read
