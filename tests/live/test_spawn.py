"""contlab spawn on a real kernel: what it makes, what it tells, how it ends."""

from __future__ import annotations

import fcntl
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from contlab.linux.proc import parse_mountinfo
from contlab.runtime.spec import Namespace

pytestmark = pytest.mark.needs("root", "cgroup-memory", "cgroup-cpu", "cgroup-pids", "ns-pid", "pivot_root", "proc")

DEADLINE = 300
"""Seconds within which even an emulated machine has done what a test waits for."""

CONTLAB = (sys.executable, "-m", "contlab")
LIMITS = ("--memory", "32M", "--pids", "16", "--cpus", "0.5")
MANY = 100_000_000


def spawn(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*CONTLAB, "spawn", *arguments], capture_output=True, text=True, timeout=DEADLINE)


def rows(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.02)


@contextmanager
def spawned(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], list[dict[str, Any]]]]:
    """A container in the background, and the events until it ran."""
    command = [*CONTLAB, "spawn", "--json", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            events = []
            for line in process.stdout:
                events.append(json.loads(line))
                if events[-1]["event"] == "started":
                    break
            yield process, events
        finally:
            process.terminate()


@pytest.fixture
def shown() -> Iterator[Path]:
    """A directory that root of a user namespace, who is a plain user outside, may look into."""
    with tempfile.TemporaryDirectory(prefix="contlab-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


# --- what it tells ------------------------------------------------------------------------------------------------


def test_json_names_each_operation_with_its_time_and_holds_what_the_command_printed() -> None:
    done = spawn("--json", *LIMITS, "--", "/bin/sh", "-c", "echo $$; hostname; cat /proc/self/cgroup")

    events = rows(done.stdout)
    assert (0, "") == (done.returncode, done.stderr)
    output = "".join(event["text"] for event in events if event["event"] == "output")
    assert ["1", "box"] == output.splitlines()[:2]
    assert {"/"} == {line.split(":", 2)[2] for line in output.splitlines()[2:]}  # the root of its cgroup namespace
    operations = [event for event in events if event["event"] == "operation"]
    assert list(range(len(operations))) == [event["index"] for event in operations]
    assert {"MakeCgroup", "SetLimit", "Clone", "PivotRoot", "Execute"} <= {event["operation"] for event in operations}
    assert [] == [event for event in operations if event["errno"] or not event["describe"]]
    assert [] == [event for event in operations if event["microseconds"] <= 0 and event["operation"] != "Execute"]
    kinds = [event["event"] for event in events if event["event"] not in ("operation", "output")]
    assert ["started", "exited", "removed"] == kinds
    ready, own = events[len(operations)]["ready_us"], sum(event["microseconds"] for event in operations)
    assert 0 < own < ready < DEADLINE * 1e6


def test_stderr_and_stdout_are_told_apart_in_json() -> None:
    events = rows(spawn("--json", "--", "sh", "-c", "echo out; echo err >&2").stdout)

    assert {("stdout", "out\n"), ("stderr", "err\n")} == {
        (event["stream"], event["text"]) for event in events if event["event"] == "output"
    }


def test_explain_tells_each_operation_on_stderr_and_leaves_stdout_to_the_command() -> None:
    done = spawn("--explain", "--memory", "32M", "--", "echo", "hello")

    assert (0, "hello\n") == (done.returncode, done.stdout)
    lines = done.stderr.splitlines()
    assert any(re.fullmatch(r" *\d+ +\d+(\.\d)? (µs|ms)  host       .*memory.*", line) for line in lines)
    assert any("$ echo 33554432 > /sys/fs/cgroup/" in line for line in lines)
    assert re.fullmatch(r"\d+ operations, \S+ (µs|ms|s) in the kernel", lines[-1])


def test_stdin_is_the_command_s() -> None:
    done = subprocess.run(
        [*CONTLAB, "spawn", "--", "cat"], input="one\ntwo\n", capture_output=True, text=True, timeout=DEADLINE
    )

    assert (0, "one\ntwo\n", "") == (done.returncode, done.stdout, done.stderr)


def test_every_option_is_felt_inside(shown: Path) -> None:
    (shown / "file").write_text("from the host\n")
    look = 'hostname; echo "$WORD"; pwd; cat /there/file; touch /there/new /new 2>/dev/null || echo refused'
    done = spawn(
        "--hostname", "inside", "--env", "WORD=x y", "--workdir", "/tmp", "--bind", f"{shown}:/there:ro",
        "--read-only", "--", "sh", "-c", look,
    )  # fmt: skip

    assert "inside\nx y\n/tmp\nfrom the host\nrefused\n" == done.stdout
    assert ["file"] == os.listdir(shown)


# --- the host's own word ------------------------------------------------------------------------------------------


def test_lsns_mountinfo_and_the_cgroup_files_agree_with_what_was_told() -> None:
    with spawned(*LIMITS, "--hostname", "inside", "--", "sleep", "1000") as (_, events):
        started = events[-1]
        pid, cgroups = started["pid"], started["cgroups"]
        operations = [event for event in events if event["event"] == "operation"]

        listed = subprocess.run(
            ["lsns", "--json", "--output", "TYPE,NS", "--task", str(pid)], capture_output=True, check=True
        )
        own = {row["type"]: int(row["ns"]) for row in json.loads(listed.stdout)["namespaces"]}
        assert set(Namespace) == own.keys()
        for kind, inode in own.items():
            assert f"{kind}:[{inode}]" == os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/self/ns/{kind}")

        mounts = parse_mountinfo(Path(f"/proc/{pid}/mountinfo").read_bytes())
        points = {(mount.filesystem_type, mount.mount_point) for mount in mounts}
        told = {
            (found[1], found[2])
            for event in operations
            if (found := re.match(r"mount (\w+) on \$ROOT(/[\w/]+)", event["describe"]))
        }
        assert {("proc", "/proc"), ("sysfs", "/sys"), ("tmpfs", "/dev"), ("devpts", "/dev/pts")} <= told <= points
        copied = any("copied instead" in event["describe"] for event in operations)
        assert ["tmpfs" if copied else "overlay"] == [m.filesystem_type for m in mounts if m.mount_point == "/"]

        for directory in cgroups.values():
            assert [str(pid)] == Path(directory, "cgroup.procs").read_text().split()
        written = [found for event in operations if (found := re.match(r"echo (.+) > (\S+)", event["shell"]))
                   if event["operation"] == "SetLimit"]  # fmt: skip
        assert len(written) >= 3
        for found in written:
            assert found[1].strip("'\"") == Path(found[2]).read_text().strip()
        memory = Path(cgroups["memory"])
        assert {str(32 << 20)} == {
            file.read_text().strip() for file in map(memory.joinpath, ("memory.max", "memory.limit_in_bytes"))
            if file.exists()
        }  # fmt: skip
        assert "16\n" == Path(cgroups["pids"], "pids.max").read_text()

        assert "sleep\n" == Path(f"/proc/{pid}/comm").read_text()
        assert "1" == re.findall(r"^NSpid:.*\t(\d+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)[0]


def test_a_mount_point_with_a_space_and_a_newline_is_made_told_and_seen(shown: Path) -> None:
    source = shown / "a b\nc"
    source.mkdir()
    (source / "file").write_text("found\n")

    done = spawn(
        "--json", "--bind", f"{source}:/[x] b\nc", "--", "sh", "-c", 'cat "/[x] b\nc/file"; cat /proc/self/mountinfo'
    )

    events = rows(done.stdout)
    output = "".join(event["text"] for event in events if event["event"] == "output")
    assert output.startswith("found\n")
    assert " /[x]\\040b\\012c " in output
    binds = [event["describe"] for event in events if event["event"] == "operation" and event["operation"] == "Bind"]
    assert 1 == len([words for words in binds if words.endswith("/[x] b\nc")])
    assert 0 == done.returncode


# --- how it ends --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["true"], 0),
        (["sh", "-c", "exit 7"], 7),
        (["sh", "-c", "exit 255"], 255),
        (["no-such-command"], 127),
        (["/etc/passwd"], 126),
        (["/etc"], 126),
    ],
)
def test_the_exit_code_is_the_command_s_own_or_says_that_it_did_not_run(command: list[str], code: int) -> None:
    done = spawn("--", *command)

    assert code == done.returncode
    assert (code in (126, 127)) is (command[0] in done.stderr)
    assert "Traceback" not in done.stderr


def test_a_command_that_a_signal_killed_ends_with_128_and_the_signal() -> None:
    assert 137 == spawn("--unshare", "mnt", "--", "sh", "-c", "kill -9 $$").returncode
    assert 143 == spawn("--unshare", "mnt", "--", "sh", "-c", "kill $$").returncode


def test_the_oom_killer_s_victim_is_told_as_such() -> None:
    hog = "x=xxxxxxxxxxxxxxxx; while :; do x=$x$x; done"

    done = spawn("--json", "--memory", "16M", "--", "sh", "-c", hog)

    exited = next(event for event in rows(done.stdout) if event["event"] == "exited")
    assert (137, 9, True) == (done.returncode, exited["signal"], exited["oom_killed"])


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--workdir", "/no/where"], 125, "/no/where"),
        (["--hostname", "x" * 65], 125, "sethostname"),
        (["--share", "uts", "--hostname", "x"], 65, "its own uts namespace"),
    ],
)
def test_a_container_that_can_t_be_made_ends_with_a_reason_and_a_hint(
    options: list[str], code: int, words: str
) -> None:
    done = spawn("--json", *options, "--", "true")

    assert code == done.returncode
    first, *hint = done.stderr.splitlines()
    assert first.startswith("contlab: ")
    assert words in first
    assert hint
    assert all(line.startswith("  ") for line in hint)
    assert "started" not in [event["event"] for event in rows(done.stdout)]


