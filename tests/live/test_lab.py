"""The live lab on a real kernel: steps, commands, facts, and that nothing is left."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec
import psutil
import pytest

from contlab.course.catalogue import open_lesson
from contlab.course.facts import FactContext
from contlab.course.lesson import Action, Container, Lesson, Prose, Run, Step
from contlab.errors import RuntimeFailure, TraceError
from contlab.lab import LiveLab
from contlab.lab.output import KEPT, SHOWN
from contlab.lab.protocol import Happened, News, Output, Sampled, Trouble
from contlab.observe.snapshot import CgroupSample, MountTree, NetworkView, Snapshot
from contlab.runtime.events import Exited, OperationDone, Started
from contlab.runtime.spec import Bind, ContainerSpec, RootMethod, Tmpfs
from tests.live.containers import traces_of

pytestmark = pytest.mark.needs("root", "cgroup-memory", "cgroup-pids", "ns-pid", "pivot_root", "proc")

DEADLINE = 300
"""Seconds within which even an emulated machine has done what a test waits for."""

WAITING = ("/bin/sh", "-c", "read line")
"""A first process that waits for its stdin, which the lab holds open."""


@pytest.fixture
def walls(checkout: Path) -> Lesson:
    return open_lesson(str(checkout / "tests/data/lessons/walls.md"))


def step_of(*containers: Container) -> Step:
    return Step("Step", "step", 1, (Prose("Text.", 2), *containers))


def box(**spec: object) -> Container:
    return Container("box", ContainerSpec(**{"command": WAITING, **spec}), 3)


def run_of(command: str, name: str = "run", timeout: float = DEADLINE) -> Run:
    return Run(name, "box", command, 5, timeout)


class Listener:
    """Everything a lab tells."""

    def __init__(self, lab: LiveLab) -> None:
        self.heard: list[News] = []
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._listen(lab))

    async def _listen(self, lab: LiveLab) -> None:
        async for item in lab.news():
            self.heard.append(item)
            self._changed.set()

    async def until(self, found: Callable[[News], bool]) -> News:
        """The first news, past or to come, of which ``found`` is true."""
        async with asyncio.timeout(DEADLINE):
            while (news := next((item for item in self.heard if found(item)), None)) is None:
                self._changed.clear()
                await self._changed.wait()
        return news

    async def end(self) -> None:
        async with asyncio.timeout(DEADLINE):
            await self._task

    def output(self, run: str) -> str:
        return "".join(item.text for item in self.heard if isinstance(item, Output) and item.run == run)


@pytest.fixture
async def lab(walls: Lesson) -> AsyncIterator[LiveLab]:
    lab = await LiveLab.open(walls)
    yield lab
    await lab.close()


def snapshot(facts: FactContext, name: str = "box") -> Snapshot:
    return facts.snapshots[name]


def pids(facts: FactContext, name: str = "box") -> list[tuple[int, int]]:
    processes = snapshot(facts, name).processes
    assert isinstance(processes, tuple)
    return sorted((process.inside, process.pid) for process in processes)


async def ended(processes: list[tuple[int, int]]) -> None:
    """They are dead; whoever inherited one may take any time to reap it."""
    async with asyncio.timeout(DEADLINE):
        while [pid for _, pid in processes if runs(pid)]:
            await asyncio.sleep(0.05)


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def run_name(facts: FactContext) -> str:
    """From the name of the container's cgroup."""
    cgroup = Path(f"/proc/{pids(facts)[0][1]}/cgroup").read_text()
    found = re.search(r"contlab-([0-9a-f]{8})", cgroup)
    assert found
    return found[1]


async def test_the_containers_of_a_step_run_when_it_is_entered_and_their_commands_are_answered(
    lab: LiveLab, walls: Lesson
) -> None:
    before = await lab.facts()
    await lab.enter(walls.steps[0])
    result = await lab.run(walls.steps[0].of(Run)[0])
    after = await lab.facts()

    assert {} == before.snapshots
    assert (0, None, False) == (result.exit_code, result.signal, result.timed_out)
    assert result.output.startswith("inside\n")
    assert result.output.endswith("unreachable\n")
    assert {"look": result} == after.runs
    assert os.uname().release == after.host_kernel == snapshot(after).kernel
    assert os.uname().nodename == after.host_hostname
    assert snapshot(after).alive
    assert 1 == pids(after)[0][0]


