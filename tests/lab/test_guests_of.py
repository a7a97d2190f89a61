"""A lesson's guests while they boot, with a host that never brings them up: how far they are, and waiting no longer."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from contlab.course.lesson import Run, Step, Vm
from contlab.errors import UnavailableError
from contlab.lab import guests_of
from contlab.lab.guests_of import LOST, LessonGuests
from contlab.observe.snapshot import Booting, Snapshot, Unavailable
from contlab.vm.qemu import Accelerator

STEP = Step("Step", "step", 1, (Vm("box", 2),))
LOOK = Run("look", "box", "uname -r", 3)


class Slow:
    """Stands for ``lab.guest.Guests``; a guest is up, or can't be had, when ``outcome`` is there."""

    def __init__(self) -> None:
        self.outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.on_start: Any = None

    async def boot(self, name: str, memory: int, *, on_start: Any) -> Any:
        self.on_start = on_start
        return await self.outcome

    async def end(self, name: str) -> None: ...

    async def close(self) -> None: ...


@pytest.fixture
async def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    slow = Slow()
    monkeypatch.setattr(guests_of, "guests_of", lambda runtime, sudo: slow)
    return slow


async def entered() -> LessonGuests:
    """The step's guest has begun to boot."""
    guests = LessonGuests(None, sudo=False)  # type: ignore[arg-type]
    await guests.enter(STEP)
    await asyncio.sleep(0)
    return guests


def box(guests: LessonGuests) -> Snapshot:
    return guests.seen()["box"]


async def test_a_guest_that_boots_says_how_long_and_how_far(slow: Slow) -> None:
    guests = await entered()
    told = [box(guests).guest]
    machine = SimpleNamespace(speaks=False, guest=SimpleNamespace(accelerator=Accelerator.TCG))
    slow.on_start(machine)
    told.append(box(guests).guest)
    machine.speaks = True
    told.append(box(guests).guest)
    await guests.close()

    assert all(isinstance(each, Booting) and each.reason == "the guest box is still booting" for each in told)
    assert [each.stage for each in told if isinstance(each, Booting)] == [
        "its kernel and its files are put together",
        "firmware loads its kernel, under emulation",
        "its kernel starts, under emulation",
    ]


async def test_a_command_waits_for_its_guest_until_one_stops_it(slow: Slow) -> None:
    guests, printed = await entered(), []
    running = asyncio.create_task(guests.run(LOOK, {}, printed.append))
    await asyncio.sleep(0)
    assert not running.done()
    guests.interrupt()
    result = await asyncio.wait_for(running, 10)

    assert (LOST, "stopped: box was still booting") == (result.exit_code, result.missing)
    assert ["stopped: box was still booting\n"] == printed
    assert isinstance(box(guests).guest, Booting), "the guest itself boots on"
    await guests.close()


async def test_a_stop_long_ago_does_not_stop_the_next_command(slow: Slow) -> None:
    guests = await entered()
    guests.interrupt()
    running = asyncio.create_task(guests.run(LOOK, {}, lambda text: None))
    await asyncio.sleep(0)
    assert not running.done()
    slow.outcome.set_exception(UnavailableError("no QEMU", "Install it."))
    result = await asyncio.wait_for(running, 10)
    snapshot = box(guests)
    await guests.close()

    assert "the guest box isn't there: no QEMU (Install it.)" == result.missing
    assert snapshot.guest == Unavailable(result.missing)
