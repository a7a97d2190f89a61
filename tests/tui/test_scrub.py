"""Pausing the Learn screen and going back: by keys and mouse, over a fake lab and the recordings that are shipped."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.pilot import Pilot

from contlab.course.catalogue import open_lesson
from contlab.course.progress import Progress
from contlab.course.session import Phase
from contlab.lab import ReplayLab, recording_of
from contlab.lab.protocol import Happened, Output
from contlab.tui.screens.help import HelpScreen
from contlab.tui.widgets.scrubbar import ScrubBar
from tests.tui.conftest import Play, Stage, app_with
from tests.tui.fake_lab import HOSTILE, MIB, FakeLab, cgroup, exited, processes, snapshot

SIZES = [(80, 24), (120, 40), (200, 50)]


class Replayed(ReplayLab):
    """A recording that the stage can wait for."""

    hold = False


def bar(stage: Stage) -> str:
    """The scrub bar's lines."""
    return "\n".join(
        line for line in stage.drawn().splitlines() if ("●" in line and " of " in line) or "p goes on" in line
    )


async def grow(stage: Stage, *crowds: int) -> None:
    """A sample each, of so many processes."""
    for place, crowd in enumerate(crowds):
        stage.lab.sample(tenant=snapshot(at=2e6 + (place + 1) * 5e5, processes=processes(crowd)))
        await stage.settle()


async def test_a_pause_holds_the_panels_still_and_going_on_shows_what_is_newest(play: Play) -> None:
    async with play() as stage:
        await stage.press("p")
        await grow(stage, 4)
        assert "PAUSED" in stage.drawn()
        assert "sleep 62" not in stage.drawn()
        await stage.press("p")
        assert "sleep 62" in stage.drawn()
        assert "PAUSED" not in stage.drawn()
        assert "p goes on" not in stage.drawn()


async def test_going_back_shows_what_was_there_then(play: Play) -> None:
    async with play(size=(200, 50)) as stage:
        await grow(stage, 3, 4)
        await stage.press("[")
        assert "sleep 61" in stage.drawn()
        assert "sleep 62" not in stage.drawn()
        assert "+1 new" in stage.drawn()
        await stage.press("[")
        assert "sleep 61" not in stage.drawn()
        await stage.press("]", "]", "]")
        assert "sleep 62" in stage.drawn()
        assert stage.screen.paused


async def test_the_lab_goes_on_while_one_looks_back(play: Play) -> None:
    async with play() as stage:
        await grow(stage, 3)
        await stage.press("[")
        assert "13 of 14" in bar(stage)
        await grow(stage, 4, 5)
        assert "13 of 16" in bar(stage)
        assert "sleep 61" not in stage.drawn()


async def test_brackets_go_by_moments_by_events_and_by_steps(play: Play) -> None:
    async with play() as stage:
        stage.lab.say(Happened(exited()))
        await grow(stage, 3)
        await stage.press("{")
        assert "✗" not in bar(stage)
        assert "tenant its PID 1 (PID 18422 on the host) was killed by SIGKILL" in bar(stage)
        await stage.press("{")
        assert "tenant runs as PID 18422, ready after 1.1 ms" in bar(stage)
        await stage.press("[")
        assert "tenant exec /bin/sh (240 µs)" in bar(stage)
        await stage.press("}", "}")
        assert "was killed by SIGKILL" in bar(stage)
        await stage.press("(")
        assert "the step begins: Its own PIDs" in bar(stage)
        assert " 1 of 15" in bar(stage)
        await stage.press(")")
        assert "15 of 15" in bar(stage)


async def test_forward_keys_mean_nothing_while_nothing_is_paused(play: Play) -> None:
    async with play() as stage:
        await stage.press("]", "}", ")")

        assert not stage.screen.paused


