from __future__ import annotations

import csv
import json
from pathlib import Path

import msgspec
import pytest

from contlab.review.osr import Neighbour, Rating, first_ease, interval_words, js_round, schedule
from contlab.review.settings import Settings, load, parse

VECTORS = Path(__file__).parents[1] / "data" / "review" / "sr_vectors.csv"
DEFAULTS = Settings()


def test_all_vectors_measured_from_the_plugin_are_equal():
    with VECTORS.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 400
    for row in rows:
        settings = Settings(
            easy_bonus=float(row["easy_bonus"]),
            lapses_interval_change=float(row["lapses_interval_change"]),
            maximum_interval=float(row["max_interval"]),
            load_balance=row["load_balance"] == "1",
        )
        histogram = {int(day): count for day, count in json.loads(row["histogram_json"] or "{}").items()}
        outcome = schedule(
            Rating(row["response"]),
            float(row["interval"]),
            float(row["ease"]),
            float(row["delay_days"]),
            settings,
            histogram,
        )
        assert (float(row["out_interval"]), float(row["out_ease"])) == outcome, row


@pytest.mark.parametrize(
    ("before", "rating", "histogram", "after"),
    [
        ((1, 250, 0), "easy", {}, (4, 270)),
        ((1, 250, 0), "good", {}, (3, 250)),
        ((1, 250, 0), "hard", {}, (1, 230)),
        ((10, 250, 2), "easy", {}, (42, 270)),
        ((10, 250, 2), "good", {}, (28, 250)),
        ((10, 250, 2), "hard", {}, (5, 230)),
        ((1, 250, 0), "good", {0: 1, 1: 1, 2: 1, 3: 4}, (3, 250)),
        ((2, 250, 0), "good", {5: 2}, (5, 250)),
        ((7, 250, 0), "good", {17: 4, 18: 5, 19: 3}, (19, 250)),
        ((10, 250, 0), "good", {23: 5, 26: 1}, (25, 250)),
        (
            (25, 250, 0),
            "good",
            {2: 5, 59: 8, 60: 9, 61: 3, 62: 5, 63: 4, 64: 4, 65: 8, 66: 2, 67: 10},
            (66, 250),
        ),
        (
            (500, 250, 0),
            "good",
            {1245: 7, 1246: 4, 1247: 2, 1248: 9, 1249: 5, 1250: 4, 1251: 1, 1252: 1, 1254: 1},
            (1253, 250),
        ),
        ((4, 270, 0), "good", {}, (11, 270)),
        ((4, 270, 0), "hard", {}, (2, 250)),
        ((4, 270, 0), "again", {}, (0, 250)),
        ((20000, 250, 0), "good", {}, (36525, 250)),
        ((1, 130, 0), "good", {}, (1, 130)),
    ],
)
def test_the_plugins_own_test_cases(before, rating, histogram, after):
    assert after == schedule(Rating(rating), *before, DEFAULTS, histogram)


@pytest.mark.parametrize(
    ("overdue", "hard", "good", "easy"),
    [(0, (306, 230), (1528, 250), (2145, 270)), (7, (306, 230), (1536, 250), (2169, 270)),
     (212, (332, 230), (1793, 250), (2889, 270)), (-24, (306, 230), (1528, 250), (2145, 270))],
)  # fmt: skip
def test_the_users_note_on_and_after_its_day(overdue, hard, good, easy):
    outcomes = [schedule(rating, 611, 250, overdue, DEFAULTS, {}) for rating in (Rating.HARD, Rating.GOOD, Rating.EASY)]
    assert [hard, good, easy] == outcomes


def test_without_load_balance_one_decimal_stays():
    plain = msgspec.structs.replace(DEFAULTS, load_balance=False)
    assert schedule(Rating.GOOD, 1, 250, 0, plain, {}) == (2.5, 250)


def test_halves_round_up_as_in_javascript():
    assert [js_round(2.5), js_round(3.5), js_round(-2.5), js_round(0.5)] == [3, 4, -2, 1]


def test_the_first_ease_follows_the_neighbours():
    a = Neighbour(links=1, rank=1951.4675, ease=270)
    assert first_ease([], None, DEFAULTS) == 250
    assert first_ease([Neighbour(2, 1951.4675, 270)], None, DEFAULTS) == 254
    assert first_ease([a], None, DEFAULTS) == 252
    assert first_ease([Neighbour(1, 1.0, 300)] * 70, None, DEFAULTS) == 300
    assert first_ease([], 270, DEFAULTS) == 260


def test_settings_come_from_the_plugins_file_and_null_is_the_default(tmp_path):
    data = b'{"settings": {"baseEase": 270, "tagsToReview": ["#\xe2\x9c\x85"], "easyBonus": null, "new": 1}}'
    settings = parse(data)
    assert (settings.base_ease, settings.tags_to_review, settings.easy_bonus) == (270, ("#✅",), 1.3)
    assert Settings() == load(tmp_path)


def test_intervals_in_words_round_as_in_the_plugin():
    texts = [interval_words(days) for days in (1, 12, 41, 366, 1000, 1793)]
    assert texts == ["1 day", "12 days", "1.3 months", "1 year", "2.7 years", "4.9 years"]
