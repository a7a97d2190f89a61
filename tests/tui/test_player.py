from __future__ import annotations

import asyncio

import pytest

from contlab.course.lesson import Lesson
from contlab.course.session import Phase
from contlab.errors import ContlabError, RuntimeFailure
from contlab.tui.player import Activity, Player
from contlab.tui.view import view_of
from tests.tui.fake_lab import FakeLab, lesson


def player_with(lab: FakeLab, index: int = 0) -> tuple[Player, list[Activity]]:
    seen: list[Activity] = []

    async def open_lab(_: Lesson) -> FakeLab:
        return lab

    player = Player(lesson(), open_lab, lambda: seen.append(player.activity), index)
    return player, seen


async def opened(lab: FakeLab, index: int = 0) -> Player:
    player, _ = player_with(lab, index)
    await player.open()
    await player.enter()
    return player


async def test_a_step_is_read_predicted_run_and_judged() -> None:
    lab = FakeLab()
    player, seen = player_with(lab)
    await player.open()
    await player.enter()
    await player.go_on()
    await player.predict(1)
    await player.run()

    assert player.session.phase is Phase.EXPLAIN
    assert [prediction.correct for prediction in player.session.predictions] == [True]
    assert [judgement.passed for judgement in player.session.judgements] == [True, True]
    assert (lab.entered, lab.runs) == (["own-pids"], ["look"])
    assert [Activity.OPENING, Activity.RUNNING, Activity.JUDGING] == [
        activity for activity in dict.fromkeys(seen) if activity is not Activity.READY
    ]


async def test_going_back_makes_the_containers_of_all_earlier_steps_anew() -> None:
    lab = FakeLab()
    player = await opened(lab)
    await player.enter(1)
    await player.enter(2)
    await player.enter(1)

    assert lab.entered == ["own-pids", "leaks", "meaning", "own-pids", "leaks"]


async def test_a_lesson_resumed_later_has_the_containers_of_its_earlier_steps() -> None:
    lab = FakeLab()
    await opened(lab, 2)

    assert lab.entered == ["own-pids", "leaks", "meaning"]


async def test_a_step_begun_again_is_judged_against_how_things_stood_the_first_time() -> None:
    lab = FakeLab()
    player = await opened(lab)
    for _ in range(2):
        await player.go_on()
        await player.predict(0)
        await player.run()
        before = [judgement.before for judgement in player.session.judgements]
        assert [verdict is not None and not verdict.holds for verdict in before] == [True, True]
        await player.enter()


async def test_a_run_can_be_interrupted() -> None:
    lab = FakeLab(hold=True)
    player = await opened(lab)
    await player.go_on()
    await player.predict(0)
    run = asyncio.ensure_future(player.run())
    while player.activity is not Activity.RUNNING:
        await asyncio.sleep(0)
    await player.interrupt()
    await run

    assert player.session.results[0].signal == 9


async def test_a_step_that_cannot_be_opened_can_be_started_again() -> None:
    lab = FakeLab()
    lab.fail_enter = RuntimeFailure("pivot_root refused", "unmount it first")
    player, _ = player_with(lab)
    await player.open()
    with pytest.raises(ContlabError, match="pivot_root refused"):
        await player.enter()
    assert player.activity is Activity.STUCK

    lab.fail_enter = None
    await player.enter()

    assert player.activity is Activity.READY


async def test_a_lab_that_died_is_known_to_be_lost() -> None:
    player = await opened(FakeLab())
    player.lost()

    assert (player.activity, player.lab) == (Activity.LOST, None)


async def test_the_end_of_a_lab_that_is_closed_is_no_loss() -> None:
    player = await opened(FakeLab())
    await player.close()
    player.lost()

    assert player.activity is Activity.CLOSING


async def test_what_follows_the_last_run_is_hidden_until_it_has_run() -> None:
    player = await opened(FakeLab())
    assert view_of(player).after == ""
    await player.go_on()
    await player.predict(0)
    await player.run()

    assert "two numbers" in view_of(player).after
    assert "chroot, namespaces and cgroups" in view_of(player).before


async def test_the_score_counts_the_predictions_of_all_steps() -> None:
    player = await opened(FakeLab())
    await player.go_on()
    await player.predict(0)
    await player.run()
    for act in (player.go_on, player.go_on, player.run, player.run, player.go_on, player.go_on):
        await act()

    view = view_of(player)
    assert (view.phase, view.right, view.asked) == (Phase.DONE, 0, 1)
