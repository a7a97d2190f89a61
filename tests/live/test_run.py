"""contlab run on a real kernel; and the six failures that people meet first: a reason, an act, an exit code."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from contlab.errors import ExitCode
from tests.live.containers import traces_of

pytestmark = pytest.mark.needs("root", "cgroup-memory", "cgroup-pids", "ns-pid", "pivot_root", "proc")

DEADLINE = 600
"""Seconds within which even an emulated machine has done what a test waits for."""

CONTLAB = (sys.executable, "-m", "contlab")


def contlab(*arguments: object, before: str = "") -> subprocess.CompletedProcess[str]:
    """The real program; ``before``: shell lines run first, in a mount namespace of its own."""
    command = [*CONTLAB, *map(str, arguments)]
    if before:
        command = ["unshare", "--mount", "sh", "-euc", f"{before}\nexec {shlex.join(command)}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE)


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.02)


@pytest.fixture
def walls(checkout: Path) -> Path:
    return checkout / "tests/data/lessons/walls.md"


def without(walls: Path, protection: str, folder: Path) -> Path:
    """A copy of the lesson that lacks one protection."""
    text = walls.read_text()
    assert 1 == text.count(protection)
    (folder / "copy.md").write_text(text.replace(protection, ""))
    return folder / "copy.md"


def line_of(path: Path, text: str) -> int:
    return next(number for number, line in enumerate(path.read_text().splitlines(), 1) if text in line)


def test_a_lesson_whose_every_fact_holds_ends_with_0(walls: Path) -> None:
    done = contlab("run", walls)

    assert (0, "") == (done.returncode, done.stderr)
    assert done.stdout.endswith("\n7 held, 0 failed\n")
    assert "✗" not in done.stdout


@pytest.mark.parametrize(
    ("protection", "fact", "words", "seen"),
    [
        ('"pid", ', "box.ns.pid.own = true", "box.ns.pid.own is its own", "the host's"),
        ('memory = "32M", ', 'box.cgroup.memory.limit = "32M"', "box.cgroup.memory.limit is 32 MiB", "no limit"),
    ],
)
def test_with_one_protection_removed_it_ends_with_1_and_names_the_fact_what_was_seen_and_the_line(
    walls: Path, tmp_path: Path, protection: str, fact: str, words: str, seen: str
) -> None:
    lesson = without(walls, protection, tmp_path)

    done = contlab("run", lesson)

    assert (ExitCode.EXPECT_FAILED, "") == (done.returncode, done.stderr)
    assert f"  ✗ {words}\n      line {line_of(lesson, fact)}: seen: {seen}\n" in done.stdout
    assert not done.stdout.endswith(" 0 failed\n")


def test_a_recorded_run_replayed_gives_the_same_verdicts_and_the_same_output(walls: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    live = contlab("run", walls, "--json", "--record", trace)
    replayed = contlab("run", walls, "--json", "--replay", trace)

    rows = [[json.loads(line) for line in done.stdout.splitlines()] for done in (live, replayed)]
    assert (0, 0) == (live.returncode, replayed.returncode)
    assert [False, True] == [each[-1].pop("recorded") for each in rows]
    assert rows[0] == rows[1]

    text = contlab("replay", trace)
    assert (0, "") == (text.returncode, text.stderr)
    assert [] == [word for word in ("# apart", "$ look", "inside", "= name: exit 3") if word not in text.stdout]


def test_a_recorded_failure_replayed_is_the_same_failure(walls: Path, tmp_path: Path) -> None:
    lesson = without(walls, '"pid", ', tmp_path)
    live = contlab("run", lesson, "--record", tmp_path / "trace")
    replayed = contlab("run", lesson, "--replay", tmp_path / "trace")

    assert (ExitCode.EXPECT_FAILED,) * 2 == (live.returncode, replayed.returncode)
    assert live.stdout == replayed.stdout.replace(" (from a recording)", "")


def test_a_disk_that_fills_up_ends_the_recording_and_not_the_lesson(walls: Path, tmp_path: Path) -> None:
    small = f"mount -t tmpfs -o size=16k contlab-test {shlex.quote(str(tmp_path))}"

    done = contlab("run", walls, "--record", tmp_path / "trace", before=small)

    assert ExitCode.TRACE == done.returncode
    assert "  ✓ name.exit_code is 3\n" in done.stdout
    assert f"contlab: {tmp_path}/trace can't be written: " in done.stderr
    assert 2 == len(done.stderr.splitlines())


# --- how it is ended ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_ends_it_and_all_its_containers(walls: Path, tmp_path: Path, number: int) -> None:
    lesson = tmp_path / "long.md"
    lesson.write_text(walls.read_text().replace('command = "hostname; exit 3"', 'command = "sleep 100"\ntimeout = 119'))
    with subprocess.Popen([*CONTLAB, "run", lesson], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        for line in run.stdout:
            if "2/2" in line:
                break
        processes = psutil.Process(run.pid).children(recursive=True)
        supervisor = next(process for process in processes if process.ppid() == run.pid)
        name = next(word for word in supervisor.cmdline() if re.fullmatch(r"[0-9a-f]{8}", word))

        run.send_signal(number)

        assert (-number if number == signal.SIGKILL else 128 + number) == run.wait(DEADLINE)
        assert "" == run.stderr.read()
    until(lambda: not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in processes))
    until(lambda: not traces_of(name))


def test_a_reader_that_goes_away_ends_it_without_a_traceback(walls: Path) -> None:
    with subprocess.Popen([*CONTLAB, "run", walls], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        assert run.stderr is not None
        run.stdout.readline()
        run.stdout.close()

        assert ExitCode.BROKEN_PIPE == run.wait(DEADLINE)
        assert "" == run.stderr.read()


# --- the six ------------------------------------------------------------------------------------------------------


def told(done: subprocess.CompletedProcess[str], code: ExitCode, reason: str, act: str) -> None:
    """One line that says why, an act below it, and the exit code that ``contlab --help`` explains."""
    first, *hint = done.stderr.splitlines()
    assert first.startswith("contlab: ")
    assert re.search(reason, first)
    assert hint
    assert all(line.startswith("  ") for line in hint)
    assert re.search(act, "\n".join(hint))
    assert code == done.returncode
    assert re.search(rf"^  {int(code)} +{re.escape(code.meaning)}", contlab("--help").stdout, re.MULTILINE)


def test_an_unknown_command_in_a_container() -> None:
    done = contlab("spawn", "--", "no-such-command")

    reason = "no-such-command can't be run: .*no such command in the container"
    told(done, ExitCode.NOT_FOUND, reason, "contlab spawn -- ls /bin")


def test_a_tool_that_the_root_filesystem_needs_is_missing() -> None:
    hidden = [found for tool in ("busybox", "sleep") if (found := shutil.which(tool))]
    hide = "\n".join(f"mount --bind /dev/null {os.path.realpath(path)}" for path in hidden)

    done = contlab("spawn", "--", "true", before=hide)

    told(done, ExitCode.ROOTFS, "this host has no sleep, which the root filesystem needs", "install coreutils")


READ_ONLY_CGROUPS = """
while read -r _ _ _ _ place rest; do
    case $rest in *" - cgroup "* | *" - cgroup2 "*) mount -o remount,bind,ro "$place" ;; esac
