from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contlab.tui.text import cell, clip, hang, safe, visible
from contlab.tui.units import clock
from tests.tui.fake_lab import HOSTILE


def test_text_that_looks_like_markup_stays_as_it_is() -> None:
    content = safe(HOSTILE)

    assert content.plain == HOSTILE
    assert not content.spans


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("a\x1b[31mb", "a␛[31mb"),
        ("a\nb", "a␊b"),
        ("\x7f", "␡"),
        ("\x9b2J", "\\x9b2J"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("a\u200bb", "a\\u200bb"),
        ("naïve ☃ 容器", "naïve ☃ 容器"),
    ],
)
def test_what_a_terminal_would_obey_is_shown(raw: str, shown: str) -> None:
    assert visible(raw) == shown


@given(st.text())
def test_nothing_visible_is_a_control_character(raw: str) -> None:
    assert not [letter for letter in visible(raw) if unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Zl", "Zp")]


@given(st.text(max_size=40), st.integers(1, 30), st.booleans())
def test_a_cell_is_exactly_as_wide_as_its_column(raw: str, width: int, right: bool) -> None:
    assert cell(raw, width, right=right).cell_length == width


def test_a_wide_name_is_cut_with_an_ellipsis() -> None:
    assert clip("容器容器", 5) == "容器…"


def test_a_long_sentence_hangs_beside_its_time() -> None:
    rows = hang(safe("0:01.0 "), safe("tenant runs as PID 18422"), 20)

    assert [row.plain for row in rows] == ["0:01.0 tenant runs", "       as PID 18422"]


def test_a_time_on_the_axis_has_minutes_seconds_and_tenths() -> None:
    assert clock(63_240_000) == "1:03.2"
