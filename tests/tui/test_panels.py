"""Each panel alone, with canned slices: what it draws, and that hostile text stays text."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from textual.app import App, ComposeResult

from contlab.lab.column import column
from contlab.observe.snapshot import CpuSample, IoSample, Link, MemorySample, NetworkView, PidView, Unavailable
from contlab.runtime.events import OperationDone
from contlab.tui.happening import Happening
from contlab.tui.widgets.cgroup import Cgroup
from contlab.tui.widgets.events import Events
from contlab.tui.widgets.machine import Machine
from contlab.tui.widgets.mounts import Mounts
from contlab.tui.widgets.namespaces import Namespaces
from contlab.tui.widgets.network import Network
from contlab.tui.widgets.operations import Operations
from contlab.tui.widgets.output import Output
from contlab.tui.widgets.panel import Panel
from contlab.tui.widgets.processes import Processes
from tests.lab.guest_values import MACHINE, impossible, up
from tests.tui.conftest import ROWS, drawn, settle
from tests.tui.fake_lab import HOSTILE, MIB, NO_CGROUP, birth, cgroup, mounts, namespaces, processes, snapshot

OPERATIONS = tuple(event for event in birth() if isinstance(event, OperationDone))


class PanelApp(App[None]):
    """One panel, the whole screen, without the focus: it marks no row."""

    AUTO_FOCUS = ""

    def __init__(self, panel: Panel) -> None:
        super().__init__()
        self.panel = panel

    def compose(self) -> ComposeResult:
        yield self.panel


@asynccontextmanager
async def shown(panel: Panel, size: tuple[int, int] = (80, 16), **slices: object) -> AsyncIterator[PanelApp]:
    app = PanelApp(panel)
    async with app.run_test(size=size) as pilot:
        for name, value in slices.items():
            setattr(panel, name, value)
        await settle(pilot)
        yield app


def rows(app: App[None]) -> list[str]:
    """What is drawn inside the border, without the space at the ends."""
    return [line.strip("│╭╮╰╯ ▁█▔").rstrip() for line in drawn(app).splitlines()[1:-1] if line.strip("│ ")]


async def test_processes_are_a_tree_numbered_from_inside_and_outside() -> None:
    async with shown(Processes(), (50, 8), processes=processes(3)) as app:
        assert rows(app) == [
            "inside  outside S  command",
            "1    18422 S  sh  ← PID 1",
            "2    18423 S  ├ sleep 60",
            "3    18424 S  └ sleep 61",
        ]


async def test_a_process_in_the_hosts_own_namespace_is_not_taken_for_its_pid_1() -> None:
    async with shown(Processes(), processes=(PidView(1, 1, 0, "init", "S", "init"),)) as app:
        assert "PID 1" not in drawn(app)


async def test_a_kernel_thread_and_a_zombie_are_named_by_their_comm() -> None:
    async with shown(Processes(), (50, 8), processes=(PidView(9, 3, 1, "sh", "Z"),)) as app:
        assert rows(app)[1] == "3        9 Z  [sh]"


async def test_mounts_say_what_the_host_does_not_have_and_what_is_covered() -> None:
    async with shown(Mounts(), (60, 14), mounts=mounts()) as app:
        lines = [" ".join(row.split()) for row in rows(app)]
        border = drawn(app).splitlines()[-1]

    assert lines[1] == "● / overlay private"
    assert "● │ ├ pts devpts private" in lines
    assert "○ ├ sys sysfs master:7" in lines
    assert "○ ├ mnt ext4 covered" in lines
    assert "● 6 not on the host  ○ 2 shared" in border


async def test_namespaces_are_told_apart_by_sign_and_word() -> None:
    async with shown(Namespaces(), (60, 12), namespaces=namespaces()) as app:
        text = drawn(app)

    assert "● pid    4026532281 own" in text
    assert "○ net    4026531832 host" in text
    assert "hostname tenant-a" in text
    assert "uid_map  0 is 100000 outside (+65536)" in text


async def test_protections_that_are_off_are_named_below_and_else_nothing_is_said_of_them() -> None:
    off = ("no seccomp filter", "nothing in /proc and /sys is masked")
    async with shown(Namespaces(), (50, 14), namespaces=namespaces(), unprotected=off) as app:
        lines = rows(app)
    async with shown(Namespaces(), (50, 14), namespaces=namespaces()) as app:
        before = rows(app)

    assert before == lines[: len(before)]
    assert "protections off: no seccomp filter; nothing in /proc and /sys is masked" == " ".join(
        " ".join(lines[len(before) :]).split()
    )


async def test_a_cgroup_shows_its_gauges_and_whose_limit_bites() -> None:
    async with shown(
        Cgroup(), (60, 12), cgroup=cgroup(used=32 * MIB, kills=2), history=(0.0, 32.0 * MIB, 64.0 * MIB)
    ) as app:
        text = drawn(app)

    assert "32 MiB of 64 MiB" in text
    assert "OOM kills 2" in text
    assert "█ anon 19.2  ▓ file 9.6  ▒ kernel 3.2 MiB" in text
    assert " ▄█ peak 33 MiB" in text
    assert "12 % of 50 %" in text
    assert "throttled 8 %" in text
    assert "2 of 16" in text
    assert "its own limit  memory, pids  parent's  cpu contlab-7f3a" in text


async def test_a_cgroup_shows_its_softer_limits_its_disks_and_that_it_is_frozen_only_where_there_is_something() -> None:
    plain = cgroup(used=32 * MIB)
    assert isinstance(plain.memory, MemorySample)
    assert isinstance(plain.cpu, CpuSample)
    replace = msgspec.structs.replace
    full = replace(
        plain,
        memory=replace(plain.memory, high=16 * MIB, high_events=7),
        cpu=replace(plain.cpu, weight=50),
        io=IoSample(3 * MIB, 0, 12, 0),
        frozen=True,
    )
    words = (
        "frozen: every process of it is stopped",
        "slowed down from 16 MiB on, 7 times so far",
        "weight 50 beside others' 100",
        "io     3 MiB read in 12  0 B written in 0",
    )
    async with shown(Cgroup(), (60, 20), cgroup=full) as app:
        text = drawn(app)
    assert [] == [word for word in words if word not in text]

    quiet = replace(
        plain, cpu=replace(plain.cpu, weight=100), memory=replace(plain.memory, high_events=0),
        io=IoSample(0, 0, 0, 0), frozen=False,
    )  # fmt: skip
    async with shown(Cgroup(), (60, 20), cgroup=quiet) as app:
        text = drawn(app)
    assert [] == [word for word in ("frozen", "slowed", "weight", "io  ") if word in text]


async def test_operations_are_a_waterfall_in_microseconds() -> None:
    async with shown(Operations(), (80, 14), operations=OPERATIONS) as app:
        text = drawn(app)

    assert "host clone3 with seven new namespaces" in text
    assert "410 µs" in text
    assert "10 operations in 1.1 ms" in text
    first, last = text.splitlines()[1], text.splitlines()[10]
    assert first.rstrip(" │").endswith("█")
    assert last.index("█") > first.index("█") + 8


async def test_operations_can_be_shown_as_the_commands_that_do_them_by_hand() -> None:
    async with shown(Operations(), operations=OPERATIONS, by_hand=True) as app:
        assert "mount -t overlay overlay merged" in drawn(app)


async def test_a_refused_operation_says_why() -> None:
    refused = msgspec.structs.replace(OPERATIONS[0], errno=1, error="only root may make a cgroup here")
    async with shown(Operations(), (120, 8), operations=(refused,)) as app:
        assert "✗ host make the cgroup contlab-7f3a/tenant: only root may make a cgroup here" in drawn(app)


async def test_the_machine_names_the_source_of_each_figure_and_what_was_measured_here() -> None:
    async with shown(Machine(), (40, 8), column=column({}, ROWS, ready_us=1_400.0)) as app:
        assert rows(app) == [
            "request to first process",
            "VM        260 ms",
            "container 1.4 ms · measured here",
            "model: NSDI'20 data, 2020",
        ]


async def test_a_measured_guest_is_drawn_with_a_stamp_on_each_line() -> None:
    seen = column({"tenant": snapshot(), "box": up()}, (), guest="box", container="tenant", ready_us=5_000.0)
    async with shown(Machine(), (36, 34), column=seen) as app:
        assert rows(app) == [
            "● box up",
            "TCG: its processor is emulated;",
            "its times aren't what",
            "virtualisation costs.",
            "PID  command      in the guest",
            "1  init",
            "2  [kthreadd] +45 more",
            "91  agent",
            "container tenant, measured here",
            "kernel              in the guest",
            "VM        6.1.0-56-cloud-amd64,",
            "its own",
            "container 6.1.0-56-amd64, the",
            "host's",
            "start              measured here",
            "VM        1.9 s",
            "container 5.0 ms",
            "memory taken       measured here",
            "VM        202 MiB, for 128 MiB",
            "given",
            "container 3 MiB charged",
            "memory inside       in the guest",
            "VM        71 MiB of 92 MiB free",
            "processes           in the guest",
            "VM        48, 46 kernel threads",
            "container 2, no kernel threads",
        ]


async def test_where_there_is_room_both_figures_stand_on_one_line() -> None:
    seen = column({"tenant": snapshot(), "box": up()}, (), guest="box", container="tenant", ready_us=5_000.0)
    async with shown(Machine(), (80, 24), column=seen) as app:
        assert "VM  1.9 s                             container 5.0 ms" in rows(app)
        assert any(line.startswith("PID  1 init  2 [kthreadd] +45 more  91 agent  ") for line in rows(app))


async def test_a_guest_that_cannot_be_had_leaves_a_model_that_is_called_one() -> None:
    async with shown(Machine(), (60, 14), column=column({"box": impossible()}, ROWS, guest="box")) as app:
        text = " ".join(" ".join(rows(app)).split())

        assert "– box isn't there: qemu-system-x86_64 is not on this host" in text
        assert "what follows is a MODEL of one" in text
        assert "model: NSDI'20 data, 2020" in text


async def test_a_guests_processes_have_one_number_and_no_host() -> None:
    async with shown(Processes(), (50, 8), processes=up().processes, in_guest=True) as app:
        assert rows(app)[:3] == ["PID S  command", "1 S  /bin/sh /init  ← PID 1", "91 S  └ /bin/sh /lib/contlab/agent"]
        assert "in the guest: 48" in drawn(app)


async def test_a_guests_namespaces_and_mounts_are_its_own_kernels() -> None:
    async with shown(Namespaces(), (50, 10), namespaces=up().namespaces, in_guest=True) as app:
        assert "○" not in drawn(app)
        assert "users are the guest's own" in drawn(app)
        assert "all its own kernel's" in drawn(app)
    async with shown(Mounts(), (50, 10), mounts=up().mounts, in_guest=True) as app:
        assert "● /" in drawn(app)
        assert "in the guest: 1, none of them the host's" in drawn(app)


async def test_a_guests_limit_is_its_ram_by_its_own_count_and_what_its_qemu_takes_is_told() -> None:
    async with shown(Cgroup(), (60, 12), cgroup=up().cgroup, guest=MACHINE, history=(21.0 * MIB,)) as app:
        text = " ".join(" ".join(rows(app)).split())

        assert "memory 21 MiB of 92 MiB" in text
        assert "it was given 128 MiB. On the host its QEMU takes 202 MiB." in text
        assert "no memory.current" not in text
        assert "Limits · the machine's own" in drawn(app)


async def test_output_shows_control_characters_and_keeps_its_end_in_sight() -> None:
    text = "".join(f"line {n}\n" for n in range(2_000)) + "\x1b[2Jdone\r\n"
    async with shown(Output(), (40, 8), text=text, dropped=5 * MIB) as app:
        assert "␛[2Jdone" in drawn(app)
        assert "5 MiB before this not kept" in drawn(app)
        assert "line 1999" in drawn(app)


async def test_the_newest_event_is_in_sight_unless_one_has_scrolled_up() -> None:
    many = tuple(Happening(n * 1e6, "tenant", f"event {n}") for n in range(100))
    panel = Events()
    async with shown(panel, (60, 10), happenings=many[:90]) as app:
        assert "event 89" in drawn(app)
        panel.scroll_home(animate=False)
        panel.happenings = many
        panel._build()
        app.screen._refresh_layout()
        assert "event 0" in drawn(app)
        assert "event 99" not in drawn(app)


UNTOLD = msgspec.structs.replace(impossible(), guest=Unavailable(HOSTILE + "\x1b[2J"))
"""A guest that isn't there, for a reason that an enemy has written."""

