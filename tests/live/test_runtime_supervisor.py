"""What the supervisor and its client live through: cancelled, malformed, stuck and killed things."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from contlab.errors import ContlabError, RuntimeFailure
from contlab.runtime import client, events, protocol
from contlab.runtime.client import Runtime
from contlab.runtime.spec import ALL_NAMESPACES, ContainerSpec, Limits, Namespace, RootMethod
from tests.live.containers import PATIENCE, SLOW, Output, children, left_of, marked, run, run_in, shell, until

pytestmark = pytest.mark.needs("root", "cgroup")

SLEEP = ContainerSpec(command=("/bin/sleep", "1000"))


@pytest.fixture
def stuck(tmp_path: Path) -> ContainerSpec:
    """A container whose plan never comes to its end: a file that is to be written is a pipe that nobody reads."""
    for name in ("proc", "sys", "dev"):
        (tmp_path / name).mkdir()
    os.mkfifo(tmp_path / "fifo")
    return ContainerSpec(rootfs=str(tmp_path), namespaces=ALL_NAMESPACES - {Namespace.USER}, files={"/fifo": "x"})


async def spawn_stuck(runtime: Runtime, spec: ContainerSpec, output: Output) -> tuple[asyncio.Task[object], int]:
    """The task that waits for it, and its stage."""
    spawning = asyncio.create_task(runtime.spawn("box", spec, output.stdio))
    assert runtime.supervisor_pid is not None
    supervisor = runtime.supervisor_pid
    (pid,) = await until(lambda: [pid for pid in children(supervisor) if _in_pipe(pid)])
    return spawning, pid


def _in_pipe(pid: int) -> bool:
    return "wait_for_partner" in Path(f"/proc/{pid}/wchan").read_text() or _opens(pid)


def _opens(pid: int) -> bool:
    # Where wchan isn't shown: it is in its new root and sleeps.
    return "fifo" in os.listdir(f"/proc/{pid}/root") and "(sleeping)" in Path(f"/proc/{pid}/status").read_text()


def left_of_box(runtime: Runtime) -> list[str]:
    return [left for left in left_of(f"{runtime.run}-box") if not left.startswith("process")]


# --- in the middle of a plan ----------------------------------------------------------------------------------------


async def test_a_cancelled_spawn_ends_when_nothing_is_left(
    runtime: Runtime, output: Output, stuck: ContainerSpec
) -> None:
    spawning, _ = await spawn_stuck(runtime, stuck, output)

    spawning.cancel()
    with pytest.raises(asyncio.CancelledError):
        await spawning

    assert runtime.supervisor_pid is not None
    assert [] == children(runtime.supervisor_pid)
    assert [] == left_of_box(runtime)
    assert 0 == (await run(runtime, shell("true")))[0].status


@pytest.mark.parametrize("rounds", [0, 1, 2, 3, 5, 10, 20])
async def test_a_spawn_cancelled_early_or_late_leaves_nothing(runtime: Runtime, output: Output, rounds: int) -> None:
    spawning = asyncio.create_task(runtime.spawn("box", SLEEP, output.stdio))
    for _ in range(rounds):
        await asyncio.sleep(0)
    spawning.cancel()
    with pytest.raises(asyncio.CancelledError):
        await spawning

    # A request that went out meanwhile was answered by a removal.
    assert [] == left_of_box(runtime)
    assert 0 == (await run(runtime, shell("true")))[0].status


async def test_closing_what_is_being_made_fails_the_making_and_removes_it(
    runtime: Runtime, output: Output, stuck: ContainerSpec
) -> None:
    spawning, _ = await spawn_stuck(runtime, stuck, output)

    removed = await asyncio.wait_for(runtime.close_container("box"), PATIENCE)

    assert removed.removed
    with pytest.raises(ContlabError, match="before its command ran"):
        await spawning
    assert 0 == (await run(runtime, shell("true")))[0].status


async def test_a_stage_killed_from_outside_is_no_started_command(
    runtime: Runtime, output: Output, stuck: ContainerSpec
) -> None:
    heard: list[events.AnyEvent] = []
    runtime.listen(heard.append)
    spawning, pid = await spawn_stuck(runtime, stuck, output)

    os.kill(pid, signal.SIGKILL)

    with pytest.raises(ContlabError, match="killed by SIGKILL before its command ran"):
        await spawning
    assert 1 == len([event for event in heard if isinstance(event, events.Failed)])
    assert not [event for event in heard if isinstance(event, events.Started | events.Exited)]
    assert [] == left_of_box(runtime)


async def test_nothing_runs_in_a_container_whose_own_command_does_not_yet(
    runtime: Runtime, output: Output, stuck: ContainerSpec
) -> None:
    spawning, _ = await spawn_stuck(runtime, stuck, output)

    with pytest.raises(ContlabError, match="is not running"):
        await runtime.exec("box", ("/bin/true",), output.stdio, {})

    await runtime.close_container("box")
    await asyncio.gather(spawning, return_exceptions=True)


async def test_the_run_can_be_closed_in_the_middle_of_a_plan(output: Output, stuck: ContainerSpec) -> None:
    runtime = Runtime()
    await runtime.start()
    spawning, _ = await spawn_stuck(runtime, stuck, output)

    await asyncio.gather(runtime.close(), runtime.close())

    with pytest.raises(RuntimeFailure, match="the run is closed"):
        await spawning
    assert [] == left_of(runtime.run)
    with pytest.raises(RuntimeFailure, match="the run is closed"):
        await runtime.spawn("box", SLEEP, output.stdio)


async def test_a_supervisor_killed_in_the_middle_of_a_plan_takes_the_stage_along(
    output: Output, stuck: ContainerSpec
) -> None:
    runtime = Runtime()
    await runtime.start()
    spawning, _ = await spawn_stuck(runtime, stuck, output)
    assert runtime.supervisor_pid is not None

    os.kill(runtime.supervisor_pid, signal.SIGKILL)

    with pytest.raises(RuntimeFailure, match="the supervisor was killed by SIGKILL, and every container with it"):
        await spawning
    await until(lambda: not marked(runtime.run))
    await runtime.close()
    assert [] == left_of(runtime.run)


# --- requests that can't be -----------------------------------------------------------------------------------------


async def test_a_malformed_request_is_answered_and_the_containers_go_on(runtime: Runtime, output: Output) -> None:
    container = await runtime.spawn("box", SLEEP, output.stdio)
    failures: list[str] = []
    runtime.listen(lambda event: failures.append(event.message) if isinstance(event, events.Failed) else None)
    assert runtime._wire is not None

    runtime._wire.send(b"{nonsense")
    runtime._wire.send(b'{"request":"spawn","container":"x"}')
    runtime.send(protocol.Spawn(container="other", spec=SLEEP, rootfs="", requested_at=0.0))
    runtime.send(protocol.Exec(container="box", exec_id=99, command=("ls",), requested_at=0.0))
    runtime.send(protocol.Signal(container="box", number=4096))
    runtime.send(protocol.Close(container="never there"))

    await until(lambda: len(failures) == 5)
    assert 2 == len([failure for failure in failures if "does not understand" in failure])
    assert 2 == len([failure for failure in failures if "0 descriptors" in failure])
    assert not container.exited.done()
    assert 0 == (await run_in(container, "true"))[0].status


async def test_a_request_larger_than_a_message_is_refused_before_it_is_sent(runtime: Runtime, output: Output) -> None:
    with pytest.raises(RuntimeFailure, match="is larger than"):
        await runtime.spawn("box", shell("true", environment={"A": "x" * (1 << 17)}), output.stdio)
    assert 0 == (await run(runtime, shell("true")))[0].status


async def test_a_request_almost_as_large_as_a_message_is_told_of_in_short(runtime: Runtime) -> None:
    spec = shell("wc -c < /big", files={"/big": "'" * 100_000})

    _, lines = await run(runtime, spec)

    assert ["100000"] == [line.strip() for line in lines]


async def test_an_error_of_the_file_system_is_told_and_the_supervisor_goes_on(runtime: Runtime, output: Output) -> None:
    Path(runtime.directory, "copy-box").write_text("in the way")
    spec = shell("true", root=RootMethod.CHROOT, namespaces=frozenset())

    with pytest.raises(ContlabError, match="could not copy"):
        await runtime.spawn("box", spec, output.stdio)

    assert 0 == (await run(runtime, spec, name="other"))[0].status


async def test_requests_that_find_the_socket_full_wait_in_the_app_without_blocking_it(
    runtime: Runtime, output: Output
) -> None:
    container = await runtime.spawn("box", SLEEP, output.stdio)
    assert runtime.supervisor_pid is not None
    os.kill(runtime.supervisor_pid, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        for _ in range(2000):
            await container.signal(signal.SIGCONT)
        assert time.monotonic() - begun < PATIENCE
    finally:
        os.kill(runtime.supervisor_pid, signal.SIGCONT)

    assert 0 == (await run_in(container, "true"))[0].status


# --- what does not want to end --------------------------------------------------------------------------------------


async def test_a_stopped_container_is_closed(runtime: Runtime, output: Output) -> None:
    container = await runtime.spawn("box", SLEEP, output.stdio)
    os.kill(container.pid, signal.SIGSTOP)

    await asyncio.wait_for(container.close(), PATIENCE)

    assert signal.SIGKILL == (await container.wait()).signal


def freeze(cgroups: dict[str, str]) -> None:
    for directory in set(cgroups.values()):
        for file, word in (("freezer.state", "FROZEN"), ("cgroup.freeze", "1")):
            if (path := Path(directory, file)).exists():
                path.write_text(word)


@pytest.mark.parametrize("kinds", [ALL_NAMESPACES, frozenset()], ids=["default", "bare"])
async def test_a_frozen_container_is_closed(runtime: Runtime, output: Output, kinds: frozenset[Namespace]) -> None:
    spec = shell("sleep 1000 & sleep 1000 & echo ready; wait", namespaces=kinds,
                 root=RootMethod.PIVOT_ROOT if kinds else RootMethod.HOST)  # fmt: skip
    container = await runtime.spawn("box", spec, output.stdio)
    await until(lambda: "ready" in output.text)
    freeze(container.started.result().cgroups)

    await asyncio.wait_for(container.close(), PATIENCE)

    assert signal.SIGKILL == (await container.wait()).signal
    assert [] == left_of_box(runtime)


async def test_a_container_is_closed_with_its_further_commands_whatever_the_order_of_their_deaths(
    runtime: Runtime, output: Output
) -> None:
    """PID 1 does not end before our other children in its namespace are reaped."""
    container = await runtime.spawn("box", SLEEP, output.stdio)
    executions = [await container.exec(("/bin/sleep", "1000"), output.stdio) for _ in range(3)]

    await asyncio.wait_for(container.close(), PATIENCE)

    assert [signal.SIGKILL] * 3 == [(await execution.wait()).signal for execution in executions]


async def test_a_further_command_that_is_cancelled_is_killed(runtime: Runtime, output: Output) -> None:
    container = await runtime.spawn("box", SLEEP, output.stdio)
    mark = f"{runtime.run}-cancelled"
    execution = asyncio.create_task(container.exec(("/bin/sleep", "1000"), output.stdio, {"MARK": mark}))
    await asyncio.sleep(0)
    execution.cancel()
    with pytest.raises(asyncio.CancelledError):
        await execution

    await run_in(container, "true")
    await until(lambda: not marked(mark))


async def test_a_fork_bomb_is_closed(runtime: Runtime, output: Output) -> None:
    # Not a shell's: that one ends when a fork is refused, and so the whole bomb can be over before it is looked at.
    bomb = "import os\nwhile True:\n try: os.fork()\n except OSError: pass"
    command = (sys.executable, "-c", bomb)
    spec = ContainerSpec(command=command, namespaces=frozenset(), root=RootMethod.HOST, limits=Limits(pids=50))
    container = await runtime.spawn("box", spec, output.stdio)
    pids = Path(container.started.result().cgroups["pids"], "pids.current")
    await until(lambda: int(pids.read_text()) > 20)

    await asyncio.wait_for(container.close(), PATIENCE)
    assert [] == left_of_box(runtime)


async def test_a_supervisor_that_hangs_is_killed_at_the_end_and_swept_after(
    output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PATIENCE", 0.2)
    runtime = Runtime()
    await runtime.start()
    await runtime.spawn("box", SLEEP, output.stdio)
    assert runtime.supervisor_pid is not None
    os.kill(runtime.supervisor_pid, signal.SIGSTOP)

    await asyncio.wait_for(runtime.close(), PATIENCE)

    assert [] == left_of(runtime.run)


# --- beginnings -----------------------------------------------------------------------------------------------------


async def test_a_supervisor_that_can_t_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("CONTLAB_RUNTIME_DIR", str(tmp_path / "file"))

    with pytest.raises(RuntimeFailure, match=r"the supervisor can't start: it ended: .*Not a directory") as failure:
        await Runtime().start()
    assert "contlab doctor" in failure.value.hint


async def test_a_start_that_is_cancelled_leaves_no_supervisor() -> None:
    runtime = Runtime()
    starting = asyncio.create_task(runtime.start())
    await until(lambda: runtime.supervisor_pid)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting

    assert [] == left_of(runtime.run)


async def test_a_container_is_ready_in_milliseconds(runtime: Runtime, output: Output) -> None:
    """The supervisor is there so that a container costs what the kernel charges."""
    ready = []
    for _ in range(5):
        container = await runtime.spawn("box", SLEEP, output.stdio)
        ready.append(container.started.result().ready_us)
        await container.close()

    assert min(ready) < (1_000_000 if SLOW else 50_000)