# --- much output, slow readers, readers that go away --------------------------------------------------------------


def waiting(fd: int) -> int:
    """Bytes that can be read from a pipe."""
    return int(struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0" * 4))[0])


def test_a_command_that_prints_100_mb_waits_for_a_slow_reader() -> None:
    command = [*CONTLAB, "spawn", "--", "head", "-c", str(MANY), "/dev/zero"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        until(lambda: waiting(process.stdout.fileno()) >= 1 << 16)
        assert process.poll() is None

        size = 0
        while piece := process.stdout.read(5000):
            size += len(piece)

        assert (MANY, 0) == (size, process.wait(DEADLINE))


def test_in_json_everything_that_was_printed_is_there_and_takes_little_memory_while_the_reader_is_slow() -> None:
    size = MANY // 10
    command = [*CONTLAB, "spawn", "--json", "--", "sh", "-c", f"yes | head -c {size}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        until(lambda: waiting(process.stdout.fileno()) >= 1 << 15)
        length, most = 0, 0
        for line in process.stdout:
            event = json.loads(line)
            length += len(event["text"]) if event["event"] == "output" else 0
            if length < size // 2:
                most = max(most, psutil.Process(process.pid).memory_info().rss)

        assert (size, 0) == (length, process.wait(DEADLINE))
    assert 0 < most < 150 << 20


@pytest.mark.parametrize(("options", "codes"), [([], {1, 141}), (["--json"], {141})])
def test_a_reader_that_goes_away_ends_it_without_a_traceback(options: list[str], codes: set[int]) -> None:
    """Without --json the pipe is the command's own: yes says that it broke, or dies of SIGPIPE."""
    with subprocess.Popen(
        [*CONTLAB, "spawn", *options, "--", "yes"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()

        assert process.wait(DEADLINE) in codes
        assert "Traceback" not in (said := process.stderr.read())
        assert not options or "" == said