async def test_the_lesson_goes_on_while_it_is_paused(play: Play) -> None:
    async with play() as stage:
        await stage.press("(", "enter", "2", "r")

        assert stage.lab.runs == ["look"]
        assert stage.player.session.phase is Phase.EXPLAIN
        assert "You were right" in stage.drawn()
        assert "1 of 15" in bar(stage)


async def test_the_output_is_that_of_the_moment(play: Play) -> None:
    async with play() as stage:
        await stage.press("enter", "2", "r")
        stage.lab.say(Output("look", "the first\n"))
        await grow(stage, 3)
        stage.lab.say(Output("look", "the second\n"))
        await stage.settle()
        await stage.press("p")
        assert "printed: the second" in bar(stage)
        await stage.press("[")
        output = stage.screen.query_one("#output")
        assert output.text.endswith("the first\n")
        await stage.press("(")
        assert not output.display
        await stage.press("p")
        assert output.text.endswith("the second\n")


async def test_a_step_that_begins_meanwhile_is_shown_when_the_panels_go_on(play: Play) -> None:
    async with play() as stage:
        await stage.press("[", "s")
        assert "step 2 of 3" in stage.drawn()
        assert "step 1  " in bar(stage)
        assert stage.screen.chosen == "tenant"
        await stage.press("p", "p", "[")
        assert "step 2  " in bar(stage)
        await stage.press("p")
        assert "neighbour" in stage.drawn()


async def test_another_container_can_be_chosen_and_help_read_while_it_is_paused(play: Play) -> None:
    async with play(size=(200, 50)) as stage:
        stage.lab.sample(neighbour=snapshot("neighbour", processes=processes(5)))
        await stage.settle()
        await stage.press("p", "t")
        assert "sleep 63" in stage.drawn()
        await stage.press("question_mark")
        assert isinstance(stage.app.screen, HelpScreen)
        assert "a moment back" in stage.drawn()
        await stage.press("escape")
        assert "▸ neighbour" in stage.drawn()
        assert "PAUSED" in stage.drawn()


async def test_before_the_chosen_container_is_there_one_sees_which_one_is_being_made(play: Play) -> None:
    async with play(size=(200, 50)) as stage:
        await stage.press("(", "]", "]", "]")

        assert "tenant limit tasks to 16 (14 µs)" in bar(stage)
        assert "3 operations in" in stage.drawn()
        await stage.press("(")
        assert "operations in" not in stage.drawn()


async def test_a_zoomed_panel_is_scrubbed_too(play: Play) -> None:
    async with play() as stage:
        await grow(stage, 3, 4)
        stage.screen.query_one("#processes").focus()
        await stage.press("z", "[")

        assert "sleep 61" in stage.drawn()
        assert "sleep 62" not in stage.drawn()
        assert "14 of 15" in bar(stage)


@pytest.mark.parametrize("size", SIZES)
async def test_the_bar_fits_and_holds_still(play: Play, size: tuple[int, int]) -> None:
    async with play(size=size) as stage:
        await stage.press("enter", "[")
        tracks = set()
        for key in ("[", "{", "(", "]", "}"):
            await stage.press(key)
            track = next(line for line in bar(stage).splitlines() if " of " in line)
            tracks.add(track.index(" step 1  "))
            assert "p goes on" in bar(stage)
            assert "0:00.000 of 0:0" in bar(stage) or "of 0:01.000" in bar(stage)
        assert len(tracks) == 1
        assert "Press 1–3" in stage.drawn()
        for other in SIZES:
            await stage.pilot.resize_terminal(*other)
            await stage.settle()
            assert "p goes on" in bar(stage)
            assert "PAUSED" in stage.drawn()


