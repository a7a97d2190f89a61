"""The VM column: what is measured, where each figure is from, and the model where nothing is."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from contlab.lab.column import NOTHING, Line, State, column, guests, state, words
from contlab.observe.snapshot import CgroupSample, MemorySample, PidView, Snapshot, Unavailable
from contlab.vm.model import ModelParameters, rows
from tests.lab.guest_values import MACHINE, MIB, booting, impossible, panicked, silent, up

MODEL = rows(ModelParameters(), 16 << 30)
UNTOLD = Unavailable("not told")
TENANT = Snapshot(
    target="tenant",
    at=4_000_000.0,
    kernel="6.18.44",
    processes=(PidView(18422, 1, 18400, "sh", "S", "sh"),),
    cgroup=CgroupSample(
        "v2", "/sys/fs/cgroup/t", MemorySample(3 * MIB, None, UNTOLD, UNTOLD, UNTOLD, UNTOLD, 0, 0), UNTOLD, UNTOLD
    ),
)


def beside(guest: Snapshot, **others: Snapshot):
    snapshots = {"tenant": TENANT, guest.target: guest, **others}
    return column(snapshots, MODEL, guest=guest.target, container="tenant", ready_us=5_000.0)


def measured(guest: Snapshot) -> dict[str, Line]:
    return {line.label: line for line in beside(guest).measured}


def test_a_guest_that_runs_is_measured_beside_the_container():
    seen = beside(up())

    assert (State.UP, "up", "tenant, measured here") == (seen.state, seen.words, seen.beside)
    assert seen.measured == (
        Line(label="kernel", vm="6.1.0-56-cloud-amd64, its own", tag="in the guest", container="6.18.44, the host's"),
        Line(label="start", vm="1.9 s", tag="measured here", container="5.0 ms"),
        Line(label="memory taken", vm="202 MiB, for 128 MiB given", tag="measured here", container="3 MiB charged"),
        Line(label="memory inside", vm="71 MiB of 92 MiB free", tag="in the guest"),
        Line(label="processes", vm="48, 46 kernel threads", tag="in the guest", container="1, no kernel threads"),
    )


def test_its_first_processes_are_named_and_its_kernels_threads_counted():
    assert beside(up()).first == ((1, "init"), (2, "[kthreadd] +45 more"), (91, "agent"))


def test_emulation_is_named_and_the_cited_start_stays_beside_it():
    emulated, real = beside(up()), beside(up(machine=replace(MACHINE, accelerator="kvm")))

    assert "emulated" in emulated.accelerator
    assert "emulated" not in real.accelerator
    assert "request to first process" in [line.label for line in emulated.modelled]
    assert "request to first process" not in [line.label for line in real.modelled]


def test_what_is_measured_is_not_modelled_as_well_and_the_rest_names_its_source():
    labels = {line.label for line in beside(up()).modelled}

    assert not labels & {"kernel", "memory given up at idle", "usable inside"}
    assert {"image on disk", "CPU throughput", "what a kernel crash takes down"} <= labels
    assert all(line.tag.startswith("model: ") for line in beside(up()).modelled)


def test_a_guest_that_boots_says_how_long_and_how_far_and_nothing_is_said_to_be_measured_of_it():
    seen = beside(booting())

    assert State.BOOTING is seen.state
    assert "booting for 1.5 s: its kernel starts, under emulation" == seen.words
    assert () == seen.measured
    assert len(MODEL) == len(seen.modelled)


def test_a_guest_that_cannot_be_had_says_why_and_the_model_is_there():
    seen = beside(impossible())

    assert State.ABSENT is seen.state
    assert seen.words.startswith("isn't there: qemu-system-x86_64 is not on this host")
    assert () == seen.measured
    assert len(MODEL) == len(seen.modelled)


def test_the_model_beside_a_measured_container_says_which_is_which():
    line = next(line for line in beside(impossible()).modelled if line.label == "request to first process")

    assert ("5.0 ms", "measured here") == (line.container, line.container_tag)
    assert line.tag.startswith("model: ")


def test_a_panicked_guest_says_how_it_ended_what_it_took_down_and_that_its_memory_is_back():
    seen, lines = beside(panicked()), measured(panicked())

    assert (State.ENDED, "ended: its kernel gave up (sysrq triggered crash)") == (seen.state, seen.words)
    assert ("took this guest", "goes on") == (lines["crash"].vm, lines["crash"].container)
    assert "nothing now; it had 128 MiB" == lines["memory taken"].vm
    assert "what a kernel crash takes down" not in [line.label for line in seen.modelled]
    assert () == seen.first


def test_its_own_oom_killer_is_told_once_it_has_acted():
    line = measured(up(machine=replace(MACHINE, oom_kills=1)))["OOM killer"]

    assert ("its own; killed 1", "in the guest", "killed 0") == (line.vm, line.tag, line.container)
    assert "OOM killer" not in measured(up())


def test_a_guest_that_does_not_answer_is_up_and_what_it_does_not_tell_is_left_to_the_model():
    seen = beside(silent())

    assert (State.SILENT, "up, but it does not answer") == (seen.state, seen.words)
    assert ["kernel", "start", "memory taken"] == [line.label for line in seen.measured]


def test_the_other_guests_are_told_in_a_sentence_each():
    assert ("sibling: booting for 0.5 s: its kernel starts, under emulation",) == beside(
        up(), sibling=booting("sibling", 0.5)
    ).others


def test_a_recording_was_not_measured_here():
    seen = column({"tenant": TENANT, "box": up()}, MODEL, guest="box", container="tenant", recorded=True)

    assert {"measured there", "in the guest"} == {line.tag for line in seen.measured}
    assert "tenant, measured there" == seen.beside
    assert seen.recorded


def test_a_lesson_without_guests_has_the_model_only():
    seen = column({"tenant": TENANT}, MODEL, container="tenant", ready_us=5_000.0)

    assert (State.NONE, "", ()) == (seen.state, seen.words, seen.measured)
    assert len(MODEL) == len(seen.modelled)
    assert NOTHING == column({}, ())


@pytest.mark.parametrize(
    ("snapshot", "expected"),
    [(TENANT, State.NONE), (booting(), State.BOOTING), (impossible(), State.ABSENT), (up(), State.UP),
     (silent(), State.SILENT), (panicked(), State.ENDED)],
)  # fmt: skip
def test_how_it_is_follows_from_its_snapshot(snapshot, expected):
    assert expected is state(snapshot)
    assert bool(words(snapshot.target, snapshot)) is (expected is not State.NONE)


def test_guests_are_told_from_containers():
    assert ("box", "sibling") == guests({"tenant": TENANT, "box": up(), "sibling": booting("sibling")})
