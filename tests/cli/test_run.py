"""contlab run: what it prints and how it ends, by a recording made by hand. tests/live has the kernel answer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from contlab.cli import main
from contlab.course.facts import RunResult
from contlab.errors import ExitCode
from contlab.lab.protocol import Sampled
from contlab.lab.record import Began, Entered, Entry, Finished, Item, Looked, Opened, Settled
from contlab.observe.snapshot import CgroupSample, MemorySample, NamespaceLink, NamespaceSet, PidView, Snapshot
from contlab.observe.snapshot import Unavailable as No
from contlab.observe.trace import TraceHeader, TraceWriter

Contlab = Callable[..., tuple[int, str, str]]
ESCAPE = "\x1b]0;title\x07"


def look(output: str = f"inside\n{ESCAPE}unreachable\n", timed_out: bool = False) -> RunResult:
    return RunResult("look", "box", 137 if timed_out else 0, 9 if timed_out else None, output, 0.25, timed_out)


def box(hostname: str, own_pid: bool = True) -> Sampled:
    """The container as it is seen after a step of walls.md."""
    memory = MemorySample(4096, 32 << 20, *[No("not read")] * 6)
    process = PidView(pid=77, inside=1 if own_pid else 77, ppid=1, comm="sh", state="S")
    one = Snapshot(
        target="box",
        at=1.0,
        processes=(process,),
        namespaces=NamespaceSet((NamespaceLink("pid", 5, own_pid),), hostname=hostname),
        cgroup=CgroupSample("v2", "/sys/fs/cgroup/x", memory, No("not read"), No("not read")),
    )
    return Sampled({"box": one})


def items(result: RunResult, own_pid: bool = True) -> tuple[Item, ...]:
    """A recording of walls.md."""
    first = (Entered("apart"), Settled(), Began("look"), Finished(result), box("inside", own_pid), Looked(), Looked())
    name = RunResult("name", "box", 3, None, "elsewhere\n", 0.01)
    second = (Entered("again"), Settled(), Began("name"), Finished(name), box("elsewhere"), Looked())
    return (Opened("test/walls", "6.1.0", "there"), Sampled({}), Looked(), *first, *second)


@pytest.fixture
def recording(tmp_path: Path) -> Callable[..., Path]:
    def write(*entries: Item) -> Path:
        with TraceWriter(tmp_path / "trace", TraceHeader(subject="test/walls")) as trace:
            for entry in entries:
                trace.write(Entry(0.0, entry))
        return tmp_path / "trace"

    return write


@pytest.fixture
def walls(checkout: Path) -> Path:
    return checkout / "tests/data/lessons/walls.md"


@pytest.fixture
def contlab(capsys: pytest.CaptureFixture[str]) -> Contlab:
    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main.main([str(argument) for argument in arguments])
        assert isinstance(end.value.code, int)
        return end.value.code, *capsys.readouterr()

    return run


def line_of(path: Path, text: str) -> int:
    return next(number for number, line in enumerate(path.read_text().splitlines(), 1) if text in line)


def test_a_lesson_whose_facts_all_hold_is_printed_and_ends_with_0(
    contlab: Contlab, walls: Path, recording: Callable[..., Path]
) -> None:
    code, out, err = contlab("run", walls, "--replay", recording(*items(look())))

    assert (0, "") == (code, err)
    assert (
        """\
Walls, for the tests  (test/walls)

1/2  Apart
  box $ hostname; kill -0 $BOX_PID || echo unreachable
      inside
      \\x1b]0;title\\x07unreachable
      (exit 0, 0.25 s)
  ? Which number has its shell inside?
    → 1
  ✓ box.ns.pid.own is its own
  ✓ box.hostname is "inside"
  ✓ box.cgroup.memory.limit is 32 MiB
  ✓ look.output contains "unreachable"

2/2  Again
  box $ hostname; exit 3
      elsewhere
      (exit 3, 0.01 s)
  ✓ box.hostname is "elsewhere"
  ✓ name.exit_code is 3

