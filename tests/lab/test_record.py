"""Recording: what is written, in which order, and what is left out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from contlab.course.facts import RunResult
from contlab.course.lesson import Lesson
from contlab.errors import TraceError
from contlab.lab.protocol import Happened, Output, Sampled, Trouble
from contlab.lab.record import Began, Entered, Entry, Finished, Item, Looked, Opened, Recorder, Settled, told
from contlab.observe.snapshot import PidView, Snapshot, Unavailable
from contlab.observe.trace import read_header
from contlab.runtime.events import Exited

RESULT = RunResult("look", "box", 0, None, "box\n", 0.1)
ALL: tuple[Item, ...] = (
    Opened("test/two", "6.1.0", "there"),
    Entered("first"),
    Happened(Exited(container="box", at=1.0, pid=7, exit_code=3)),
    Sampled({"box": Snapshot(target="box", at=1.0, network=Unavailable("not here"))}),
    Settled(),
    Began("look"),
    Output("look", "[kthreadd] [/] \x1b[31mx\n"),
    Trouble("gone", "Start again."),
    Finished(RESULT),
    Looked(),
)


def sampled(at: float, *pids: int) -> Sampled:
    views = tuple(PidView(pid=pid, inside=pid, ppid=0, comm="sh", state="S") for pid in pids)
    return Sampled({"box": Snapshot(target="box", at=at, processes=views)})


def test_every_kind_of_item_is_read_as_it_was_written(
    tmp_path: Path, lesson: Lesson, lines: Callable[[Path], list[Item]]
) -> None:
    recorder = Recorder(tmp_path / "file", lesson, "6.1.0")
    for item in ALL:
        recorder.write(item)
    recorder.close()

    assert list(ALL) == lines(tmp_path / "file")
    header = read_header(tmp_path / "file")
    assert ("6.1.0", "test/two") == (header.kernel, header.subject)


def test_a_sample_that_shows_nothing_new_is_left_out_and_the_rest_stays_in_order(
    tmp_path: Path, lesson: Lesson, lines: Callable[[Path], list[Item]]
) -> None:
    recorder = Recorder(tmp_path / "file", lesson)
    for item in (sampled(1, 7), sampled(2, 7), Looked(), sampled(3, 7, 8), sampled(4, 7), sampled(5, 7), Sampled({})):
        recorder.write(item)
    recorder.close()

    assert [sampled(1, 7), Looked(), sampled(3, 7, 8), sampled(4, 7), Sampled({})] == lines(tmp_path / "file")


def test_the_time_of_an_entry_never_goes_back(tmp_path: Path, lesson: Lesson) -> None:
    import msgspec

    recorder = Recorder(tmp_path / "file", lesson)
    for _ in range(100):
        recorder.write(Looked())
    recorder.close()

    times = [msgspec.json.decode(line, type=Entry).at for line in (tmp_path / "file").read_bytes().splitlines()[1:]]
    assert sorted(times) == times
    assert times[0] >= 0


def test_each_entry_is_on_disk_before_the_next_one_comes(
    tmp_path: Path, lesson: Lesson, lines: Callable[[Path], list[Item]]
) -> None:
    recorder = Recorder(tmp_path / "file", lesson)
    recorder.write(Entered("first"))

    assert [Entered("first")] == lines(tmp_path / "file")
    recorder.close()


def test_without_a_file_nothing_is_recorded(lesson: Lesson) -> None:
    recorder = Recorder(None, lesson)
    recorder.write(Looked())
    recorder.close()


def test_a_file_that_can_t_be_made_is_an_error_with_a_hint(tmp_path: Path, lesson: Lesson) -> None:
    with pytest.raises(TraceError, match="No such file or directory") as caught:
        Recorder(tmp_path / "no" / "folder" / "file", lesson)
    assert caught.value.hint


def test_only_what_the_lab_told_is_news() -> None:
    news = [told(item) for item in ALL]

    assert [None, None, ALL[2], ALL[3], None, None, ALL[6], ALL[7], None, None] == news
