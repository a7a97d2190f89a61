"""The Compare screen: rows as they are measured, what each means, and a clean way out while it measures."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from textual.content import Content

from contlab.errors import UnavailableError
from contlab.lab.compare import EMULATED, Cell, Comparison, Fit, Measuring, Row, Spread, Step
from contlab.tui.screens.compare import CompareApp, CompareScreen
from contlab.tui.screens.error import ErrorScreen
from contlab.tui.widgets.comparison import details, line, picture, waterfall
from tests.tui.conftest import drawn

BOOT = Row(
    key="boot",
    label="request to first process",
    container=Cell(text="4.0 ms", tag="measured here", value=4000.0, unit="µs", steps=(Step("clone", 1000.0),)),
    vm=Cell(text="1.5 s", tag="measured here", value=1.5e6, unit="µs", spread=Spread(1.5e6, 1.4e6, 1.7e6, 5),
            steps=(Step("firmware", 5e5), Step("kernel", 1e6))),
    cited=Cell(text="240 ms", tag="model: NSDI'20 data, 2020", value=240.0, unit="ms"),
    ratio=375.0,
    note=EMULATED,
    explanation="A kernel has to boot.",
)  # fmt: skip
KERNEL = Row(
    key="kernel",
    label="kernel",
    container=Cell(text="6.18 [/] x, the host's", tag="measured here"),
    vm=Cell(text="6.1.0, its own", tag="in the guest"),
)
DENSITY = Row(
    key="density",
    label="how many fit in this host",
    container=Cell(text="700", tag="measured here", value=700.0),
    vm=Cell(text="100", tag="measured here", value=100.0),
    ratio=7.0,
)
WHOLE = Comparison(
    vm="measured",
    accelerator="tcg",
    conditions={},
    why=("/dev/kvm hangs",),
    rows=(KERNEL, BOOT, DENSITY),
    fit=Fit(1 << 34, 700, 100, 3e7, 2e8, "measured here"),
)


async def whole():
    yield Measuring(1, 2, "boot 1 of 5")
    yield WHOLE


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_every_row_shows_both_sides_and_where_each_figure_is_from(size) -> None:
    app = CompareApp(whole)
    async with app.run_test(size=size) as pilot:
        await app.workers.wait_for_complete()
        await pilot.pause()
        text = drawn(app)

        for words in ("6.18 [/] x, the host's", "6.1.0, its own", "in the guest", "×375", "/dev/kvm hangs"):
            assert words in text
        assert "emulated (TCG)" in text
        await pilot.press("down")
        await pilot.pause()
        assert "A kernel has to boot." in drawn(app)


async def test_what_is_measured_now_is_told_and_leaving_waits_until_it_has_ended() -> None:
    ended, begun = [], asyncio.Event()

    async def forever():
        try:
            yield Measuring(3, 9, "boot 2 of 5")
            begun.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    app = CompareApp(forever)
    async with app.run_test(size=(100, 30)) as pilot:
        await begun.wait()
        await pilot.pause()
        assert "boot 2 of 5" in drawn(app)
        assert app.screen.check_action("again", ()) is False
        await pilot.press("q")
        await pilot.pause()
        assert [True] == ended
    assert app.return_code == 0


async def test_a_model_says_of_which_vm_it_is() -> None:
    async def modelled():
        of = {"model": "firecracker, tuned kernel, rootfs image"}
        yield msgspec.structs.replace(WHOLE, vm="model", accelerator="", conditions=of, rows=(KERNEL,), fit=None)

    app = CompareApp(modelled)
    async with app.run_test(size=(100, 30)) as pilot:
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert "the VM is a model (firecracker, tuned kernel, rootfs image)" in drawn(app)


async def test_an_error_is_told_in_words_and_measuring_again_is_possible() -> None:
    tries = []

    async def failing():
        tries.append(1)
        if len(tries) == 1:
            raise UnavailableError("no room for a guest", "Give it less.")
        yield WHOLE

    app = CompareApp(failing)
    async with app.run_test(size=(100, 30)) as pilot:
        await pilot.pause()
        await pilot.pause()
        assert isinstance(app.screen, ErrorScreen)
        assert "no room for a guest" in drawn(app)
        await pilot.press("enter")
        await pilot.press("r")
        await app.workers.wait_for_complete()
        await pilot.pause()
        assert isinstance(app.screen, CompareScreen)
        assert "6.1.0, its own" in drawn(app)


def plain(lines) -> str:
    return "\n".join(content.plain for content in lines)


def test_a_measured_vm_stands_beside_the_cited_one_and_both_are_named() -> None:
    said = details(BOOT, WHOLE, 90).plain

    assert "1.5 s [1.4 s to 1.7 s, 5 runs]  · measured here" in said
    assert "240 ms  · model: NSDI'20 data, 2020" in said
    assert EMULATED in said


def test_a_waterfall_is_in_order_and_adds_up_its_shortest_steps() -> None:
    steps = (*(Step(f"step {number}", float(1 + number % 3)) for number in range(40)), Step("longest", 500.0))
    rows = list(waterfall(Cell(text="", tag="measured here", steps=steps), 80))

    assert "longest" in rows[-2].plain
    assert "shorter ones" in rows[-1].plain
    assert all(80 >= content.cell_length for content in rows)


def test_the_picture_has_a_square_for_every_so_many() -> None:
    drawn = plain(picture(DENSITY_FIT, 60))

    assert "■ is 3" in drawn
    assert round(700 / 3) + round(100 / 3) == drawn.count("■") - 1


DENSITY_FIT = WHOLE.fit


def test_a_row_that_is_not_measured_yet_shows_so_on_both_sides() -> None:
    waiting = msgspec.structs.replace(BOOT, container=None, vm=None, ratio=None)

    for width in (60, 110):
        assert isinstance(line(waiting, width), Content)
        assert 2 == line(waiting, width).plain.count("…")
