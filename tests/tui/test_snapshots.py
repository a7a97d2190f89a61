"""Whole screens as SVG. After a change that is meant: pytest tests/tui/test_snapshots.py --snapshot-update; look."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from textual.pilot import Pilot

from contlab.course.progress import Progress
from tests.tui.conftest import Stage, app_with
from tests.tui.fake_lab import MIB, FakeLab, cgroup, lesson, processes, snapshot


def shot(
    snap_compare: Callable[..., bool],
    progress: Progress,
    size: tuple[int, int],
    keys: str,
    theme: str = "",
    first: bool = True,
) -> bool:
    """Play ``keys`` over a lab whose container has grown a little, and compare."""
    lab = FakeLab()
    teaching = app_with(lab, progress, first=first)

    async def play(pilot: Pilot[None]) -> None:
        stage = Stage(teaching, pilot, lab)
        if theme:
            teaching.theme = theme
        await stage.settle()
        for step in range(12):
            used, crowd = cgroup((3 + 3 * step) * MIB), processes(2 + step // 6)
            lab.sample(tenant=snapshot(at=2e6 + step * 5e5, cgroup=used, processes=crowd))
            await stage.settle()
        await stage.press(*keys.split())

    return snap_compare(teaching, terminal_size=size, run_before=play)


@pytest.mark.parametrize(
    ("size", "keys"),
    [
        pytest.param((80, 24), "enter", id="small-predict"),
        pytest.param((80, 24), "enter 1 r", id="small-explain"),
        pytest.param((80, 24), "right right right", id="small-limits"),
        pytest.param((120, 40), "enter 1 r", id="medium-explain"),
        pytest.param((200, 50), "enter 2", id="large-run"),
    ],
)
def test_the_learn_screen_looks_as_it_did(
    snap_compare: Callable[..., bool], progress: Progress, size: tuple[int, int], keys: str
) -> None:
    assert shot(snap_compare, progress, size, keys)


@pytest.mark.parametrize("theme", ["contlab-light", "contlab-contrast"])
def test_the_other_themes_look_as_they_did(snap_compare: Callable[..., bool], progress: Progress, theme: str) -> None:
    assert shot(snap_compare, progress, (120, 40), "enter 2 r h", theme)


def test_the_list_of_lessons_looks_as_it_did(snap_compare: Callable[..., bool], progress: Progress) -> None:
    progress.finish(lesson(), "own-pids", (), "2026-01-01T00:00:00+00:00")

    assert shot(snap_compare, progress, (120, 40), "", first=False)
