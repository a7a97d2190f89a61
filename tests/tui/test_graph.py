from __future__ import annotations

from contlab.tui.widgets.graph import bar, sparkline


def test_a_bar_ends_at_its_limit() -> None:
    assert bar([(32, "█", ""), (16, "▓", "")], 64, 9).plain == "████▓▓··┃"


def test_a_little_is_not_nothing() -> None:
    assert bar([(1, "█", "")], 1_000_000, 9).plain == "█·······┃"


def test_more_than_the_limit_still_fits() -> None:
    assert bar([(90, "█", ""), (10, "▒", "")], 64, 9).plain == "████████┃"


def test_a_sparkline_keeps_its_scale() -> None:
    assert sparkline([0, 8, 32, 64], 64, 6) == "   ▁▄█"


def test_only_the_newest_values_are_drawn() -> None:
    assert sparkline(range(100), 99, 3) == "███"