def action(action: Action, name: str) -> Run:
    return Run(name, "box", "", 5, action=action)


@pytest.mark.needs("ns-net")
async def test_a_cable_is_cut_and_mended_and_what_is_seen_says_so(lab: LiveLab) -> None:
    await lab.enter(step_of(box(network="lan"), Container("shop", ContainerSpec(command=WAITING, network="lan"), 3)))
    carrier = "cat /sys/class/net/eth0/carrier"

    seen = []
    for done in (None, Action.CUT, Action.MEND):
        if done is not None:
            result = await lab.run(action(done, done.value))
            assert (0, None, "") == (result.exit_code, result.signal, result.output)
        facts = await lab.facts()
        network = snapshot(facts).network
        assert isinstance(network, NetworkView)
        printed = (await lab.run(run_of(carrier))).output
        seen.append((printed, [link.cut for link in network.links if link.name == "eth0"]))

    assert [("1\n", [False]), ("0\n", [True]), ("1\n", [False])] == seen


async def test_a_frozen_container_stands_still_until_it_is_thawed_and_a_command_thaws_it(lab: LiveLab) -> None:
    await lab.enter(step_of(box()))

    frozen = []
    for done in (Action.FREEZE, Action.THAW, Action.FREEZE):
        await lab.run(action(done, done.value))
        cgroup = snapshot(await lab.facts()).cgroup
        assert isinstance(cgroup, CgroupSample)
        frozen.append(cgroup.frozen)
    assert [True, False, True] == frozen

    assert "awake\n" == (await lab.run(run_of("echo awake"))).output


async def test_what_this_host_refuses_is_told(lab: LiveLab) -> None:
    await lab.enter(step_of(box()))

    with pytest.raises(RuntimeFailure, match="box is in no network"):
        await lab.run(action(Action.CUT, "cut"))


async def test_entering_another_step_replaces_the_container_of_the_same_name(lab: LiveLab, walls: Lesson) -> None:
    await lab.enter(walls.steps[0])
    old = pids(await lab.facts())
    await lab.enter(walls.steps[1])
    new = await lab.facts()

    assert "elsewhere\n" == (await lab.run(walls.steps[1].of(Run)[0])).output
    await ended(old)
    assert pids(new)[0] != old[0]


async def test_a_container_of_another_name_stays(lab: LiveLab) -> None:
    await lab.enter(step_of(box(), Container("other", ContainerSpec(command=WAITING), 4)))
    facts = await lab.facts()
    await lab.enter(step_of(box()))
    later = await lab.facts()

    assert {"box", "other"} == later.snapshots.keys()
    assert pids(facts, "other") == pids(later, "other")
    assert pids(facts) != pids(later)


async def test_closing_leaves_nothing_ends_the_news_and_may_be_done_twice(lab: LiveLab, walls: Lesson) -> None:
    listener = Listener(lab)
    await lab.enter(walls.steps[0])
    facts = await lab.facts()
    run = run_name(facts)
    assert traces_of(run)

    await lab.close()
    await lab.close()

    assert [] == traces_of(run)
    await ended(pids(facts))
    await listener.end()


async def test_at_its_time_limit_a_command_is_killed_with_all_that_it_started(lab: LiveLab) -> None:
    await lab.enter(step_of(box()))

    result = await lab.run(run_of("sleep 1000 & (sleep 1001; true) & echo begun; sleep 1002", timeout=1.0))

    assert (True, 137, signal.SIGKILL, "begun\n") == (
        result.timed_out, result.exit_code, result.signal, result.output,
    )  # fmt: skip
    assert result.seconds >= 1.0
    async with asyncio.timeout(DEADLINE):
        while len(left := pids(await lab.facts())) > 1:
            await asyncio.sleep(0.05)
    assert 1 == left[0][0]


async def test_an_interrupt_kills_the_command_that_runs_and_the_next_one_runs(lab: LiveLab) -> None:
    listener = Listener(lab)
    await lab.enter(step_of(box()))
    running = asyncio.create_task(lab.run(run_of("echo begun; sleep 1000", "long")))
    await listener.until(lambda news: isinstance(news, Output) and "begun" in news.text)

    await lab.interrupt()

    result = await asyncio.wait_for(running, DEADLINE)
    assert (137, signal.SIGKILL, False) == (result.exit_code, result.signal, result.timed_out)
    await lab.interrupt()  # nothing runs: nothing happens
    assert "next\n" == (await lab.run(run_of("echo next", "next"))).output