done < /proc/self/mountinfo
"""


@pytest.mark.parametrize("command", ["spawn", "run"])
def test_a_cgroup_that_can_t_be_written(command: str, walls: Path) -> None:
    arguments = ("spawn", "--memory", "32M", "--", "true") if command == "spawn" else ("run", walls)

    done = contlab(*arguments, before=READ_ONLY_CGROUPS)

    told(done, ExitCode.CGROUP, "the memory limit can't be set: ", "contlab doctor")


@pytest.mark.needs("userns")
@pytest.mark.parametrize(
    ("arguments", "reason", "act"),
    [
        (("spawn", "--", "true"), "EPERM .*: new namespaces need CAP_SYS_ADMIN", "contlab doctor"),
        (("run", "tests/data/lessons/walls.md"), "can't be played live here: root: contlab runs as user 65534", "sudo"),
    ],
)
def test_a_user_who_is_not_root(
    arguments: tuple[str, ...], reason: str, act: str, checkout: Path, tmp_path: Path
) -> None:
    """Who is mapped to nobody, and so may make no user namespace either; the files stay readable."""
    command = ["unshare", "--user", *CONTLAB, *arguments]
    own = os.environ | {"CONTLAB_RUNTIME_DIR": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE, cwd=checkout, env=own)

    told(done, ExitCode.NOT_PERMITTED, reason, act)


def test_a_lesson_with_a_wrong_word(walls: Path, tmp_path: Path) -> None:
    lesson = tmp_path / "walls.md"
    lesson.write_text(walls.read_text().replace('"mnt"', '"mount"'))

    done = contlab("run", lesson)

    place = line_of(lesson, '"mount"')
    told(done, ExitCode.LESSON, rf"{re.escape(str(lesson))}:{place}: .*mount.*mnt", "contlab lessons check")


@pytest.mark.parametrize("command", ["replay", "run"])
def test_a_truncated_trace_is_played_as_far_as_it_is_whole(command: str, walls: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    assert 0 == contlab("run", walls, "--record", trace).returncode
    whole = trace.read_bytes().splitlines(keepends=True)
    place = max(number for number, line in enumerate(whole) if b'"name"' in line and b'"finished"' in line)
    trace.write_bytes(b"".join(whole[:place]) + whole[place][:-9])

    done = contlab("replay", trace) if command == "replay" else contlab("run", walls, "--replay", trace)

    told(done, ExitCode.TRACE, rf"is cut off: line {place + 1} ends in the middle", "before it can be played")
    assert ("$ name" if command == "replay" else '  ✓ look.output contains "unreachable"') in done.stdout
