"""The Learn screen, driven by keys over a fake lab: what is drawn, which keys are valid, what is asked of the lab."""

from __future__ import annotations

import pytest

from contlab.course.lesson import Lesson
from contlab.course.progress import Progress
from contlab.course.session import Phase
from contlab.errors import NotPermittedError, RuntimeFailure
from contlab.lab.protocol import Happened, Output, Trouble
from contlab.tui.player import Activity
from contlab.tui.screens.error import ErrorScreen
from contlab.tui.screens.help import HelpScreen
from contlab.tui.screens.home import HomeScreen
from tests.tui.conftest import Play, app_with, drawn
from tests.tui.fake_lab import HOSTILE, FakeLab, cgroup, exited, lesson, namespaces, processes, snapshot

SIZES = [(80, 24), (120, 40), (200, 50)]


@pytest.mark.parametrize("size", SIZES)
async def test_what_to_press_next_is_always_in_sight(play: Play, size: tuple[int, int]) -> None:
    async with play(size=size) as stage:
        assert "Press Enter when you have read it" in stage.drawn()
        await stage.press("enter")
        assert "Press 1–3, or ↑ ↓ and Enter" in stage.drawn()
        await stage.press("2")
        assert "Press r to run it in tenant" in stage.drawn()
        await stage.press("r")
        assert "Press Enter to go on" in stage.drawn()


async def test_the_verdict_sets_the_prediction_against_what_the_kernel_did(play: Play) -> None:
    async with play(size=(200, 50)) as stage:
        await stage.press("enter", "1", "r")
        text = stage.drawn()

    assert "✗ You predicted    1 all of the host's" in text
    assert "The kernel did   2 only its own" in text
    assert "A PID namespace hides every" in text
    assert "✓ look.exit_code is 0" in text
    assert "✓ tenant.ns.pid.own is its own" in text
    assert "keeps two numbers for it" in text


async def test_a_prediction_can_be_made_with_arrows_and_enter(play: Play) -> None:
    async with play() as stage:
        await stage.press("enter", "down", "enter")

        assert stage.player.session.predictions[0].chosen == 1
        assert stage.player.session.phase is Phase.RUN


async def test_a_prediction_can_be_made_with_the_mouse(play: Play) -> None:
    async with play() as stage:
        await stage.press("enter")
        await stage.pilot.click("#choices", offset=(4, 2))
        await stage.settle()

        assert stage.player.session.predictions[0].chosen == 2


async def test_the_whole_lesson_is_played_by_keys_alone_and_remembered(play: Play, progress: Progress) -> None:
    async with play(size=(80, 24)) as stage:
        await stage.press("enter", "2", "r", "enter", "enter", "r", "r", "enter", "enter")
        text = stage.drawn()

        assert "The lesson is done. 1 of 1 predictions were right." in text
        assert stage.lab.runs == ["look", "kill", "net"]

    assert Progress(progress.path).done(lesson()) == ("own-pids", "leaks", "meaning")
    assert Progress(progress.path).score(lesson()) == (1, 1)


async def test_a_lesson_goes_on_where_it_was_left(play: Play, progress: Progress) -> None:
    progress.finish(lesson(), "own-pids", (), "2026-01-01T00:00:00+00:00")
    async with play() as stage:
        assert "step 2 of 3" in stage.drawn()


async def test_the_footer_shows_only_keys_that_are_valid_now(play: Play) -> None:
    async with play(size=(80, 24)) as stage:
        reading = stage.drawn().splitlines()[-1]
        await stage.press("enter", "2")
        running = stage.drawn().splitlines()[-1]
        await stage.press("r")
        explained = stage.drawn().splitlines()[-1]

    assert ("Go on" in reading, "Run" in reading, "Back" in reading, "Skip" in reading) == (True, False, False, True)
    assert ("Run" in running, "Skip" in running) == (True, True)
    assert ("Go on" in explained, "Run" in explained, "Skip" in explained) == (True, False, False)


async def test_hints_come_rung_by_rung(play: Play) -> None:
    async with play() as stage:
        await stage.press("h")
        assert "Look at the left column" in stage.drawn()
        assert "grep NSpid" not in stage.drawn()
        await stage.press("h")
        assert "grep NSpid" in stage.drawn()
        await stage.press("h")
        assert stage.screen.view.hints_left == 0


async def test_a_running_command_streams_and_can_be_stopped(play: Play) -> None:
    lab = FakeLab(hold=True)
    async with play(lab, (80, 24)) as stage:
        await stage.press("enter", "2", "r")
        lab.say(Output("look", "half a line"))
        await stage.settle()
        assert "half a line" in stage.drawn()
        assert "Ctrl-C stops it" in stage.drawn()
        assert "Esc Stop it" in stage.drawn()
        lab.hold = False
        await stage.press("ctrl+c")
        assert "killed by SIGKILL" in stage.drawn()
        assert not lab.closed


