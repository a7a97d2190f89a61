"""contlab replay: a recording as lines. On the screen it is tested in tests/tui."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from contlab.cli import main
from contlab.course.facts import RunResult
from contlab.errors import ExitCode
from contlab.lab.protocol import Happened, Output, Sampled, Trouble
from contlab.lab.record import Began, Entered, Entry, Finished, Looked, Opened, Settled
from contlab.observe.trace import TraceHeader, TraceWriter
from contlab.runtime.events import Exited, OperationDone, Started

Contlab = Callable[..., tuple[int, str, str]]
ITEMS = (
    Opened("test/walls", "6.1.0", "there"),
    Entered("apart"),
    Happened(
        OperationDone(
            container="box", at=1.0, index=0, operation="MakeCgroup", describe="make \x1b[31mit", shell="", side="host",
            microseconds=840.0,
        )
    ),
    Happened(Started(container="box", at=2.0, pid=77, ready_us=1400.0)),
    Settled(),
    Began("look"),
    Output("look", "one\n\x07two\n"),
    Sampled({}),
    Finished(RunResult("look", "box", 3, None, "one\ntwo\n", 0.1)),
    Looked(),
    Happened(Exited(container="box", at=3.0, pid=77, signal=9)),
    Trouble("the supervisor is gone"),
)  # fmt: skip
TEXT = """\
test/walls, recorded 2025-01-01T00:00:00+00:00 on Linux 6.1.0
    0.50 s  # apart
    1.00 s    box: make \\x1b[31mit  (840 µs)
    1.50 s    box: runs, process 77, 1.4 ms
    2.50 s  $ look
    3.00 s    one
    3.00 s    \\x07two
    4.00 s  = look: exit 3
    5.00 s    box: process 77 ended, status 137
    5.50 s  ! the supervisor is gone
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    header = TraceHeader(kernel="6.1.0", recorded="2025-01-01T00:00:00+00:00", subject="test/walls")
    with TraceWriter(tmp_path / "trace", header) as trace:
        for place, item in enumerate(ITEMS):
            trace.write(Entry(place / 2, item))
    return tmp_path / "trace"


@pytest.fixture
def contlab(capsys: pytest.CaptureFixture[str]) -> Contlab:
    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main.main([str(argument) for argument in arguments])
        assert isinstance(end.value.code, int)
        return end.value.code, *capsys.readouterr()

    return run


@pytest.mark.parametrize("options", [[], ["--text"]])
def test_on_a_pipe_or_when_asked_each_thing_that_happened_is_a_line(
    contlab: Contlab, file: Path, options: list[str]
) -> None:
    assert (0, TEXT, "") == contlab("replay", *options, file)


def test_json_is_the_recording_s_entries_as_they_are(contlab: Contlab, file: Path) -> None:
    code, out, err = contlab("replay", "--json", file)

    assert (0, "") == (code, err)
    assert [json.loads(line) for line in file.read_text().splitlines()[1:]] == [
        json.loads(line) for line in out.splitlines()
    ]


def test_a_truncated_recording_is_played_to_where_it_ends_and_the_line_is_named(contlab: Contlab, file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-9])

    code, out, err = contlab("replay", file)

    assert ExitCode.TRACE == code
    assert "".join(TEXT.splitlines(keepends=True)[:-1]) == out
    assert f"contlab: {file} is cut off: line {len(ITEMS) + 1} ends in the middle\n" == err.splitlines(keepends=True)[0]
    assert err.splitlines()[1].startswith("  ")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is no recording: it is empty"),
        (b"hello\n", "is no recording: line 1"),
        (b'{"format":"other","version":1}\n', "line 1 says format 'other'"),
        (b'{"format":"contlab-trace","version":99}\n', "was recorded by a newer contlab"),
    ],
)
def test_what_is_no_recording_is_told_with_the_code_of_recordings(
    contlab: Contlab, tmp_path: Path, content: bytes, reason: str
) -> None:
    (tmp_path / "x").write_bytes(content)

    code, out, err = contlab("replay", tmp_path / "x")

    assert (ExitCode.TRACE, "") == (code, out)
    assert reason in err
    assert 2 == len(err.splitlines())


def test_a_file_that_is_not_there_is_told(contlab: Contlab, tmp_path: Path) -> None:
    code, _, err = contlab("replay", tmp_path / "nowhere")

    assert ExitCode.TRACE == code
    assert "No such file or directory" in err


def test_a_negative_speed_is_refused(contlab: Contlab, file: Path) -> None:
    code, _, err = contlab("replay", "--speed", "-1", file)

    assert ExitCode.USAGE == code
    assert "--speed" in err


def test_help_says_how_a_recording_that_was_cut_off_ends(contlab: Contlab) -> None:
    code, out, _ = contlab("replay", "--help")

    assert 0 == code
    assert [] == [word for word in ("--json", "--text", "--speed", "66") if word not in out]
