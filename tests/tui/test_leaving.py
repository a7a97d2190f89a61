"""The ways out of a lesson, each with the lab closed."""

from __future__ import annotations

import asyncio

from contlab.errors import RuntimeFailure
from tests.tui.conftest import Play
from tests.tui.fake_lab import FakeLab


class SlowLab(FakeLab):
    """Ends only when it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.may_end = asyncio.Event()

    async def close(self) -> None:
        await self.may_end.wait()
        await super().close()


async def test_while_the_lab_is_being_closed_the_screen_says_so(play: Play) -> None:
    lab = SlowLab()
    async with play(lab) as stage:
        await stage.press("q")
        assert "Cleaning up" in stage.drawn()
        assert not stage.app._exit
        lab.may_end.set()
        await stage.pilot.pause()
        assert stage.app._exit


async def test_who_asks_twice_leaves_at_once(play: Play) -> None:
    lab = SlowLab()
    async with play(lab) as stage:
        await stage.press("q")
        await stage.pilot.press("ctrl+c")
        await stage.pilot.pause()
        assert stage.app._exit
        lab.may_end.set()


async def test_a_lab_that_leaves_something_behind_is_told_with_its_exit_code(play: Play) -> None:
    class Stubborn(FakeLab):
        async def close(self) -> None:
            raise RuntimeFailure("a mount is left", "contlab doctor --clean")

    async with play(Stubborn()) as stage:
        await stage.pilot.press("q")
        await stage.pilot.pause()

        assert stage.app.return_code == 125
        assert "contlab doctor --clean" in str(stage.app._exit_renderables[0])