async def test_a_second_key_while_something_runs_is_not_kept_for_later(play: Play) -> None:
    lab = FakeLab(hold=True)
    async with play(lab) as stage:
        await stage.press("enter", "2", "r", "r", "enter", "b")
        lab.hold = False
        await stage.press("escape")

        assert lab.runs == ["look"]
        assert stage.player.session.index == 0


@pytest.mark.parametrize("key", ["q", "ctrl+q", "ctrl+c"])
async def test_leaving_closes_the_lab(play: Play, key: str) -> None:
    async with play() as stage:
        await stage.pilot.press(key)
        await stage.pilot.pause()

        assert stage.lab.closed
        assert stage.app._exit


async def test_ctrl_c_closes_the_lab_also_from_a_modal(play: Play) -> None:
    async with play() as stage:
        await stage.press("question_mark", "ctrl+c", "ctrl+c")

        assert stage.lab.closed


async def test_an_app_that_ends_in_another_way_leaves_no_lab_behind(play: Play) -> None:
    async with play() as stage:
        stage.app.exit()
    assert stage.lab.closed


async def test_back_restart_and_skip_open_their_steps(play: Play) -> None:
    async with play() as stage:
        await stage.press("s")
        assert "step 2 of 3" in stage.drawn()
        await stage.press("b")
        assert "step 1 of 3" in stage.drawn()
        await stage.press("enter", "R")
        assert stage.screen.view.phase is Phase.READ

    assert stage.lab.entered == ["own-pids", "leaks", "own-pids", "own-pids"]


async def test_a_step_that_cannot_be_opened_says_why_and_can_be_tried_again(play: Play) -> None:
    lab = FakeLab()
    lab.fail_enter = RuntimeFailure(f"pivot_root: {HOSTILE}", "mount --make-rprivate /")
    async with play(lab) as stage:
        assert isinstance(stage.app.screen, ErrorScreen)
        assert f"pivot_root: {HOSTILE}" in stage.drawn()
        assert "→ mount --make-rprivate /" in stage.drawn()
        await stage.press("enter")
        assert "Press R to start it again" in stage.drawn()
        lab.fail_enter = None
        await stage.press("R")
        assert "Press Enter when you have read it" in stage.drawn()


async def test_a_lab_that_died_can_be_opened_again(play: Play) -> None:
    async with play() as stage:
        stage.lab.say(Trouble("the supervisor is gone", "contlab doctor --clean"))
        stage.lab.die()
        await stage.settle()
        assert "the supervisor is gone" in stage.drawn()
        await stage.press("enter")
        assert "The lab is gone" in stage.drawn()
        await stage.press("R")
        assert "Press Enter when you have read it" in stage.drawn()


async def test_a_lab_that_cannot_be_opened_says_so(progress: Progress) -> None:
    app = app_with(FakeLab(), progress)

    async def refuse(_: Lesson) -> FakeLab:
        raise NotPermittedError("making containers needs root here", "sudo contlab learn")

    object.__setattr__(app.course, "open_lab", refuse)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        await pilot.pause()
        assert "making containers needs root here" in drawn(app)


async def test_a_recording_is_stamped(play: Play) -> None:
    async with play(FakeLab(recorded=True), (80, 24)) as stage:
        assert "RECORDED" in stage.drawn().splitlines()[0]


async def test_panels_show_another_container_by_key(play: Play) -> None:
    async with play() as stage:
        stage.lab.sample(neighbour=snapshot("neighbour", namespaces=namespaces(hostname="next-door"), alive=False))
        await stage.settle()
        assert "▸ tenant" in stage.drawn()
        assert "neighbour (gone)" in stage.drawn()
        await stage.press("t")
        assert "▸ neighbour" in stage.drawn()
        assert "next-door" in stage.drawn()


async def test_what_changed_is_marked_until_the_next_step(play: Play) -> None:
    async with play() as stage:
        stage.lab.sample(tenant=snapshot(processes=processes(3)))
        await stage.settle()
        assert any(line.count("+") and "sleep 61" in line for line in stage.drawn().splitlines())
        assert "+1 new" in stage.drawn()
        await stage.press("s")
        assert "+1 new" not in stage.drawn()


async def test_on_a_small_terminal_every_page_is_reached_by_arrow_keys(play: Play) -> None:
    async with play(size=(80, 24)) as stage:
        stage.lab.say(Happened(exited()))
        seen = []
        for _ in range(9):
            border = next(line for line in stage.drawn().splitlines() if "╭" in line)
            seen.append(border.strip("╭╮─ "))
            await stage.press("right")
        assert seen == [
            "Its own PIDs",
            "Processes",
            "Namespaces",
            "Limits · cgroup",
            "Mounts",
            "Syscalls",
            "Network",
            "Events",
            "Virtual machine",
        ]
        assert stage.screen.page == "lesson"