7 held, 0 failed (from a recording)
"""
        == out
    )


def test_a_fact_that_fails_is_named_with_what_was_seen_and_its_line_and_ends_with_1(
    contlab: Contlab, walls: Path, recording: Callable[..., Path]
) -> None:
    code, out, err = contlab("run", walls, "--replay", recording(*items(look(), own_pid=False)))

    assert (ExitCode.EXPECT_FAILED, "") == (code, err)
    place = line_of(walls, "box.ns.pid.own = true")
    assert f"  ✗ box.ns.pid.own is its own\n      line {place}: seen: the host's\n" in out
    assert "    → The host's\n" in out
    assert out.endswith("6 held, 1 failed (from a recording)\n")


def test_a_prediction_that_no_choice_decides_is_told_with_its_line_and_ends_with_1(
    contlab: Contlab, walls: Path, tmp_path: Path, recording: Callable[..., Path]
) -> None:
    lesson = tmp_path / "walls.md"
    lesson.write_text(walls.read_text().replace("when.box.pids.first = 1\n", "when.box.pids.first = 2\n"))

    code, out, _ = contlab("run", lesson, "--replay", recording(*items(look())))

    assert ExitCode.EXPECT_FAILED == code
    assert f"  ✗ none of the choices came true\n      line {line_of(lesson, '```toml predict')}\n" in out


def test_a_fact_that_was_true_before_the_step_is_told_as_such(
    contlab: Contlab, walls: Path, recording: Callable[..., Path]
) -> None:
    already = tuple(box("inside") if item == Sampled({}) else item for item in items(look()))

    code, out, _ = contlab("run", walls, "--replay", recording(*already))

    assert ExitCode.EXPECT_FAILED == code
    assert '  ✗ box.hostname is "inside"\n' in out
    assert "it held before the step already" in out


def test_a_command_that_came_to_its_time_limit_is_told_as_such_and_long_output_is_cut_in_the_middle(
    contlab: Contlab, walls: Path, recording: Callable[..., Path]
) -> None:
    output = "".join(f"line {number}\n" for number in range(100)) + "unreachable\n"

    _, out, _ = contlab("run", walls, "--replay", recording(*items(look(output, timed_out=True))))

    assert "      line 5\n      ... 89 lines ...\n      line 95\n" in out
    assert "(timed out, 0.25 s)" in out


def test_json_is_one_object_a_line_with_the_documented_fields(
    contlab: Contlab, walls: Path, recording: Callable[..., Path]
) -> None:
    code, out, err = contlab("run", walls, "--json", "--replay", recording(*items(look())))

    rows = [json.loads(line) for line in out.splitlines()]
    assert (0, "") == (code, err)
    kinds = ["step", "run", "prediction", *["expect"] * 4, "step", "run", *["expect"] * 2, "end"]
    assert kinds == [row["kind"] for row in rows]
    documented = {
        "step": "number of title slug",
        "run": "name container command exit_code signal timed_out seconds output",
        "prediction": "question choices right",
        "expect": "claim fact passed seen before held_before line",
        "end": "lesson passed failed recorded",
    }
    assert [] == [(row["kind"], field) for row in rows for field in documented[row["kind"]].split() if field not in row]
    assert {"kind": "end", "lesson": "test/walls", "passed": 7, "failed": 0, "recorded": True} == rows[-1]
    assert look().output == rows[1]["output"]


def test_help_says_what_the_json_holds(contlab: Contlab) -> None:
    code, out, _ = contlab("run", "--help")

    assert 0 == code
    assert [] == [word for word in ("--json", "--record", "--replay", "prediction", "held_before") if word not in out]


# --- what can be wrong --------------------------------------------------------------------------------------------


def test_a_lesson_with_a_wrong_word_names_file_line_and_the_nearest_one(
    contlab: Contlab, walls: Path, tmp_path: Path
) -> None:
    lesson = tmp_path / "walls.md"
    lesson.write_text(walls.read_text().replace("box.ns.pid.own = true", "box.ns.pid.owm = true"))

    code, out, err = contlab("run", lesson)

    assert (ExitCode.LESSON, "") == (code, out)
    assert f"{lesson}:{line_of(lesson, 'owm')}: " in err
    assert "ns.pid.own" in err
    assert "contlab lessons check" in err


def test_a_lesson_that_is_not_there_is_told(contlab: Contlab) -> None:
    code, out, err = contlab("run", "why-containers/three-wals")

    assert (ExitCode.LESSON, "") == (code, out)
    assert "there is no lesson 'why-containers/three-wals'" in err
    assert "Did you mean 'why-containers/three-walls'?" in err


def test_recording_and_replaying_at_once_is_refused(contlab: Contlab, walls: Path) -> None:
    code, _, err = contlab("run", walls, "--record", "a", "--replay", "b")

    assert ExitCode.USAGE == code
    assert "--record and --replay exclude each other" in err


def test_a_truncated_recording_plays_what_is_whole_and_then_names_the_line(
    contlab: Contlab, walls: Path, recording: Callable[..., Path]
) -> None:
    file = recording(*items(look()))
    lines = file.read_bytes().splitlines(keepends=True)
    place = next(place for place, line in enumerate(lines) if b'"again"' in line)
    file.write_bytes(b"".join(lines[: place + 2]) + lines[place + 2][:-9])

    code, out, err = contlab("run", walls, "--replay", file)

    assert ExitCode.TRACE == code
    assert '  ✓ look.output contains "unreachable"\n\n2/2  Again\n' in out
    assert err.startswith(f"contlab: {file} is cut off: line {place + 3} ends in the middle\n  What was recorded")


def test_a_recording_of_another_lesson_is_refused(
    contlab: Contlab, walls: Path, tmp_path: Path, recording: Callable[..., Path]
) -> None:
    lesson = tmp_path / "walls.md"
    lesson.write_text(walls.read_text().replace("id: test/walls", "id: test/others"))

    code, _, err = contlab("run", lesson, "--replay", recording(*items(look())))

    assert ExitCode.TRACE == code
    assert "is a recording of test/walls, not of test/others" in err


def test_escapes_in_a_lesson_are_shown_and_not_obeyed(
    contlab: Contlab, walls: Path, tmp_path: Path, recording: Callable[..., Path]
) -> None:
    lesson = tmp_path / "walls.md"
    lesson.write_text(walls.read_text().replace('question = "Which', 'question = "\\u001b[2JWhich'))

    code, out, _ = contlab("run", lesson, "--replay", recording(*items(look())))

    assert 0 == code
    assert "? \\x1b[2JWhich number" in out
    assert "\x1b" not in out


def test_the_recording_s_own_items_decode(recording: Callable[..., Path]) -> None:
    """The tests above rest on it."""
    lines = recording(*items(look())).read_bytes().splitlines()[1:]

    assert list(items(look())) == [msgspec.json.decode(line, type=Entry).item for line in lines]
