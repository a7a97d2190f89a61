"""The Review screen as SVG. After a change that is meant: pytest with --snapshot-update; look."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.tui.review_stage import ReviewStage, make_vault

BROKEN = "---\nsr-due: soon\nsr-interval: 1\nsr-ease: 250\n---\n"
SOON = "---\nsr-due: 2026-11-27\nsr-interval: 9\nsr-ease: 250\n---\n"


@pytest.mark.parametrize(
    ("size", "keys", "theme"),
    [((80, 24), "", ""), ((120, 40), "space x", ""), ((200, 50), "space", "contlab-light")],
    ids=["covered-80", "live-120", "rating-200"],
)
def test_review(
    snap_compare: Callable[..., bool],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int],
    keys: str,
    theme: str,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))  # the folder is another in each run
    stage = ReviewStage(make_vault(tmp_path / "vault", Broken=BROKEN, Soon=SOON), tmp_path / "review.sqlite3")

    async def play(pilot: Pilot[None]) -> None:
        stage.pilot = pilot
        if theme:
            stage.app.theme = theme
        await stage.settle()
        await stage.press(*keys.split())

    assert snap_compare(stage.app, terminal_size=size, run_before=play)
