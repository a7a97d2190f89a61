"""A lesson with a guest on the Learn screen: the VM column from boot to crash, and the panels inside the guest."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from textual.pilot import Pilot

from contlab.course.catalogue import open_lesson
from contlab.course.lesson import Lesson, Prose, Run, Step, Vm
from contlab.course.progress import Progress
from contlab.course.session import Phase
from contlab.lab import ReplayLab, recording_of
from contlab.lab.protocol import Happened
from contlab.runtime.events import Exited, Removed, Started
from contlab.tui.evidence import Evidence
from contlab.tui.widgets.machine import Machine
from tests.lab.guest_values import MACHINE, booting, impossible, panicked, up
from tests.tui.conftest import Play, Stage, app_with
from tests.tui.fake_lab import FakeLab, birth, cgroup, lesson, snapshot


def lesson_with_guest() -> Lesson:
    """One step: a container and a guest, and a command in each."""
    first, *_ = lesson().steps
    blocks = (
        *first.blocks[:2],
        Vm("box", 12),
        Run("in-box", "box", "uname -r", 20, 60, "Which kernel?"),
        Prose("Two.", 30),
    )
    return msgspec.structs.replace(lesson(), steps=(Step("Two kernels", "two-kernels", 8, blocks),))


LESSONS = (lesson_with_guest(),)


def column_of(stage: Stage) -> str:
    """What stands in the column, without its lines' ends."""
    panel = stage.screen.query_one(Machine)
    drawn = (row() if callable(row) else row for row in panel.rows(panel.size.width))
    return "\n".join(row.plain.rstrip() for row in drawn)


async def test_the_column_follows_a_guest_from_its_boot_to_its_crash(play: Play) -> None:
    async with play(lessons=LESSONS) as stage:
        stage.lab.sample(box=booting())
        await stage.settle()
        assert "◌ box booting for 1.5 s:" in stage.drawn()
        assert "box (booting)" in stage.drawn()
        assert "Until it is up, a MODEL" in column_of(stage)

        stage.lab.sample(box=up())
        await stage.settle()
        text = stage.drawn()
        for words in ("● box up", "[kthreadd] +45 more", "in the guest", "measured here", "VM        1.9 s", "1.1 ms"):
            assert words in text

        stage.lab.sample(box=panicked())
        await stage.settle()
        assert "box (gone)" in stage.drawn()
        assert "✗ box ended: its kernel gave" in column_of(stage)
        assert "took this guest" in column_of(stage)


async def test_a_guest_that_cannot_be_had_leaves_the_model_and_the_lesson_goes_on(play: Play) -> None:
    async with play(lessons=LESSONS) as stage:
        stage.lab.sample(box=impossible())
        await stage.press("enter", "r")

        assert "box (not there)" in stage.drawn()
        assert "isn't there:" in column_of(stage)
        assert "model: NSDI'20 data, 2020" in column_of(stage)
        assert stage.player.session.results[0].container == "box"


async def test_who_waits_for_a_guest_sees_how_far_it_is(play: Play) -> None:
    lab = FakeLab(hold=True)
    async with play(lab, lessons=LESSONS) as stage:
        lab.sample(box=booting())
        await stage.press("enter", "r")
        lab.sample(box=booting(seconds=2.5))
        await stage.settle()
        assert "box: booting for 2.5 s: its kernel" in stage.drawn()
        lab.sample(box=up())
        await stage.settle()
        assert "booting" not in stage.drawn()
        await stage.press("escape")


async def test_the_same_panels_show_the_inside_of_a_guest_and_of_nobody_elses_machine(play: Play) -> None:
    async with play(size=(200, 50), lessons=LESSONS) as stage:
        stage.lab.sample(box=booting())
        await stage.settle()
        stage.lab.sample(box=up())
        await stage.settle()
        stage.screen.chosen = "tenant"
        await stage.settle()
        assert "outside" in stage.drawn()
        await stage.press("t")
        text = stage.drawn()

        assert "outside" not in text
        assert "in the guest: 48" in text
        assert "+1 new" not in text, "all of them are new, so none is marked"
        assert "all its own kernel's" in text
        assert "Limits · the machine's own" in text
        assert "none of them the host's" in text
        assert "Linux 6.1.0-56-cloud-amd64" in text
        assert "container 6.1.0-56-amd64, the" in column_of(stage), "the column's container is still the tenant"


async def test_v_goes_to_the_column_and_back(play: Play) -> None:
    async with play(size=(80, 24), lessons=LESSONS) as stage:
        stage.lab.sample(box=up())
        await stage.press("right", "v")
        assert stage.screen.page == "vm"
        assert "● box up" in stage.drawn()
        await stage.press("v")
        assert stage.screen.page == "processes"
    async with play(size=(120, 40), lessons=LESSONS) as stage:
        await stage.press("v")
        assert isinstance(stage.screen.focused, Machine)
        await stage.press("v")
        assert stage.screen.focused is None


