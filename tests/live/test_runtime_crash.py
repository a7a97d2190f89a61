"""SIGKILL for the app and for the supervisor, at every operation of a plan and at moments in between.

No process may be left, and after the next sweep no cgroup, mount, directory or lock.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from contlab import paths
from contlab.errors import RuntimeFailure
from contlab.runtime import events
from contlab.runtime.client import Runtime
from contlab.runtime.spec import ContainerSpec, RootMethod
from contlab.runtime.sweep import sweep
from tests.live.containers import PATIENCE, SLOW, Output, cgroups_of, children, left_of, marked, shell, until

pytestmark = pytest.mark.needs("root", "cgroup")

STRIDE = 12 if SLOW else 1
"""Of the operations between the first and the last, each how manieth is a place to die."""

NEVER = 10**6
"""An operation that no plan has."""

APP = textwrap.dedent("""
    # Reads the spec, and then a line each: the operation to die at, or -MICROSECONDS after the request. Answers with
    # the run's number.
    import asyncio, os, signal, sys, time
    import msgspec
    from contlab.runtime.client import Runtime
    from contlab.runtime.events import OperationDone
    from contlab.runtime.spec import ContainerSpec

    spec = msgspec.json.decode(sys.stdin.readline(), type=ContainerSpec)

    async def live(place):
        def heard(event):
            if isinstance(event, OperationDone) and event.index == place:
                os.kill(os.getpid(), signal.SIGKILL)
        runtime = Runtime()
        await runtime.start()
        runtime.listen(heard)
        print(runtime.run, flush=True)
        if place < 0:
            signal.setitimer(signal.ITIMER_REAL, -place / 1e6)
        await runtime.spawn("box", spec, (0, 2, 2))
        await asyncio.sleep(1000)

    signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    for line in sys.stdin:
        # Forked, and so begun in a millisecond; the parent has no other thread.
        if (pid := os.fork()) == 0:
            asyncio.run(live(int(line)))
        assert signal.SIGKILL == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) * -1
        print("dead", flush=True)
""")


def spec_of(kind: str, mark: str) -> ContainerSpec:
    """A container that is all its own, or one whose grandchildren are anybody's."""
    if kind == "default":
        return shell("sleep 1000 & exec sleep 1000", environment={"MARK": mark})
    # A shell in a bare chroot needs something at /dev/null to put a command into the background.
    return shell("(setsid sleep 1000 & setsid sleep 1000 &); exec sleep 1000", environment={"MARK": mark},
                 namespaces=frozenset(), root=RootMethod.CHROOT, files={"/dev/null": ""})  # fmt: skip


KINDS = pytest.mark.parametrize("kind", ["default", "shares-pids"])


