"""The Learn screen in a real terminal: Textual's own driver and threads, a real lab, keys from a pty."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live.containers import below

DEADLINE = 30.0
"""Seconds that any answer may take."""


class Terminal:
    """``contlab`` with a pty for its terminal."""

    def __init__(self, *arguments: str) -> None:
        self.fd, theirs = pty.openpty()
        termios.tcsetwinsize(self.fd, (24, 80))
        command = [sys.executable, "-c", "from contlab.cli import main; main()", *arguments]
        environment = {**os.environ, "TERM": "xterm-256color"}
        self.process = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
        )
        os.close(theirs)
        self.seen = ""

    @property
    def text(self) -> str:
        """What was drawn since the last key, without its styles."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", self.seen)

    def wait_for(self, words: str) -> None:
        """Until the words have been drawn, whatever styles are between them."""
        end = time.monotonic() + DEADLINE
        while words not in self.text:
            ready, _, _ = select.select([self.fd], [], [], max(0.0, end - time.monotonic()))
            assert ready, f"{words!r} never came; the end of what did: {self.seen[-600:]!r}"
            self.seen += os.read(self.fd, 65536).decode(errors="replace")

    def press(self, keys: str) -> None:
        """Type; what was drawn before is forgotten."""
        self.seen = ""
        os.write(self.fd, keys.encode())

    def hang_up(self) -> None:
        """The terminal's window is closed."""
        os.close(self.fd)
        self.fd = -1

    def close(self) -> None:
        """End it, however it is."""
        self.process.kill()
        self.process.wait()
        if self.fd != -1:
            self.hang_up()

    def end(self) -> int:
        """The exit code, everything it still wrote having been read."""
        while True:
            ready, _, _ = select.select([self.fd], [], [], DEADLINE)
            assert ready, "it did not end"
            try:
                self.seen += os.read(self.fd, 65536).decode(errors="replace")
            except OSError:  # EIO: the other end of a pty is closed
                return self.process.wait(DEADLINE)


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Terminal]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    opened = Terminal("learn", "why-containers/three-walls")
    yield opened
    opened.close()


@pytest.mark.needs("root", "overlay", "pivot_root", "cgroup-memory", "cgroup-pids")
def test_a_lesson_is_played_in_a_real_terminal_and_left_cleanly(terminal: Terminal) -> None:
    terminal.wait_for("Press Enter when you have read it")
    terminal.press("\r")
    terminal.wait_for("Press 1–3")
    terminal.press("1")
    terminal.wait_for("to run it in tenant")
    terminal.press("r")
    terminal.wait_for("Ada ordered 3 books")
    terminal.wait_for("Attack 2: kill the neighbour")
    terminal.press("q")

    assert terminal.end() == 0
    assert "\x1b[?1049l" in terminal.seen, "the terminal was not given back"


@pytest.mark.needs("root", "overlay", "pivot_root", "cgroup-memory", "cgroup-pids")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_with_the_terminal_given_back(terminal: Terminal, how: signal.Signals) -> None:
    terminal.wait_for("Press Enter when you have read it")
    terminal.process.send_signal(how)

    assert terminal.end() == 0
    assert "\x1b[?1049l" in terminal.seen, "the terminal was not given back"


@pytest.mark.needs("root", "overlay", "pivot_root", "cgroup-memory", "cgroup-pids")
def test_a_closed_terminal_window_ends_it_and_its_containers(terminal: Terminal) -> None:
    terminal.wait_for("Press Enter when you have read it")
    terminal.hang_up()
    terminal.process.send_signal(signal.SIGHUP)  # the kernel sends it to the session's leader, which is not ours here

    assert terminal.process.wait(DEADLINE) == 128 + signal.SIGHUP
    assert eventually(lambda: not runs_left())


def runs_left() -> list[str]:
    """Cgroups of runs that this test's own contlab could have made."""
    return below("/sys/fs/cgroup", "contlab-*-tenant")


def eventually(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + DEADLINE
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True
