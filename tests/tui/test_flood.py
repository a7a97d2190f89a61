"""What a hostile or busy container sends: the screen stays right, answers keys, and needs no more memory for it."""

from __future__ import annotations

import asyncio
import resource
import time

import pytest

from contlab.lab.protocol import Happened, Output
from contlab.observe.snapshot import PidView
from contlab.tui.evidence import HISTORY
from contlab.tui.scrollback import LIMIT
from tests.tui.conftest import Play, Stage
from tests.tui.fake_lab import MIB, FakeLab, cgroup, exited, snapshot

CHUNK = ("y\n" * 32 * 1024) + "\x1b[2J[/] ["


async def answer(stage: Stage, key: str = "p") -> float:
    """Seconds until a key has had its effect while news keep coming in."""
    began = time.perf_counter()
    stage.app.simulate_key(key)
    while not stage.screen.paused:
        await asyncio.sleep(0)
    return time.perf_counter() - began


async def test_a_hundred_megabytes_of_output_leave_keys_answered_and_memory_bounded(play: Play) -> None:
    lab = FakeLab(hold=True)
    async with play(lab) as stage:
        await stage.press("enter", "2", "r")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(1_600):
            lab.say(Output("look", CHUNK))
        lab.say(Output("look", "the very end\n"))
        slowest = await answer(stage)
        while lab._news.qsize():
            await asyncio.sleep(0)
        await stage.press("p")

        assert slowest < 0.5
        assert "the very end" in stage.drawn()
        assert len(stage.screen.text) <= LIMIT
        assert stage.screen.dropped >= 1_600 * 64 * 1024 - LIMIT
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000
        lab.hold = False
        await stage.press("escape")
        assert lab.closed == 0


async def test_three_hundred_short_lived_processes_a_second_are_shown_as_they_come(play: Play) -> None:
    def crowd(moment: int) -> tuple[PidView, ...]:
        first = PidView(1_000, 1, 900, "sh", "S", "sh")
        born = range(moment * 150, moment * 150 + 150)
        return (first, *(PidView(2_000 + n, 2 + n, 1_000, "true", "R", f"true {n}") for n in born))

    async with play() as stage:
        began = time.process_time()
        for moment in range(20):
            stage.lab.sample(tenant=snapshot(at=moment * 5e5, processes=crowd(moment)))
            await stage.pilot.pause()
        spent = time.process_time() - began
        await stage.settle()

        assert "true 2850" in stage.drawn()
        assert "+151 new" in stage.drawn()
        assert spent / 20 < 0.25
        await stage.press("enter")
        assert "Press 1–3" in stage.drawn()


async def test_news_that_come_faster_than_they_are_drawn_are_drawn_as_one_and_none_is_lost(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with play() as stage:
        drawn = []
        monkeypatch.setattr(stage.screen, "show", lambda show=stage.screen.show: (drawn.append(1), show()))
        for at in range(500):
            stage.lab.sample(tenant=snapshot(at=at * 5e5, cgroup=cgroup(used=at * MIB)))
        for at in range(50):
            stage.lab.say(Happened(exited(at=float(at))))
        await stage.settle()

        evidence = stage.screen.timeline.evidence
        assert len(drawn) < 100
        assert evidence.snapshots["tenant"].at == 499 * 5e5
        assert len(evidence.memory("tenant")) == HISTORY
        assert len(evidence.happenings) == 51
