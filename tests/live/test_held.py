"""SIGKILL while a newborn stands still after each of the calls that it makes by itself: what dies, and what is left.

Events come too late to die at (they are told when it is born), and a moment hits what it hits: so it is held there.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from contlab import paths
from contlab.errors import ContlabError
from contlab.runtime.client import Runtime
from contlab.runtime.spec import ALL_NAMESPACES, ContainerSpec, Namespace
from contlab.runtime.sweep import sweep
from tests.live.containers import SLOW, Output, left_of, marked, until

pytestmark = pytest.mark.needs("root", "cgroup", "pivot_root")

HOLDING = """
import os
from contlab.linux.batch import Batch

put = Batch.put

def hold(self, place, step, calls, remark=""):
    if place == int(os.environ["HOLD_AFTER"]):
        calls.add("futex", self.address + 120, 0, 0, 0, again=True)  # a word that nobody writes
    put(self, place, step, calls, remark)

Batch.put = hold
"""
SPEC = ContainerSpec(command=("sleep", "1000"), namespaces=ALL_NAMESPACES - {Namespace.TIME, Namespace.USER})
"""Before Linux 6.2 one with a time namespace is no list of calls, and before 6.6 none with a user namespace."""
PLACES = range(0, 54, 12 if SLOW else 3)


@pytest.fixture
def runtime_root(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A place of its own for the runs, and a supervisor that holds its newborn."""
    root = Path(tempfile.mkdtemp(prefix="contlab-test-", dir="/run"))
    root.chmod(0o755)
    monkeypatch.setenv("CONTLAB_RUNTIME_DIR", str(root))
    (tmp_path / "sitecustomize.py").write_text(HOLDING)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}")
    yield root
    assert [] == list((root / paths.NAME).iterdir())
    shutil.rmtree(root)


def held(supervisor: int) -> bool:
    """A newborn waits for a word."""
    for child in psutil.Process(supervisor).children():
        with contextlib.suppress(psutil.Error, OSError):
            if child.name() == "contlab:stage":
                return "futex" in Path(f"/proc/{child.pid}/wchan").read_text()
    return False


async def stands_still(supervisor: int) -> None:
    """It waits, and not for what others do: that takes them a millisecond."""
    seen = 0
    for _ in range(2000):
        seen = seen + 1 if held(supervisor) else 0
        if seen == 3:
            return
        await asyncio.sleep(0.05 if SLOW else 0.005)
    raise TimeoutError("no newborn was held")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("victim", ["supervisor", "nursery", "newborn"])
async def test_who_is_killed_while_it_stands_still_leaves_nothing(
    runtime_root: Path, monkeypatch: pytest.MonkeyPatch, place: int, victim: str
) -> None:
    monkeypatch.setenv("HOLD_AFTER", str(place))
    with Output() as output:
        runtime = Runtime()
        await runtime.start()
        assert runtime.supervisor_pid is not None
        asked = asyncio.create_task(runtime.spawn("box", SPEC, output.stdio))
        await stands_still(runtime.supervisor_pid)
        names = {child.name(): child.pid for child in psutil.Process(runtime.supervisor_pid).children()}

        pids = {"supervisor": runtime.supervisor_pid, "nursery": names["contlab:nursery"]}
        os.kill(pids.get(victim, names["contlab:stage"]), signal.SIGKILL)

        if victim == "nursery":  # the newborn does not need it any more
            assert psutil.STATUS_ZOMBIE != psutil.Process(names["contlab:stage"]).status()
            asked.cancel()
        with pytest.raises((ContlabError, asyncio.CancelledError)):
            await asked
        if victim == "supervisor":
            await until(lambda: not marked(runtime.run))
        await runtime.close()

    await until(lambda: runtime.run not in sweep(str(paths.runtime_root())).alive)
    assert [] == left_of(runtime.run)
