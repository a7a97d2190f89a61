"""Guests in lessons: the ``toml vm`` blocks, the mistakes one can make in them, and the facts of a guest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from contlab.course.document import Draft, parse
from contlab.course.facts import FactContext, RunResult, judge
from contlab.course.lesson import Check, Lesson, Run, Vm
from contlab.course.lint import check_lesson
from contlab.observe.snapshot import GuestSample, PidView, Snapshot, Unavailable

MIB = 1 << 20

Spoil = Callable[[str, str], Draft]


@pytest.fixture
def with_guest(small: str) -> Callable[[str], Draft]:
    """The small lesson, which needs a guest now, with vm blocks in its step."""

    def read(blocks: str) -> Draft:
        needing = small.replace("minutes: 5", "minutes: 5\nneeds: [qemu, kernel-image]")
        return parse(needing.replace("Now you know.", blocks), Path("x.md"))

    return read


def lesson_of(draft: Draft) -> Lesson:
    assert not check_lesson(draft)
    return draft.lesson


def found(draft: Draft) -> list[str]:
    return [f"{m.message}" + (f" -> {m.nearest}" if m.nearest else "") for m in check_lesson(draft)]


def vm(*lines: str) -> str:
    return "\n".join(("```toml vm", *lines, "```", ""))


def test_a_vm_block_without_an_action_boots_a_guest(with_guest: Callable[[str], Draft]) -> None:
    lesson = lesson_of(with_guest(vm('name = "box"') + "\n" + vm('name = "other"', 'memory = "96M"')))

    assert [("box", 128 * MIB), ("other", 96 * MIB)] == [(each.name, each.memory) for each in lesson.steps[0].of(Vm)]


@pytest.mark.parametrize(
    ("action", "command", "limit"),
    [
        ("exhaust", "tail /dev/zero", 90.0),
        ("bomb", "bomb() { bomb | bomb & }; bomb", 10.0),
        ("panic", "echo 1 >/proc/sys/kernel/sysrq\necho c >/proc/sysrq-trigger", 60.0),
        ("off", "reboot -f", 60.0),
    ],
)
def test_what_is_done_to_a_guest_is_a_command_in_it(
    with_guest: Callable[[str], Draft], action: str, command: str, limit: float
) -> None:
    blocks = vm('name = "box"') + "\n" + vm('name = "box"', f'action = "{action}"')
    run = lesson_of(with_guest(blocks)).steps[0].of(Run)[-1]

    assert (f"box-{action}", "box", command, limit) == (run.name, run.container, run.command, run.timeout)
    assert run.why


def test_a_run_in_a_guest_has_the_name_the_reason_and_the_limit_that_it_is_given(
    with_guest: Callable[[str], Draft],
) -> None:
    keys = ('name = "box"', 'action = "run"', 'run = "seen"', 'command = "ps"', 'why = "Who is there?"', "timeout = 60")
    run = lesson_of(with_guest(vm('name = "box"') + "\n" + vm(*keys))).steps[0].of(Run)[-1]

    assert ("seen", "box", "ps", "Who is there?", 60.0) == (
        run.name, run.container, run.command, run.why, run.timeout
    )  # fmt: skip


@pytest.mark.parametrize(
    ("blocks", "mistake"),
    [
        (vm('memory = "96M"'), 'a vm block needs a `name`, and an `action` such as "boot"'),
        (vm('name = "box"', 'action = "panik"'), "unknown action `panik` -> panic"),
        (vm('name = "box"', 'memroy = "96M"'), "unknown key `memroy` -> memory"),
        (vm('name = "box"', 'memory = "32M"'), "`memory` of a guest must be from 80M to 1G"),
        (vm('name = "box"', 'memory = "2G"'), "`memory` of a guest must be from 80M to 1G"),
        (vm('name = "tenant"'), "`tenant` is both a container and a guest: facts could not tell them apart"),
        (vm('name = "look"'), "`look` is both a guest and a run: facts could not tell them apart"),
        (vm('name = "Box"'), "the name 'Box' must be small letters, digits and -, a letter first"),
        (vm('name = "box"', 'action = "panic"'), "unknown container `box`; there are: tenant"),
        (vm('name = "box"') + "\n" + vm('name = "bix"', 'action = "off"'), "unknown container `bix` -> box"),
        (vm('name = "box"') + '\n```toml expect\nbox.thread = 1\n```', "unknown fact of `box` `thread` -> threads"),
        (vm('name = "box"') + '\n```toml expect\nbox.memory.taken = "much"\n```',
         "`box.memory.taken`: 'much' is no size: write a number with K, M, G or T (32M, 1.5GiB), plain bytes, or max"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_vm_block_is_named_with_the_nearest_word(
    with_guest: Callable[[str], Draft], blocks: str, mistake: str
) -> None:
    assert mistake in found(with_guest(blocks))


def test_a_lesson_that_boots_a_guest_says_so_in_its_needs(spoil: Spoil) -> None:
    draft = spoil("Now you know.", vm('name = "box"'))

    assert [f"the lesson boots a guest: its `needs` must name {word}" for word in ("qemu", "kernel-image")] == found(
        draft
    )


MACHINE = GuestSample(
    accelerator="tcg", boot_seconds=1.5, memory=128 * MIB, taken=203 * MIB, total=92 * MIB, available=80 * MIB,
    oom_kills=0,
)  # fmt: skip
GUEST = Snapshot(
    target="box",
    at=1.0,
    kernel="6.1.0",
    processes=(
        PidView(pid=1, inside=1, ppid=0, comm="init", state="S", command="/bin/sh /init"),
        PidView(pid=2, inside=2, ppid=0, comm="kthreadd", state="S"),
        PidView(pid=9, inside=9, ppid=2, comm="kworker/0:1", state="I"),
    ),
    guest=MACHINE,
)


def seen(facts: FactContext, guest: Snapshot, fact: str, value: Any, operator: str = "eq") -> tuple[bool, str]:
    context = msgspec.structs.replace(facts, snapshots=facts.snapshots | {"box": guest})
    verdict = judge(Check(fact, operator, value, 1), context)
    return verdict.holds, verdict.seen


@pytest.mark.parametrize(
    ("fact", "value", "words"),
    [
        ("box.alive", True, "alive"),
        ("box.kernel", "6.1.0", '"6.1.0"'),
        ("box.processes", 3, "3 processes"),
        ("box.threads", 2, "2 threads"),
        ("box.memory.given", "128M", "128 MiB"),
        ("box.memory.taken", "203M", "203 MiB"),
        ("box.memory.total", "92M", "92 MiB"),
        ("box.memory.available", "80M", "80 MiB"),
        ("box.memory.oom_kills", 0, "0 processes"),
        ("box.boot.seconds", 1.5, "1.5 s"),
        ("box.panicked", False, "no"),
    ],
)
def test_a_guests_facts_are_read_from_its_snapshot(facts: FactContext, fact: str, value: Any, words: str) -> None:
    assert (True, words) == seen(facts, GUEST, fact, value)


def test_a_guests_kernel_is_compared_with_the_hosts(facts: FactContext) -> None:
    other = msgspec.structs.replace(facts, host_kernel="6.18.0")

    assert seen(other, GUEST, "box.kernel", "host.kernel", "differs_from")[0]
    assert not seen(facts, GUEST, "box.kernel", "host.kernel", "differs_from")[0]


def test_one_that_has_ended_answers_for_its_end_and_nothing_else(facts: FactContext) -> None:
    ended = msgspec.structs.replace(MACHINE, ended="ended: its kernel gave up", panicked=True)
    gone = msgspec.structs.replace(GUEST, alive=False, guest=ended)

    assert seen(facts, gone, "box.alive", False)[0]
    assert seen(facts, gone, "box.panicked", True)[0]
    assert seen(facts, gone, "box.memory.given", "128M")[0]
    assert (False, "not known: box ended: its kernel gave up") == seen(facts, gone, "box.processes", 3)


@pytest.mark.parametrize("operator", ["eq", "ne"])
@pytest.mark.parametrize("fact", ["box.alive", "box.panicked", "box.processes"])
def test_of_one_that_was_never_there_nothing_is_known(facts: FactContext, fact: str, operator: str) -> None:
    absent = msgspec.structs.replace(GUEST, alive=False, guest=Unavailable("QEMU is not on this host"))

    assert (False, "not known: QEMU is not on this host") == seen(facts, absent, fact, 0, operator)


def test_of_one_that_does_not_answer_only_what_the_host_knows_is_known(facts: FactContext) -> None:
    silent = Unavailable("the guest box has not answered for 12 s")
    outside = msgspec.structs.replace(MACHINE, total=silent, available=silent, oom_kills=silent)
    stopped = msgspec.structs.replace(GUEST, processes=silent, guest=outside)

    assert (True, "alive") == seen(facts, stopped, "box.alive", True)
    assert (True, "203 MiB") == seen(facts, stopped, "box.memory.taken", "203M")
    for fact in ("box.processes", "box.threads", "box.memory.available", "box.memory.oom_kills"):
        assert (False, f"not known: {silent.reason}") == seen(facts, stopped, fact, 0, "ne")


def test_of_a_run_whose_guest_was_not_there_nothing_is_known(facts: FactContext) -> None:
    missing = RunResult("off", "box", 255, None, "", 0.0, missing="the guest box isn't there: no QEMU")
    without = msgspec.structs.replace(facts, runs={"off": missing})

    assert (False, "not known: the guest box isn't there: no QEMU") == seen(without, GUEST, "off.exit_code", 0, "ne")
