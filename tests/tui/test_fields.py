"""What is this? A row is marked, and asked about: every field that a panel shows is in the glossary."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import pytest
from textual.pilot import Pilot

from contlab.course.progress import Progress
from contlab.lab.column import column
from contlab.lab.glossary import KEYS, Shown, explain
from contlab.observe.snapshot import (
    CpuSample,
    IoSample,
    Link,
    MemorySample,
    MountTree,
    NetworkView,
    PidView,
    Unavailable,
)
from contlab.runtime.events import OperationDone
from contlab.tui.happening import Happening
from contlab.tui.screens.fields import FieldsScreen
from contlab.tui.screens.help import HelpScreen
from contlab.tui.widgets.cgroup import Cgroup
from contlab.tui.widgets.events import Events
from contlab.tui.widgets.machine import Machine
from contlab.tui.widgets.mounts import Mounts
from contlab.tui.widgets.namespaces import Namespaces
from contlab.tui.widgets.network import Network
from contlab.tui.widgets.operations import Operations
from contlab.tui.widgets.output import Output
from contlab.tui.widgets.panel import Panel, Told
from contlab.tui.widgets.processes import Processes
from tests.lab.guest_values import MACHINE, up
from tests.tui.conftest import ROWS, Play, Stage, app_with, settle
from tests.tui.fake_lab import HOSTILE, MIB, FakeLab, birth, cgroup, mounts, namespaces, processes, snapshot
from tests.tui.test_panels import PanelApp, drawn

replace = msgspec.structs.replace
SIZES = [(80, 24), (120, 40)]
OFF = (
    "capabilities are not bounded", "setuid programs give privileges", "no seccomp filter", "no pids limit",
    "nothing in /proc and /sys is masked", "resource limits are its maker's",
)  # fmt: skip


def full_cgroup() -> object:
    """A cgroup with all that its panel can show."""
    plain = cgroup(used=32 * MIB)
    assert isinstance(plain.memory, MemorySample)
    assert isinstance(plain.cpu, CpuSample)
    return replace(
        plain,
        memory=replace(plain.memory, high=16 * MIB, high_events=7),
        cpu=replace(plain.cpu, weight=50),
        io=IoSample(3 * MIB, 0, 12, 0),
        frozen=True,
    )


def panels() -> Iterator[tuple[Panel, dict[str, object]]]:
    """Every panel, full of what it can show."""
    refused = replace(next(event for event in birth() if isinstance(event, OperationDone)), errno=1)
    layered = MountTree((replace(mounts().mounts[0], covered=True), mounts().mounts[1]))
    killed = replace(up(), guest=replace(MACHINE, oom_kills=2, panicked=True))
    yield Processes(), {"processes": (*processes(), PidView(9, 3, 1, "sh", "Z"))}
    yield Mounts(), {"mounts": layered}
    yield Namespaces(), {"namespaces": namespaces(), "unprotected": OFF}
    yield Cgroup(), {"cgroup": full_cgroup(), "history": (1.0,)}
    yield Cgroup(), {"cgroup": up().cgroup, "guest": MACHINE, "history": (1.0,)}
    yield Network(), {"network": NetworkView((Link("eth0", True, ("10.7.0.2/24",), 1, 2, "the bridge", True),))}
    yield Operations(), {"operations": (refused,)}
    yield Events(), {"happenings": (Happening(0.0, "tenant", "started"),)}
    yield Machine(), {"column": column({"box": killed}, ROWS, guest="box")}


def asked() -> Iterator[tuple[str, object]]:
    """Every field of every row."""
    for panel, slices in panels():
        for name, value in slices.items():
            panel.set_reactive(getattr(type(panel), name), value)
        for row in panel.rows(100):
            if isinstance(row, Told):
                yield from ((key, row.subject) for key in row.keys)


def test_each_field_that_a_row_shows_is_in_the_glossary_and_the_glossary_has_no_other() -> None:
    assert {key for key, _ in asked()} == KEYS


@pytest.mark.parametrize("guest", [False, True])
def test_each_field_is_explained_in_one_to_three_sentences(guest: bool) -> None:
    seen = Shown(processes(), cgroup(), guest)
    for key, subject in asked():
        field = explain(key, subject, seen)
        assert field.name, key
        assert field.value, key
        assert field.file, key
        assert 1 <= len([end for end in field.means.replace("e.g.", "").split(". ") if end]) <= 4, key
        assert len(field.means) < 330, key
        assert "{" not in field.name + field.means + field.file + field.where + field.command, key


def marked(app: object) -> list[str]:
    """The lines that carry the mark, without what stands beside them."""
    return [line.split("▸", 1)[1] for line in drawn(app).splitlines() if "│▸" in line]


async def test_only_a_panel_with_the_focus_marks_a_row_and_no_row_moves_for_it() -> None:
    panel = Processes()
    app = PanelApp(panel)
    async with app.run_test(size=(60, 8)) as pilot:
        panel.processes = processes(3)
        await settle(pilot)
        before = drawn(app)
        panel.focus()
        await settle(pilot)
        after = drawn(app)
        assert len(marked(app)) == 1
        assert after.replace("│▸", "│ ") == before
        app.set_focus(None)
        await settle(pilot)
        assert before == drawn(app)


async def test_up_and_down_mark_the_next_row_and_the_heading_is_seen_again_at_the_top() -> None:
    panel = Processes()
    app = PanelApp(panel)
    async with app.run_test(size=(80, 8)) as pilot:
        panel.processes = processes(40)
        panel.focus()
        await settle(pilot)
        assert "18422" in marked(app)[0]
        await pilot.press("down", "down")
        await settle(pilot)
        assert "18424" in marked(app)[0]
        await pilot.press(*["down"] * 20)
        await settle(pilot)
        assert "18444" in marked(app)[0]
        assert "inside" not in drawn(app)
        await pilot.press(*["up"] * 22)
        await settle(pilot)
        assert "18422" in marked(app)[0]
        assert "inside" in drawn(app)
        await pilot.press("end")
        await settle(pilot)
        assert "PID 1" not in marked(app)[0]


async def test_the_mark_stays_with_its_process_when_others_come_and_go() -> None:
    panel = Processes()
    app = PanelApp(panel)
    async with app.run_test(size=(80, 12)) as pilot:
        first, *others = processes(5)
        panel.processes = (first, *others)
        panel.focus()
        await settle(pilot)
        await pilot.press("down", "down", "down")
        panel.processes = (first, *others[1:])
        await settle(pilot)
        assert "18425" in marked(app)[0]


async def test_events_are_followed_until_an_older_one_is_marked_and_again_from_the_newest() -> None:
    many = tuple(Happening(n * 1e6, "tenant", f"event {n}") for n in range(100))
    panel = Events()
    app = PanelApp(panel)
    async with app.run_test(size=(60, 10)) as pilot:
        panel.focus()
        for upto in (50, 60):
            panel.happenings = many[:upto]
            await settle(pilot)
            assert f"event {upto - 1}" in marked(app)[0]
        await pilot.press("up")
        panel.happenings = many[:80]
        await settle(pilot)
        assert "event 58" in marked(app)[0]
        assert "event 79" not in drawn(app)
        await pilot.press(*["down"] * 30)
        await settle(pilot)
        assert "event 79" in marked(app)[0]
        panel.happenings = many
        await settle(pilot)
        assert "event 99" in marked(app)[0]


async def test_output_has_nothing_to_ask_about_and_scrolls_as_ever() -> None:
    panel = Output()
    app = PanelApp(panel)
    async with app.run_test(size=(40, 8)) as pilot:
        panel.text = "".join(f"line {n}\n" for n in range(100))
        panel.focus()
        await settle(pilot)
        await pilot.press("up", "up", "i")
        await settle(pilot)
        assert "line 97" in drawn(app)
        assert "line 99" not in drawn(app)
        assert marked(app) == []


async def test_marking_builds_no_more_rows_than_are_in_sight() -> None:
    panel = Processes()
    app = PanelApp(panel)
    async with app.run_test(size=(80, 12)) as pilot:
        panel.processes = processes(5_000)
        panel.focus()
        await settle(pilot)
        await pilot.press("down", "up")
        await settle(pilot)
        assert len(panel._strips) <= 12


@pytest.mark.parametrize("size", SIZES)
async def test_a_row_is_asked_about_by_a_key_and_the_box_is_closed_by_three(play: Play, size: tuple[int, int]) -> None:
    async with play(size=size) as stage:
        stage.lab.sample(tenant=snapshot())
        await stage.settle()
        await stage.press("i")
        for key in ("escape", "i", "q"):
            await stage.press("i")
            assert isinstance(stage.app.screen, FieldsScreen)
            text = stage.drawn()
            assert "What is this? · Processes" in text
            assert "grep NSpid /proc/18422/status" in text
            await stage.press(key)
            assert stage.app.screen is stage.screen
        await stage.press("down", "i")
        assert "grep NSpid /proc/18423/status" in stage.drawn()


@pytest.mark.parametrize("size", SIZES)
async def test_without_a_panel_that_has_the_focus_the_key_takes_one_in_sight(play: Play, size: tuple[int, int]) -> None:
    async with play(size=size) as stage:
        stage.lab.sample(tenant=snapshot())
        await stage.settle()
        assert marked(stage.app) == []
        await stage.press("i")

        assert isinstance(stage.app.focused, Processes)
        assert len(marked(stage.app)) == 1
        assert ["↑ ↓ mark a row"] == [told.message[:14] for told in stage.app._notifications]


async def test_a_click_marks_a_row_and_a_double_click_asks_about_it(play: Play) -> None:
    async with play(size=(120, 40)) as stage:
        stage.lab.sample(tenant=snapshot())
        await stage.settle()
        namespaces = stage.screen.query_one(Namespaces)
        await stage.pilot.click(namespaces, offset=(5, 3))
        await stage.settle()
        assert stage.app.focused is namespaces
        assert "net" in marked(stage.app)[0]
        await stage.pilot.click(namespaces, offset=(5, 5), times=2)
        await stage.settle()
        assert "nsenter -t 18422 -u hostname" in stage.drawn()


async def test_a_click_copies_a_command_whole(play: Play) -> None:
    async with play(size=(80, 24)) as stage:
        stage.lab.sample(tenant=snapshot())
        await stage.settle()
        await stage.press("i", "i")
        await stage.pilot.click("Command", offset=(3, 0))
        await stage.settle()

        assert stage.app.clipboard == "grep NSpid /proc/18422/status"


async def test_hostile_text_in_the_box_is_drawn_as_it_is(play: Play) -> None:
    async with play(size=(120, 40)) as stage:
        stage.lab.sample(tenant=snapshot(processes=(PidView(9, 1, 0, HOSTILE, "S", HOSTILE + "\x1b[2J"),)))
        await stage.settle()
        await stage.press("i", "i")
        text = stage.drawn()

    assert f"{HOSTILE}␛[2J" in text
    assert "\x1b" not in text


async def test_the_help_tells_of_the_key(play: Play) -> None:
    async with play() as stage:
        await stage.press("question_mark")
        assert isinstance(stage.app.screen, HelpScreen)
        assert "What the marked row shows" in stage.drawn()


async def test_a_part_that_the_host_lacks_is_explained_with_the_reason(play: Play) -> None:
    lacking = replace(cgroup(), memory=Unavailable("no memory controller here"))
    async with play(size=(120, 40)) as stage:
        stage.lab.sample(tenant=snapshot(cgroup=lacking))
        await stage.settle()
        stage.screen.query_one(Cgroup).focus()
        await stage.press("i")
        assert "no memory controller here" in stage.drawn()


def test_the_box_looks_as_it_did(snap_compare: Callable[..., bool], progress: Progress) -> None:
    lab = FakeLab()
    teaching = app_with(lab, progress)

    async def play(pilot: Pilot[None]) -> None:
        stage = Stage(teaching, pilot, lab)
        await stage.settle()
        lab.sample(tenant=snapshot())
        await stage.settle()
        stage.screen.query_one(Cgroup).focus()
        await stage.press("i")

    assert snap_compare(teaching, terminal_size=(120, 40), run_before=play)