async def test_enter_on_another_page_brings_the_verdict_into_sight_first(play: Play) -> None:
    async with play(size=(80, 24)) as stage:
        await stage.press("enter", "2", "right", "r")
        assert stage.screen.page == "processes"
        assert "Press Enter for the lesson's page" in stage.drawn()
        await stage.press("enter")
        assert "✓ You were right" in stage.drawn()
        assert stage.screen.view.number == 1


async def test_a_page_is_reached_with_the_mouse(play: Play) -> None:
    async with play(size=(80, 24)) as stage:
        await stage.pilot.click("#pages", offset=(13, 0))
        await stage.settle()

        assert stage.screen.page == "processes"


async def test_all_panels_are_in_sight_where_there_is_room(play: Play) -> None:
    async with play(size=(200, 50)) as stage:
        text = stage.drawn()

    for title in ("Processes", "Namespaces", "Limits", "Mounts", "Syscalls", "Network", "Events", "Virtual machine"):
        assert f"╭─ {title}" in text


@pytest.mark.parametrize("size", [*SIZES, (120, 24), (100, 50), (60, 20)])
async def test_a_resize_keeps_the_place_and_the_prompt(play: Play, size: tuple[int, int]) -> None:
    async with play(size=(120, 40)) as stage:
        await stage.press("enter")
        await stage.pilot.resize_terminal(*size)
        await stage.settle()

        assert "Press 1–3" in stage.drawn()
        assert "only its own" in stage.drawn()


async def test_a_hidden_panel_is_drawn_when_it_comes_into_sight(play: Play) -> None:
    async with play(size=(80, 24)) as stage:
        panel = stage.screen.query_one("#cgroup")
        stage.lab.sample(tenant=snapshot(cgroup=cgroup(kills=7)))
        await stage.settle()
        assert panel._stale
        await stage.press("right", "right", "right")
        assert "OOM kills 7" in stage.drawn()


async def test_a_panel_can_have_the_whole_screen(play: Play) -> None:
    async with play() as stage:
        stage.screen.query_one("#processes").focus()
        await stage.press("z")
        assert "cpu %" in stage.drawn()
        assert "Virtual machine" not in stage.drawn()
        await stage.press("z")
        assert "Virtual machine" in stage.drawn()


async def test_operations_turn_into_commands_by_key(play: Play) -> None:
    async with play(size=(200, 50)) as stage:
        assert "clone3 with seven new" in stage.drawn()
        await stage.press("c")
        assert "unshare -fpmnuiUC" in stage.drawn()


async def test_help_is_made_of_the_keys_and_the_panels(play: Play) -> None:
    async with play(size=(120, 60)) as stage:
        await stage.press("question_mark")
        assert isinstance(stage.app.screen, HelpScreen)
        assert "Do what the prompt says" in stage.drawn()
        assert "Run the command that is shown" not in stage.drawn()
        assert "numbered twice" in stage.drawn()
        await stage.press("escape")
        assert not isinstance(stage.app.screen, HelpScreen)


async def test_the_palette_offers_the_valid_keys(play: Play) -> None:
    async with play() as stage:
        commands = {command.title for command in stage.app.get_system_commands(stage.screen)}

    assert {"Go on", "Hint", "Pause", "Zoom"} <= commands
    assert "Run" not in commands


async def test_the_way_back_to_the_lessons_closes_the_lab(play: Play) -> None:
    async with play() as stage:
        await stage.press("l")

        assert isinstance(stage.app.screen, HomeScreen)
        assert stage.lab.closed


async def test_hostile_names_are_drawn_on_the_whole_screen(play: Play) -> None:
    async with play(size=(200, 50)) as stage:
        stage.lab.sample(tenant=snapshot(namespaces=namespaces(hostname=HOSTILE), kernel=HOSTILE))
        stage.lab.sample(**{HOSTILE: snapshot(HOSTILE)})
        stage.lab.say(Happened(exited(HOSTILE)), Output("look", HOSTILE), Trouble(HOSTILE, HOSTILE))
        await stage.settle()
        assert stage.drawn().count(HOSTILE) >= 2
        await stage.press("enter")
        assert stage.drawn().count(HOSTILE) >= 4


async def test_the_screen_says_what_the_kernel_is_doing_while_a_step_opens(play: Play) -> None:
    async with play(size=(80, 24)) as stage:
        stage.player.activity = Activity.OPENING
        stage.screen._changed()
        stage.screen.progress = "mount proc on /proc"
        await stage.settle()

        assert "Making this step's containers… mount proc on /proc" in stage.drawn()
