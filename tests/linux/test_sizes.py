"""Bytes and times for people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contlab.linux.sizes import format_duration, format_size, parse_size


@pytest.mark.parametrize(
    ("words", "size"),
    [
        ("32M", 32 << 20),
        ("32m", 32 << 20),
        ("32MB", 32 << 20),
        ("32 MiB", 32 << 20),
        ("1.5GiB", 3 << 29),
        ("4096", 4096),
        ("4096B", 4096),
        ("1k", 1024),
        ("0", 0),
        (" 2T ", 2 << 40),
        ("max", None),
        ("MAX", None),
    ],
)
def test_a_size_is_read_in_powers_of_1024(words, size):
    assert parse_size(words) == size


@pytest.mark.parametrize("words", ["", "M", "32X", "-1", "1e3", "1.5", "1.5B", "3 2M", "32MiBs", "٣M", "99E"])
def test_what_is_no_size_is_refused_and_shown(words):
    with pytest.raises(ValueError, match=r"is no size|more than the kernel") as refused:
        parse_size(words)

    assert repr(words) in str(refused.value)


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (3_251_000, "3.1 MiB"),
        (64 << 20, "64 MiB"),
        (640 << 20, "640 MiB"),
        ((1 << 30) - 1, "1 GiB"),
        (3 << 40, "3 TiB"),
        (None, "max"),
    ],
)
def test_a_size_is_written_with_three_digits(size, words):
    assert format_size(size) == words


@given(st.integers(0, (1 << 62)))
def test_a_written_size_reads_back_within_a_twentieth(size):
    again = parse_size(format_size(size))

    assert again == pytest.approx(size, rel=0.05)


@pytest.mark.parametrize(
    ("microseconds", "words"),
    [
        (0, "0 µs"),
        (840.4, "840 µs"),
        (999.6, "1.0 ms"),
        (1_400, "1.4 ms"),
        (124_000, "124 ms"),
        (999_600, "1.0 s"),
        (2_000_000, "2.0 s"),
        (59_960_000, "1 min 0 s"),
        (90_000_000, "1 min 30 s"),
    ],
)
def test_a_duration_is_written_in_its_own_unit(microseconds, words):
    assert format_duration(microseconds) == words
