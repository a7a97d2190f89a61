"""The lesson about virtual machines in a real terminal: its column measures a real guest, and nothing of it is left."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.live import test_learn
from tests.live.test_learn import Terminal, eventually

pytestmark = [
    pytest.mark.guest,
    pytest.mark.needs("root", "overlay", "pivot_root", "cgroup-memory", "cgroup-pids", "qemu", "kernel-image"),
]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Terminal]:
    monkeypatch.setattr(test_learn, "DEADLINE", 120.0)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    opened = Terminal("learn", "why-containers/machine-of-its-own")
    yield opened
    opened.close()


def emulators(terminal: Terminal) -> list[psutil.Process]:
    """The QEMUs that this contlab has started."""
    below = psutil.Process(terminal.process.pid).children(recursive=True)
    return [process for process in below if process.name().startswith("qemu")]


def gone(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in processes)


def test_the_column_measures_the_guest_that_boots_while_one_reads(terminal: Terminal) -> None:
    terminal.wait_for("Press Enter when you have read it")
    terminal.press("v")
    terminal.wait_for("● box up")
    (qemu,) = emulators(terminal)
    terminal.press("vv")  # what is drawn now is drawn whole
    for words in ("measured here", "in the guest", "kernel threads", "[kthreadd] +", "MiB given", "its own"):
        terminal.wait_for(words)
    (inside,) = re.findall(r"VM +(\d\S+), its own", terminal.text)
    assert Path("/proc/sys/kernel/osrelease").read_text().strip() != inside
    terminal.press("q")

    assert terminal.end() == 0
    assert eventually(lambda: gone([qemu]))


def test_leaving_while_it_boots_leaves_nothing(terminal: Terminal) -> None:
    terminal.wait_for("Press Enter when you have read it")
    terminal.press("v")
    terminal.wait_for("box booting for")
    assert eventually(lambda: bool(emulators(terminal)))
    machines = emulators(terminal)
    terminal.press("\x03")

    assert terminal.end() == 0
    assert eventually(lambda: gone(machines))
    assert "\x1b[?1049l" in terminal.seen, "the terminal was not given back"
