"""Rates, and when there is none."""

from __future__ import annotations

import pytest

from contlab.observe.rates import percent_of_count, percent_of_time


@pytest.mark.parametrize(
    ("used", "at", "percent"),
    [
        ((0, 500), (0, 1000), 50.0),
        ((0, 2000), (0, 1000), 200.0),
        ((7, 7), (0, 1000), 0.0),
        ((0, 500), (1000, 1000), None),
        ((500, 0), (0, 1000), None),
    ],
    ids=["half of one", "two processors", "idle", "no time passed", "another counter"],
)
def test_percent_of_time(used, at, percent):
    assert percent_of_time(*used, *at) == percent


@pytest.mark.parametrize(
    ("part", "whole", "percent"),
    [
        ((0, 3), (0, 4), 75.0),
        ((3, 3), (4, 8), 0.0),
        ((0, 0), (4, 4), None),
        ((3, 0), (0, 4), None),
        ((0, 5), (0, 4), 100.0),
    ],
    ids=["three of four", "none of four", "nothing counted", "another counter", "read between two updates"],
)
def test_percent_of_count(part, whole, percent):
    assert percent_of_count(*part, *whole) == percent