async def test_a_recorded_guest_is_stamped_and_nothing_of_it_was_measured_here(play: Play) -> None:
    lab = FakeLab(recorded=True)
    async with play(lab, lessons=LESSONS) as stage:
        lab.sample(box=up())
        await stage.settle()
        text = column_of(stage)

        assert " RECORDED " in text
        assert "measured there" in text
        assert "measured here" not in text


async def test_several_guests_are_told_at_once_and_the_column_is_that_of_the_chosen_one(play: Play) -> None:
    async with play(lessons=LESSONS) as stage:
        stage.lab.sample(box=panicked(), sibling=up("sibling"))
        await stage.settle()
        assert "+ sibling: up" in column_of(stage)
        stage.screen.chosen = "sibling"
        await stage.settle()
        assert "● sibling up" in column_of(stage)
        assert "+ box: ended: its kernel" in column_of(stage)


def test_events_tell_of_a_guest_by_its_name_and_of_its_qemu_as_a_process() -> None:
    evidence = Evidence()
    evidence.sampled({"box": booting(at=1e6)})
    evidence.happened(Started(container="vm-box", at=1.1e6, pid=4711, ready_us=9_000.0))
    evidence.sampled({"box": up(at=3e6)})
    evidence.sampled({"box": up(at=4e6, machine=msgspec.structs.replace(MACHINE, oom_kills=1))})
    evidence.happened(Exited(container="vm-box", at=5e6, pid=4711, exit_code=0, signal=None))
    evidence.happened(Removed(container="vm-box", at=5.1e6))
    evidence.sampled({"box": panicked(at=5.2e6)})

    assert [(said.container, said.text, said.grave) for said in evidence.happenings] == [
        ("box", "is booting", False),
        ("box", "its QEMU runs as PID 4711 on the host", False),
        ("box", "is up, 1.9 s after it was asked for, with a kernel of its own", False),
        ("box", "its own kernel is out of memory and has killed: 1 so far", True),
        ("box", "its QEMU (PID 4711 on the host) exited with 0", False),
        ("box", "ended: its kernel gave up (sysrq triggered crash)", True),
    ]


def test_a_guests_syscalls_are_those_that_its_qemu_was_started_by() -> None:
    evidence = Evidence()
    evidence.sampled({"tenant": snapshot(), "box": booting()})
    for event in (*birth("tenant"), *birth("vm-box", at=2e6), *birth("vm-box-2", at=3e6)):
        evidence.happened(event)

    assert {operation.container for operation in evidence.operations("box")} == {"vm-box-2"}
    assert {operation.container for operation in evidence.operations("tenant")} == {"tenant"}


@pytest.mark.parametrize(
    ("size", "keys"), [((80, 24), "v"), ((120, 40), "t"), ((120, 40), "")], ids=["small", "inside", "medium"]
)
def test_the_column_looks_as_it_did(
    snap_compare: Callable[..., bool], progress: Progress, size: tuple[int, int], keys: str
) -> None:
    lab = FakeLab()
    app = app_with(lab, progress, *LESSONS)

    async def play(pilot: Pilot[None]) -> None:
        stage = Stage(app, pilot, lab)
        await stage.settle()
        stage.screen.chosen = "tenant"
        lab.sample(tenant=snapshot(cgroup=cgroup()), box=up())
        await stage.settle()
        lab.say(Happened(Started(container="vm-box", at=1.1e6, pid=4711, ready_us=9_000.0)))
        await stage.press(*keys.split())

    assert snap_compare(app, terminal_size=size, run_before=play)


class Replayed(ReplayLab):
    """A recording that the stage can wait for."""

    hold = False


async def test_the_shipped_recording_shows_the_guest_as_it_was_measured_then(progress: Progress) -> None:
    taught = open_lesson("why-containers/a-machine-of-its-own")
    lab = Replayed(recording_of(taught), taught, speed=0)
    app = app_with(lab, progress, taught)  # type: ignore[arg-type]
    async with app.run_test(size=(120, 40)) as pilot:
        stage = Stage(app, pilot, lab)  # type: ignore[arg-type]
        await stage.settle()
        assert "◌ box booting for" in column_of(stage)
        await stage.press("enter", "2", "2", "r", "r", "r")
        text = column_of(stage)
        assert " RECORDED " in text
        assert "● box up" in text
        assert "measured there" in text
        assert "[kthreadd] +" in text
        assert stage.player.session.phase is Phase.EXPLAIN


async def test_every_key_of_the_footer_is_in_sight_on_a_small_screen(progress: Progress) -> None:
    taught = open_lesson("why-containers/a-machine-of-its-own")
    lab = Replayed(recording_of(taught), taught, speed=0)
    app = app_with(lab, progress, taught)  # type: ignore[arg-type]
    async with app.run_test(size=(80, 24)) as pilot:
        stage = Stage(app, pilot, lab)  # type: ignore[arg-type]
        await stage.settle()
        for key in ("enter", "2", "2", "r", "r", "r", "enter", "enter", "2"):
            await stage.press(key)
            assert "q Quit" in stage.drawn().splitlines()[-1]
