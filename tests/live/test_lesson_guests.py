"""A lesson's guests in the live lab: booted while one reads, asked, crashed, stopped, killed; and nothing is left."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from contlab.course.blocks import MISCHIEF
from contlab.course.facts import FactContext, judge
from contlab.course.lesson import Check, Container, Lesson, Prose, Run, Step, Vm
from contlab.lab import LiveLab, guests_of
from contlab.lab.guests_of import LOST
from contlab.lab.protocol import News, Output, Sampled
from contlab.observe.snapshot import Booting, GuestSample, Snapshot
from contlab.runtime.spec import ContainerSpec
from contlab.vm import agent as agents
from tests.live.containers import below
from tests.live.test_guest import cgroups_of, contlab, our_emulators
from tests.live.test_guest_less import GUEST_LESSON
from tests.live.test_lab import DEADLINE, WAITING, Listener

pytestmark = [
    pytest.mark.guest,
    pytest.mark.needs("root", "cgroup-memory", "cgroup-pids", "qemu", "kernel-image", "busybox"),
]


def step_of(*blocks: Container | Vm) -> Step:
    return Step("Step", "step", 1, (Prose("Text.", 2), *blocks))


def run_of(command: str, container: str = "box", name: str = "run", timeout: float = DEADLINE) -> Run:
    return Run(name, container, command, 5, timeout)


BOX = Vm("box", 3)
TENANT = Container("tenant", ContainerSpec(command=WAITING), 4)
LESSON = Lesson(id="test/guests", title="Guests", path=Path("guests.md"), track="test", minutes=1, steps=())


@pytest.fixture
async def lab() -> AsyncIterator[LiveLab]:
    """One without containers or guests yet; afterwards none of its QEMUs is left."""
    lab = await LiveLab.open(LESSON)
    yield lab
    await lab.close()
    assert set() == our_emulators()


async def eventually(found: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not found():
            await asyncio.sleep(0.02)


def guest_of(facts: FactContext, name: str = "box") -> GuestSample:
    guest = facts.snapshots[name].guest
    assert isinstance(guest, GuestSample), guest
    return guest


def holds(facts: FactContext, fact: str, value: object) -> bool:
    return judge(Check(fact, "eq", value, 1), facts).holds


def sampled(item: News, name: str = "box") -> Snapshot | None:
    return item.snapshots.get(name) if isinstance(item, Sampled) else None


def silence(item: News) -> set[str]:
    """What a sample says of a guest that does not answer."""
    box = sampled(item)
    words = "" if box is None or isinstance(box.processes, tuple) else box.processes.reason
    return {words} if "has not answered" in words else set()


async def the_qemu() -> psutil.Process:
    """Of the one guest, as soon as it runs."""
    await eventually(lambda: bool(our_emulators()))
    (qemu,) = our_emulators()
    return qemu


async def test_it_boots_while_one_reads_and_then_answers_as_a_container_does(lab: LiveLab) -> None:
    listener = Listener(lab)
    await lab.enter(step_of(TENANT, BOX))
    booting = sampled(await listener.until(lambda item: sampled(item) is not None))
    assert booting is not None
    assert isinstance(booting.guest, Booting)
    assert (False, "the guest box is still booting") == (booting.alive, booting.guest.reason)

    result = await lab.run(run_of("echo $TENANT_PID; uname -r; exit 3"))
    facts = await lab.facts()

    inside = facts.snapshots["tenant"].processes
    assert isinstance(inside, tuple)
    pid, release = result.output.split()
    assert inside[0].pid == int(pid)
    assert facts.snapshots["box"].kernel == release != facts.host_kernel
    assert (3, None, False, "") == (result.exit_code, result.signal, result.timed_out, result.missing)
    assert result == facts.runs["run"]
    processes = facts.snapshots["box"].processes
    assert isinstance(processes, tuple)
    assert {"init", "kthreadd"} <= {view.comm for view in processes}
    machine = guest_of(facts)
    assert 0 < machine.boot_seconds < DEADLINE
    assert (True, machine.memory) == (facts.snapshots["box"].alive, 128 << 20)
    await lab.close()
    await listener.end()
    assert f"{pid}\n{release}\n" == listener.output("run")


async def test_a_command_in_it_is_killed_at_its_time_limit_and_when_one_interrupts(lab: LiveLab) -> None:
    listener = Listener(lab)
    await lab.enter(step_of(BOX))

    late = await lab.run(run_of("echo here; sleep 1000", timeout=1.0))
    assert (True, 137, signal.SIGKILL) == (late.timed_out, late.exit_code, late.signal)
    assert late.output.startswith("here\n")

    running = asyncio.create_task(lab.run(run_of("echo there; sleep 1000", name="other")))
    await listener.until(lambda item: isinstance(item, Output) and item.run == "other")
    await lab.interrupt()
    cut = await asyncio.wait_for(running, DEADLINE)
    assert (False, 137) == (cut.timed_out, cut.exit_code)
    assert cut.output.startswith("there\n")

    left = await lab.run(run_of("ps | grep '[s]leep 1000'"))
    assert "" == left.output
    await lab.close()
    await listener.end()


async def test_a_panic_is_seen_in_the_facts_and_takes_nobody_along(lab: LiveLab) -> None:
    await lab.enter(step_of(TENANT, BOX, Vm("sibling", 6)))
    before = await lab.facts()
    crash = await lab.run(run_of("echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger"))
    facts = await lab.facts()

    assert holds(before, "box.alive", True)
    assert holds(before, "box.panicked", False)
    assert holds(facts, "box.alive", False)
    assert holds(facts, "box.panicked", True)
    assert (LOST, False) == (crash.exit_code, crash.timed_out)
    assert "its kernel gave up" in crash.output
    assert "its kernel gave up" in guest_of(facts).ended
    assert "its kernel gave up" in judge(Check("box.processes", "gt", 1, 1), facts).seen
    assert holds(facts, "sibling.alive", True)
    assert holds(facts, "tenant.alive", True)
    assert 0 == (await lab.run(run_of("true", "sibling"))).exit_code

    again = await lab.run(run_of("true"))
    assert (LOST, "") == (again.exit_code, again.missing)
    assert "its kernel gave up" in again.output


async def test_a_fork_bomb_in_it_is_its_own_trouble(lab: LiveLab) -> None:
    await lab.enter(step_of(TENANT, BOX, Vm("sibling", 6)))
    await lab.facts()
    command, _, _ = MISCHIEF["bomb"]
    bombing = asyncio.create_task(lab.run(run_of(command, timeout=3.0)))
    assert "here\n" == (await lab.run(run_of("echo here", "sibling", "other"))).output
    await bombing
    facts = await lab.facts()
    assert holds(facts, "sibling.alive", True)
    assert holds(facts, "tenant.alive", True)
    # Whether it still answers is up to its kernel; it can be replaced in any case.
    await lab.enter(step_of(BOX))
    assert "anew\n" == (await lab.run(run_of("echo anew"))).output


async def test_one_of_the_same_name_is_replaced(lab: LiveLab) -> None:
    boot_id = run_of("cat /proc/sys/kernel/random/boot_id")
    await lab.enter(step_of(BOX))
    first = await lab.run(boot_id)
    qemu = await the_qemu()

    await lab.enter(step_of(BOX))
    assert not qemu.is_running()
    other = await lab.run(boot_id)

    assert (0, 0) == (first.exit_code, other.exit_code)
    assert first.output != other.output
    assert 1 == len(our_emulators())


async def test_closed_while_it_boots_nothing_of_it_is_left() -> None:
    lab = await LiveLab.open(LESSON)
    await lab.enter(step_of(BOX))
    qemu = await the_qemu()
    (name,) = {path.rpartition("/")[2] for path in cgroups_of(qemu.pid) if "contlab-" in path}
    await lab.close()

    assert set() == our_emulators()
    assert [] == below("/sys/fs/cgroup", name)


async def test_one_that_is_killed_from_outside_has_ended_and_did_not_panic(lab: LiveLab) -> None:
    await lab.enter(step_of(BOX))
    await lab.facts()
    os.kill((await the_qemu()).pid, signal.SIGKILL)
    facts = await lab.facts()

    assert holds(facts, "box.alive", False)
    assert holds(facts, "box.panicked", False)
    assert "the guest box was killed from outside (signal 9)" == guest_of(facts).ended


async def test_one_that_is_stopped_is_said_not_to_answer_until_it_does_again(
    lab: LiveLab, monkeypatch: pytest.MonkeyPatch
) -> None:
    listener = Listener(lab)
    await lab.enter(step_of(TENANT, BOX))
    assert holds(await lab.facts(), "box.alive", True)
    qemu = await the_qemu()
    with monkeypatch.context() as patch:
        patch.setattr(guests_of, "PATIENCE", 2.0)
        patch.setattr(agents, "ANSWER", 2.0)
        os.kill(qemu.pid, signal.SIGSTOP)
        facts = await lab.facts()
        words = judge(Check("box.processes", "gt", 1, 1), facts).seen
        assert words.startswith("not known: the guest box has not answered for ")
        assert holds(facts, "box.alive", True)  # for the host it is there
        assert guest_of(facts).taken == pytest.approx(128 << 20, rel=0.9)
        assert holds(facts, "tenant.alive", True)

        # Nobody waits for it again: not ten times the patience, not even once.
        asked = time.monotonic()
        for _ in range(10):
            facts = await lab.facts()
        assert time.monotonic() - asked < 10 * 2.0 / 2
        assert holds(facts, "box.alive", True)
        # The screen goes on, too, and is told for how long.
        told: set[str] = set()
        await listener.until(lambda item: told.update(silence(item)) or len(told) >= 3)
        lost = await lab.run(run_of("true"))
        assert (LOST, True) == (lost.exit_code, lost.timed_out)
        assert "the guest did not answer for 2 s\n" == lost.output

    os.kill(qemu.pid, signal.SIGCONT)
    async with asyncio.timeout(DEADLINE):
        while not isinstance((await lab.facts()).snapshots["box"].processes, tuple):
            await asyncio.sleep(0.1)
    assert "again\n" == (await lab.run(run_of("echo again"))).output
    await lab.close()
    await listener.end()


async def test_one_that_is_stopped_can_be_closed(lab: LiveLab) -> None:
    await lab.enter(step_of(BOX))
    await lab.facts()
    os.kill((await the_qemu()).pid, signal.SIGSTOP)
    await asyncio.wait_for(lab.close(), DEADLINE)
    assert set() == our_emulators()


async def test_an_agent_that_is_killed_inside_is_started_anew_and_answers(lab: LiveLab) -> None:
    await lab.enter(step_of(BOX))
    killed = await lab.run(run_of("kill -9 $(pidof agent)"))
    assert (LOST, False) == (killed.exit_code, killed.timed_out)
    assert "it began anew, and what it ran before is lost" in killed.output
    after = await lab.run(run_of("echo here"))
    assert (0, "here\n") == (after.exit_code, after.output)
    assert isinstance((await lab.facts()).snapshots["box"].processes, tuple)


def test_a_lesson_with_a_guest_is_proved_and_what_the_guest_does_not_do_is_refuted(tmp_path: Path) -> None:
    true, false = tmp_path / "true.md", tmp_path / "false.md"
    true.write_text(GUEST_LESSON)
    false.write_text(GUEST_LESSON.replace("asked.exit_code = 0", "asked.exit_code = 3"))

    proved = contlab("lessons", "check", "--prove", str(true))
    assert (0, "") == (proved.returncode, proved.stdout), proved.stderr
    refuted = contlab("lessons", "check", "--prove", str(false))
    line = false.read_text().splitlines().index("asked.exit_code = 3") + 1
    assert (1, f"{false}:{line}: asked.exit_code is 3: seen: 0\n") == (refuted.returncode, refuted.stdout)