@pytest.fixture(autouse=True)
def runtime_root(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place of its own for the runs: whoever else starts contlab here would clear away what a test wants to find."""
    root = Path(tempfile.mkdtemp(prefix="contlab-test-", dir="/run"))
    root.chmod(0o755)
    monkeypatch.setenv("CONTLAB_RUNTIME_DIR", str(root))
    yield root
    assert [] == list((root / paths.NAME).iterdir())
    shutil.rmtree(root)


@pytest.fixture
def mark() -> str:
    """A word that only this test's processes carry."""
    return f"contlab-mark-{os.urandom(8).hex()}"


class App:
    """A process that uses the runtime and is killed, again and again."""

    def __init__(self, spec: ContainerSpec) -> None:
        command = [sys.executable, "-c", APP]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._ask(msgspec.json.encode(spec).decode())

    def _ask(self, line: object) -> None:
        assert self._process.stdin is not None
        print(line, file=self._process.stdin, flush=True)

    def _hear(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def die_at(self, place: int) -> str:
        """Begin, make the container, be killed there; returns the run."""
        self._ask(place)
        run = self._hear()
        assert "dead" == self._hear()
        return run

    def begin(self) -> str:
        """Begin, make the container, and live; returns the run."""
        self._ask(NEVER)
        return self._hear()

    def kill(self) -> None:
        """SIGKILL for one that lives."""
        for pid in children(self._process.pid):
            os.kill(pid, signal.SIGKILL)
        assert "dead" == self._hear()

    def kill_with_supervisor(self, run: str) -> None:
        """SIGKILL for both, the supervisor first: it has no moment to clean up in."""
        for process in marked(run):  # the run's number is in its arguments
            os.kill(int(process.split()[0]), signal.SIGKILL)
        self.kill()

    def close(self) -> None:
        """The process that begets the others ends, too."""
        for pid in children(self._process.pid):
            os.kill(pid, signal.SIGKILL)
        self._process.communicate()


@pytest.fixture
def app(kind: str, mark: str) -> Iterator[App]:
    app = App(spec_of(kind, mark))
    yield app
    app.close()


async def places(kind: str, mark: str) -> list[int]:
    """The operations to die at: all of them, or on a slow kernel the first, some, the clone and the last."""
    heard: list[events.OperationDone] = []
    async with Runtime() as runtime:
        runtime.listen(lambda event: heard.append(event) if isinstance(event, events.OperationDone) else None)
        with Output() as output:
            await runtime.spawn("box", spec_of(kind, mark), output.stdio)
    last = heard[-1].index
    assert [operation.index for operation in heard] == list(range(last + 1))
    clone = next(operation.index for operation in heard if operation.operation == "Clone")
    return sorted({*range(0, last, STRIDE), clone, last})


def moments() -> list[int]:
    """Microseconds from the request: before, in and after everything that is done for a container."""
    return [round(1.35**step * 100) * (10 if SLOW else 1) for step in range(0, 20, 5 if SLOW else 1)]


async def assert_nothing_is_left(run: str, mark: str) -> None:
    """Of itself, within moments, every process is gone; after a sweep, all else."""
    await until(lambda: not marked(mark) and not marked(run))
    await until(lambda: run not in sweep(str(paths.runtime_root())).alive)
    assert [] == left_of(run)


@KINDS
async def test_the_app_killed_at_any_operation_leaves_nothing(kind: str, mark: str, app: App) -> None:
    for place in await places(kind, mark):
        run = app.die_at(place)
        # No sweep is needed: the supervisor cleans up by itself.
        await until(lambda run=run: not left_of(run))
        assert [] == marked(mark)


@KINDS
async def test_the_app_killed_at_any_moment_leaves_nothing(kind: str, mark: str, app: App) -> None:
    for moment in moments():
        run = app.die_at(-moment)
        await until(lambda run=run: not left_of(run))
        assert [] == marked(mark)


@KINDS
async def test_the_supervisor_killed_at_any_operation_leaves_nothing(kind: str, mark: str) -> None:
    for place in await places(kind, mark):
        runtime = Runtime()
        await runtime.start()

        def heard(event: events.AnyEvent, runtime: Runtime = runtime, place: int = place) -> None:
            if isinstance(event, events.OperationDone) and event.index == place:
                assert runtime.supervisor_pid is not None
                os.kill(runtime.supervisor_pid, signal.SIGKILL)

        runtime.listen(heard)
        await spawn_and_lose(runtime, kind, mark)
        await assert_nothing_is_left(runtime.run, mark)


@KINDS
async def test_the_supervisor_killed_at_any_moment_leaves_nothing(kind: str, mark: str) -> None:
    for moment in moments():
        runtime = Runtime()
        await runtime.start()
        assert runtime.supervisor_pid is not None
        # Another process kills it: our own loop is busy reading events at that moment.
        command = ["sh", "-c", f"sleep {moment / 1e6:.6f}; kill -9 {runtime.supervisor_pid}"]
        with subprocess.Popen(command):
            await spawn_and_lose(runtime, kind, mark)
        await assert_nothing_is_left(runtime.run, mark)


async def spawn_and_lose(runtime: Runtime, kind: str, mark: str) -> None:
    """Make a container while the supervisor dies; the app hears of it and clears up."""
    with Output() as output:
        try:
            container = await asyncio.wait_for(runtime.spawn("box", spec_of(kind, mark), output.stdio), PATIENCE)
            await asyncio.wait_for(container.wait(), PATIENCE)
        except RuntimeFailure as failure:
            assert failure.message.startswith("the supervisor ")  # noqa: PT017 - it may come at either place
        else:
            raise AssertionError("the supervisor lives")
    await runtime.close()


@KINDS
async def test_app_and_supervisor_killed_at_once_are_cleared_away_by_the_next_start(
    kind: str, mark: str, app: App
) -> None:
    run = app.begin()
    await until(lambda: len(marked(mark)) >= (2 if kind == "default" else 3))
    cgroups = cgroups_of(run)

    app.kill_with_supervisor(run)

    if kind == "default":  # the kernel kills it: PR_SET_PDEATHSIG, and then all of its PID namespace
        await until(lambda: not marked(mark))
    async with Runtime() as runtime:
        assert cgroups
        assert {f"cgroup {path}" for path in cgroups} <= set(runtime.swept.removed)
        assert () == runtime.swept.stuck
        assert [] == left_of(run)
        assert [] == marked(mark)


@pytest.mark.parametrize("cleaner", ["supervisor", "sweep"])
async def test_a_mount_that_a_process_with_all_capabilities_left_in_the_run_s_directory_is_not_emptied(
    cleaner: str, tmp_path: Path
) -> None:
    (tmp_path / "precious").touch()
    # In the host's mount namespace it may do what it likes. The run is in its cgroup's name.
    run_name = "$(grep -o 'contlab-[0-9a-f]\\{8\\}' /proc/self/cgroup | head -n 1)"
    script = f"mount --bind {tmp_path} {paths.runtime_root()}/{run_name}/scratch; exec sleep 1000"
    app = App(shell(script, namespaces=frozenset(), root=RootMethod.HOST, all_capabilities=True, seccomp=False))
    run = app.begin()
    await until(lambda: [left for left in left_of(run) if left.startswith("mount")])

    if cleaner == "sweep":
        app.kill_with_supervisor(run)
        # A process that was sent SIGKILL holds its lock until it has died.
        swept = await until(lambda: ended if run not in (ended := sweep(str(paths.runtime_root()))).alive else None)
        assert () == swept.stuck
    else:
        app.kill()

    await until(lambda: not left_of(run))
    assert (tmp_path / "precious").exists()
    app.close()