async def test_a_moment_is_pointed_at_and_dragged_to_with_the_mouse(play: Play) -> None:
    async with play(size=(80, 24)) as stage:
        await grow(stage, 3, 4)
        await stage.press("p")
        length = stage.screen.query_one(ScrubBar)._length
        await stage.pilot.click("#scrub", offset=(1, 0))
        await stage.settle()
        assert " 1 of 15" in bar(stage)
        await stage.pilot.mouse_down("#scrub", offset=(1, 0))
        await stage.pilot.hover("#scrub", offset=(length, 0))
        await stage.pilot.mouse_up("#scrub", offset=(length, 0))
        await stage.settle()
        assert "15 of 15" in bar(stage)
        await stage.pilot.click("#scrub", offset=(10, 1))
        await stage.settle()
        assert "15 of 15" in bar(stage)


async def test_what_is_no_longer_kept_is_said_to_be_missing(play: Play) -> None:
    async with play() as stage:
        await stage.press("(")
        stage.screen.timeline._kept = 40
        await grow(stage, *(3 + place % 2 for place in range(100)))
        assert "that moment is no longer kept, this is the oldest" in bar(stage)
        await stage.press("]", "[")
        assert "before this are no longer kept" in bar(stage)


async def test_kernel_text_is_drawn_as_it_is(play: Play) -> None:
    async with play() as stage:
        stage.lab.say(Output("look", HOSTILE + "\x1b[2J"))
        await stage.settle()
        await stage.press("p")

        assert f"printed: {HOSTILE}␛[2J" in bar(stage)


async def test_a_shipped_recording_is_scrubbed_from_end_to_end(progress: Progress) -> None:
    taught = open_lesson("why-containers/three-walls")
    lab = Replayed(recording_of(taught), taught, speed=0)
    app = app_with(lab, progress, taught)  # type: ignore[arg-type]
    async with app.run_test(size=(120, 40)) as pilot:
        stage = Stage(app, pilot, lab)  # type: ignore[arg-type]
        await stage.settle()
        await stage.press("s", "s")
        newest, column = stage.screen.processes, stage.screen.column
        await stage.press("(", "(")
        assert "the step begins: A new root" in bar(stage)
        assert stage.screen.operations[-1].container == "tenant"
        await stage.press("(")
        assert "the step begins: Bare metal" in bar(stage)
        assert "no container yet" in stage.drawn()
        for _ in range(12):
            await stage.press("}")
        assert stage.screen.timeline.last > 150
        await stage.press("p")
        assert (stage.screen.processes, stage.screen.column) == (newest, column)


async def test_the_machines_column_is_that_of_the_moment(progress: Progress) -> None:
    taught = open_lesson("why-containers/a-machine-of-its-own")
    lab = Replayed(recording_of(taught), taught, speed=0)
    app = app_with(lab, progress, taught)  # type: ignore[arg-type]
    async with app.run_test(size=(120, 40)) as pilot:
        stage = Stage(app, pilot, lab)  # type: ignore[arg-type]
        await stage.settle()
        await stage.press("enter", "2", "2", "r", "r", "r")
        assert "● box up" in stage.drawn()
        while "is booting" not in bar(stage):
            await stage.press("{")
        assert "◌ box booting for" in stage.drawn()
        await stage.press("p")
        assert "● box up" in stage.drawn()


@pytest.mark.parametrize("size", [pytest.param((80, 24), id="small"), pytest.param((200, 50), id="large")])
def test_a_paused_screen_looks_as_it_did(
    snap_compare: Callable[..., bool], progress: Progress, size: tuple[int, int]
) -> None:
    lab = FakeLab()
    app = app_with(lab, progress)

    async def play(pilot: Pilot[None]) -> None:
        stage = Stage(app, pilot, lab)
        await stage.settle()
        for place in range(12):
            used, crowd = cgroup((3 + 3 * place) * MIB, kills=place // 8), processes(2 + place // 6)
            lab.sample(tenant=snapshot(at=2e6 + place * 5e5, cgroup=used, processes=crowd))
        await stage.settle()
        await stage.press("enter", "right", "[", "{")

    assert snap_compare(app, terminal_size=size, run_before=play)