async def test_what_a_command_leaves_running_goes_on_printing(lab: LiveLab) -> None:
    listener = Listener(lab)
    await lab.enter(step_of(box()))
    later = "(while [ ! -e /tmp/go ]; do sleep 0.1; done; echo later) & echo now"

    result = await lab.run(run_of(later, "first"))
    assert ("now\n", 0) == (result.output, result.exit_code)
    await lab.run(run_of(": > /tmp/go", "second"))

    await listener.until(lambda news: news == Output("first", "later\n"))
    assert "now\nlater\n" == listener.output("first")


async def test_a_command_that_prints_100_mb_is_read_to_its_end_and_shown_in_pieces(lab: LiveLab) -> None:
    listener = Listener(lab)
    await lab.enter(step_of(box()))

    result = await lab.run(run_of("yes | head -c 100000000; echo; echo done", "flood"))

    assert 0 == result.exit_code
    assert KEPT == len(result.output)
    assert result.output.endswith("y\n\ndone\n")
    pieces = [item.text for item in listener.heard if isinstance(item, Output)]
    left_out = sum(int(number) for piece in pieces for number in re.findall(r"^\.\.\. (\d+) characters left", piece))
    assert left_out > 50_000_000
    assert max(len(piece) for piece in pieces) < SHOWN + 100


async def test_commands_know_the_lesson_s_folder_and_each_other_s_numbers(lab: LiveLab) -> None:
    writing = ("/bin/sh", "-c", 'echo note > "$LAB/file"; read line')
    host = ContainerSpec(command=writing, root=RootMethod.HOST, namespaces=frozenset())
    mounted = ContainerSpec(command=WAITING, binds=(Bind("$LAB", "/lab"),))
    await lab.enter(step_of(Container("my-host", host, 3), Container("box", mounted, 4)))

    result = await lab.run(run_of('while [ ! -s /lab/file ]; do sleep 0.1; done; cat /lab/file; echo "$MY_HOST_PID"'))

    facts = await lab.facts()
    processes = snapshot(facts, "my-host").processes
    assert isinstance(processes, tuple)
    assert f"note\n{processes[0].pid}\n" == result.output


async def test_news_are_operations_then_the_start_then_samples_and_at_last_the_exit(lab: LiveLab) -> None:
    listener = Listener(lab)
    await lab.enter(step_of(box()))
    await lab.run(run_of("kill -9 -1", "all"))  # all that it can see, but not itself and not PID 1
    await lab.enter(step_of(box()))
    await lab.close()
    await listener.end()

    events = [item.event for item in listener.heard if isinstance(item, Happened) and item.event.container == "box"]
    started = [place for place, event in enumerate(events) if isinstance(event, Started)]
    assert 2 == len(started)
    assert all(isinstance(event, OperationDone) for event in events[: started[0]])
    assert [] == [event for event in events if isinstance(event, OperationDone) and event.errno]
    assert any(isinstance(event, Exited) for event in events[started[0] : started[1]])
    assert any(isinstance(item, Sampled) and "box" in item.snapshots for item in listener.heard)
    assert [] == [item for item in listener.heard if isinstance(item, Trouble)]


# --- what the kernel lets people call things ----------------------------------------------------------------------


async def test_a_process_named_like_markup_and_a_mount_point_with_a_newline_are_seen_as_they_are(lab: LiveLab) -> None:
    naming = ("/bin/sh", "-c", "printf '[kthreadd] [/] x' > /proc/self/comm; read line")
    place = "/a b\n[c]\\040"
    spec = {"command": naming, "tmpfs": (Tmpfs(place, 1 << 20),), "binds": (Bind("$LAB", f"{place}/in"),)}
    await lab.enter(step_of(box(**spec)))

    async with asyncio.timeout(DEADLINE):
        while not (await lab.run(run_of("cat /proc/1/comm", "name"))).output.startswith("["):
            await asyncio.sleep(0.05)
    seen = snapshot(await lab.facts())

    assert isinstance(seen.processes, tuple)
    assert "[kthreadd] [/] x"[:15] == seen.processes[0].comm
    assert isinstance(seen.mounts, MountTree)
    points = [mount.mount_point for mount in seen.mounts.mounts]
    assert 1 == points.count(place)
    assert 1 == points.count(f"{place}/in")
    assert ["tmpfs"] == [mount.fs_type for mount in seen.mounts.mounts if mount.mount_point == place]


