"""contlab spawn in a real terminal, and how signals end it: the terminal as it was, the container gone."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.live.containers import traces_of

pytestmark = pytest.mark.needs("root", "cgroup-pids", "ns-pid", "pivot_root", "proc")

DEADLINE = 300
"""Seconds within which even an emulated machine has done what a test waits for."""

CONTLAB = (sys.executable, "-m", "contlab")


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.02)


def descendants(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def run_of(pid: int) -> str:
    """The name of the run whose processes descend from ``pid``, once its container runs a command of its own."""

    def names() -> list[str]:
        found = []
        for process in descendants(pid):
            try:
                if not process.name().startswith("contlab:") and process.ppid() != pid:
                    found += re.findall(r"contlab-([0-9a-f]{8})", Path(f"/proc/{process.pid}/cgroup").read_text())
            except (psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
                continue
        return found

    until(lambda: bool(names()))
    return names()[0]


class Terminal:
    """A pseudo-terminal with ``contlab spawn`` in its foreground, and someone who types."""

    def __init__(self, *arguments: str) -> None:
        self.master, self.slave = os.openpty()
        self.modes = termios.tcgetattr(self.slave)
        self.screen = ""
        # setsid --ctty: a session of its own, whose terminal this is, so that Ctrl-C is a signal to it.
        self.process = subprocess.Popen(
            ["setsid", "--ctty", *CONTLAB, "spawn", *arguments], stdin=self.slave, stdout=self.slave, stderr=self.slave
        )

    def see(self, pattern: str) -> str:
        """Read until the pattern is there; what stood before it is taken off the screen with it."""
        end = time.monotonic() + DEADLINE
        while (found := re.search(pattern, self.screen)) is None:
            gone = self.process.poll() is not None and not select.select([self.master], [], [], 0)[0]
            assert not gone, f"it has ended, and {pattern!r} is not in {self.screen!r}"
            assert time.monotonic() < end, f"{pattern!r} is not in {self.screen!r}"
            self._read(0.1)
        self.screen = self.screen[found.end() :]
        return found[0]

    def _read(self, timeout: float) -> None:
        if select.select([self.master], [], [], timeout)[0]:
            self.screen += os.read(self.master, 1 << 16).decode(errors="replace")

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def code(self) -> int:
        """Read on until it has ended."""
        end = time.monotonic() + DEADLINE
        while (code := self.process.poll()) is None:
            assert time.monotonic() < end, f"it goes on; {self.screen!r}"
            self._read(0.1)
        self._read(0)
        return code

    def intact(self) -> bool:
        return self.modes == termios.tcgetattr(self.slave)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.code()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def open_(*arguments: str) -> Terminal:
        opened.append(Terminal(*arguments))
        return opened[-1]

    yield open_
    for each in opened:
        each.close()


PROMPT = r"(?m)[#$] (\x1b\[6n)?$"
"""A shell's; busybox asks where the cursor is besides."""


def test_a_shell_in_a_terminal_takes_commands_and_its_exit_code_is_handed_on(
    terminal: Callable[..., Terminal],
) -> None:
    here = terminal("--hostname", "inside")
    here.see(PROMPT)
    here.type("hostname; echo $((6 * 7)) $$\n")
    assert "inside\r\n42 1\r\n" == here.see(r"inside\r\n.*\r\n")
    here.see(PROMPT)
    here.type("test -t 0 && test -t 1 && test -t 2 && exit 5\n")

    assert 5 == here.code()
    assert here.intact()


def test_ctrl_c_ends_the_command_that_a_shell_is_running_and_not_the_shell(terminal: Callable[..., Terminal]) -> None:
    here = terminal()
    here.see(PROMPT)
    for _ in range(2):
        here.type("echo be''gun; sleep 1000\n")
        here.see(r"begun\r\n")
        until(lambda: any(process.name() in ("sleep", "busybox") for process in descendants(here.process.pid)))
        here.type("\x03")
        here.see(PROMPT)
    here.type("echo al''ive; exit 0\n")

    here.see(r"alive\r\n")
    assert 0 == here.code()
    assert here.intact()


def test_ctrl_c_kills_what_has_no_handler_for_it_and_says_why(terminal: Callable[..., Terminal]) -> None:
    here = terminal("--", "sleep", "1000")
    run = run_of(here.process.pid)

    here.type("\x03")

    assert 130 == here.code()
    assert "PID 1 has no handler for SIGINT" in here.screen
    assert "Traceback" not in here.screen
    assert here.intact()
    assert [] == traces_of(run)


def test_ctrl_c_is_the_command_s_own_to_answer(terminal: Callable[..., Terminal]) -> None:
    here = terminal("--", "sh", "-c", "trap 'echo caught; exit 9' INT; echo ready; while :; do sleep 0.1; done")
    here.see(r"ready\r\n")

    here.type("\x03")

    here.see(r"caught\r\n")
    assert 9 == here.code()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_shell_that_is_killed_while_it_edits_a_line_leaves_the_terminal_as_it_was(
    terminal: Callable[..., Terminal], number: int
) -> None:
    here = terminal()
    here.see(PROMPT)
    here.type("half a li")
    here.see("half a li")
    run = run_of(here.process.pid)

    here.process.send_signal(number)

    assert 128 + number == here.code()
    assert here.intact()
    assert [] == traces_of(run)


def test_when_the_terminal_goes_away_the_container_goes_with_it() -> None:
    here = Terminal("--", "sleep", "1000")
    run = run_of(here.process.pid)
    processes = descendants(here.process.pid)

    os.close(here.master)  # the kernel sends SIGHUP
    os.close(here.slave)

    assert 129 == here.process.wait(DEADLINE)
    assert [] == traces_of(run)
    until(lambda: not any(process.is_running() for process in processes))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
@pytest.mark.parametrize("options", [[], ["--json"], ["--unshare", "mnt"]])
def test_a_signal_to_it_ends_the_container_and_leaves_nothing(number: int, options: list[str]) -> None:
    """Without a PID namespace of its own its children don't die with it by themselves."""
    command = [*CONTLAB, "spawn", *options, "--", "sh", "-c", "setsid sleep 1000 & sleep 1000 & sleep 1000; true"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        run = run_of(process.pid)
        until(lambda: len(descendants(process.pid)) >= 5)  # the supervisor, the shell, and three that sleep
        processes = descendants(process.pid)

        process.send_signal(number)

        assert (-number if number == signal.SIGKILL else 128 + number) == process.wait(DEADLINE)
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    until(lambda: not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in processes))
    until(lambda: not traces_of(run))


def test_when_the_supervisor_is_killed_it_says_so_and_leaves_nothing() -> None:
    command = [*CONTLAB, "spawn", "--", "sleep", "1000"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        run = run_of(process.pid)
        processes = descendants(process.pid)

        psutil.Process(process.pid).children()[0].kill()

        assert 125 == process.wait(DEADLINE)
        assert process.stderr is not None
        assert re.match(r"contlab: the supervisor .*\n  .+\n$", process.stderr.read())
    until(lambda: not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in processes))
    until(lambda: not traces_of(run))