HOSTILE_PANELS = [
    (Processes(), {"processes": (PidView(9, 1, 0, HOSTILE, "S", HOSTILE + "\x1b[2J"),)}),
    (Mounts(), {"mounts": mounts(odd="/" + HOSTILE + "\n\x1b[2J")}),
    (Namespaces(), {"namespaces": namespaces(hostname=HOSTILE + "\x1b[2J")}),
    (Network(), {"network": NetworkView((Link("lo", True, (HOSTILE + "\x1b[2J",)),))}),
    (Operations(), {"operations": (msgspec.structs.replace(OPERATIONS[0], describe=HOSTILE + "\x1b[2J"),)}),
    (Events(), {"happenings": (Happening(0.0, HOSTILE, HOSTILE + "\x1b[2J", True),)}),
    (Output(), {"text": HOSTILE + "\x1b[2J\n"}),
    (Cgroup(), {"cgroup": Unavailable(HOSTILE + "\x1b[2J")}),
    (Machine(), {"column": column({HOSTILE: UNTOLD}, ROWS, guest=HOSTILE)}),
]


@pytest.mark.parametrize(("panel", "slices"), HOSTILE_PANELS, ids=lambda value: type(value).__name__)
async def test_hostile_text_is_drawn_as_it_is_and_never_obeyed(panel: Panel, slices: dict[str, object]) -> None:
    async with shown(panel, (100, 16), **slices) as app:
        text = drawn(app)

    assert HOSTILE in text
    assert "␛[2J" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("panel", "slices"),
    [
        (Processes(), {"processes": NO_CGROUP}),
        (Mounts(), {"mounts": NO_CGROUP}),
        (Namespaces(), {"namespaces": NO_CGROUP}),
        (Network(), {"network": NO_CGROUP}),
        (Cgroup(), {"cgroup": NO_CGROUP}),
        (Cgroup(), {"cgroup": msgspec.structs.replace(cgroup(), memory=NO_CGROUP, cpu=NO_CGROUP, pids=NO_CGROUP)}),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_what_the_host_lacks_is_said_in_words(panel: Panel, slices: dict[str, object]) -> None:
    async with shown(panel, (100, 16), **slices) as app:
        assert "this host has no cgroup to write: mount cgroup2, or run as root" in drawn(app)


@pytest.mark.parametrize(
    ("panel", "words"),
    [
        (Processes(), "the container is not running"),
        (Mounts(), "no mount lies below its root directory"),
        (Namespaces(), "no process to ask"),
        (Network(), "no interface at all"),
        (Operations(), "no container was made yet"),
        (Events(), "nothing has happened yet"),
        (Machine(), "nothing to compare with yet"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_a_panel_with_nothing_to_show_says_so(panel: Panel, words: str) -> None:
    empty: dict[str, object] = {"network": NetworkView()} if isinstance(panel, Network) else {}
    async with shown(panel, **empty) as app:
        panel.redraw()
        assert words in drawn(app)


async def test_only_the_rows_in_sight_are_built() -> None:
    panel = Processes()
    async with shown(panel, (80, 12), processes=processes(5_000)):
        assert len(panel._strips) <= 10


async def test_an_unchanged_slice_is_not_drawn_again() -> None:
    panel = Mounts()
    async with shown(panel, mounts=mounts()):
        before = panel._rows
        panel.mounts = mounts()

        assert panel.mounts == mounts()
        assert not panel._stale
        assert panel._rows is before


async def test_a_panel_follows_its_width() -> None:
    panel = Processes()
    app = PanelApp(panel)
    async with app.run_test(size=(100, 12)) as pilot:
        panel.processes = processes()
        await settle(pilot)
        assert "cpu %" in drawn(app)
        await pilot.resize_terminal(40, 12)
        await settle(pilot)
        assert "cpu %" not in drawn(app)
        assert "sleep 60" in drawn(app)


async def test_rows_leave_room_for_the_scrollbar() -> None:
    long = tuple(Happening(0.0, "tenant", "word " * 30 + "end") for _ in range(9))
    async with shown(Events(), (60, 10), happenings=long) as app:
        assert drawn(app).count("end") >= 2