async def test_snapshots_stay_right_while_processes_come_and_go(lab: LiveLab) -> None:
    listener = Listener(lab)
    await lab.enter(step_of(box()))
    churn = "n=0; while [ $n -lt 900 ]; do (:) & (:) & (:) & wait; n=$((n+3)); done; echo $n"
    running = asyncio.create_task(lab.run(run_of(churn, "churn")))
    looks = 0
    while not running.done():
        seen = pids(await lab.facts())
        looks += 1
        assert len(set(seen)) == len({pid for _, pid in seen}) == len({inside for inside, _ in seen}) == len(seen)
        assert 1 == seen[0][0]

    assert "900\n" == running.result().output
    assert looks > 1
    assert 1 == len(pids(await lab.facts()))
    assert [] == [item for item in listener.heard if isinstance(item, Trouble)]


# --- what can go wrong --------------------------------------------------------------------------------------------


async def test_a_command_for_a_container_that_is_not_open_is_refused(lab: LiveLab) -> None:
    with pytest.raises(RuntimeFailure, match="the container box is not open"):
        await lab.run(run_of("true"))


async def test_a_command_for_a_container_that_has_ended_is_refused_and_its_facts_say_so(lab: LiveLab) -> None:
    listener = Listener(lab)
    await lab.enter(step_of(box(command=("/bin/true",))))
    await listener.until(lambda news: isinstance(news, Happened) and isinstance(news.event, Exited))

    with pytest.raises(RuntimeFailure, match="box is not running"):
        await lab.run(run_of("true"))
    assert not snapshot(await lab.facts()).alive


async def test_a_container_that_can_t_be_made_is_an_error_and_the_lab_goes_on(lab: LiveLab) -> None:
    with pytest.raises(RuntimeFailure) as caught:
        await lab.enter(step_of(box(command=("/no/such/command",))))
    assert "/no/such/command" in caught.value.message
    assert 127 == caught.value.exit_code

    await lab.enter(step_of(box()))
    assert "ok\n" == (await lab.run(run_of("echo ok"))).output


async def test_when_the_supervisor_is_killed_calls_fail_with_the_reason_and_nothing_is_left(lab: LiveLab) -> None:
    listener = Listener(lab)
    await lab.enter(step_of(box()))
    facts = await lab.facts()
    run = run_name(facts)
    running = asyncio.create_task(lab.run(run_of("echo begun; sleep 1000")))
    await listener.until(lambda news: isinstance(news, Output) and "begun" in news.text)

    os.kill(psutil.Process(pids(facts)[0][1]).ppid(), signal.SIGKILL)

    with pytest.raises(RuntimeFailure, match="supervisor"):
        await asyncio.wait_for(running, DEADLINE)
    with pytest.raises(RuntimeFailure, match="supervisor"):
        await lab.enter(step_of(box()))
    assert await listener.until(lambda news: isinstance(news, Trouble))
    await lab.close()
    assert [] == traces_of(run)
    await ended(pids(facts))


async def test_a_cancelled_command_does_not_keep_the_lab_from_being_closed(lab: LiveLab) -> None:
    listener = Listener(lab)
    await lab.enter(step_of(box()))
    run = run_name(await lab.facts())
    running = asyncio.create_task(lab.run(run_of("echo begun; sleep 1000")))
    await listener.until(lambda news: isinstance(news, Output))

    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running

    await lab.close()
    assert [] == traces_of(run)


async def test_a_recording_that_can_t_be_begun_opens_nothing(walls: Lesson) -> None:
    before = psutil.Process().children()

    with pytest.raises(TraceError, match="No space left"):
        await LiveLab.open(walls, Path("/dev/full"))

    assert before == psutil.Process().children()


async def test_a_machine_that_can_t_be_made_leaves_no_supervisor(walls: Lesson) -> None:
    before = psutil.Process().children()
    impossible = msgspec.structs.replace(walls, machine=msgspec.structs.replace(walls.machine, pids=-7))

    with pytest.raises(RuntimeFailure):
        await LiveLab.open(impossible)

    assert before == psutil.Process().children()
