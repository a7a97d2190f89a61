"""What a learner did in lessons becomes cards."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from contlab.course.lesson import Predict
from contlab.course.progress import Progress
from contlab.course.session import Prediction
from contlab.lab.remember import lesson_index, shipped_lessons, sync_course
from contlab.review.deck import Deck, Synced
from contlab.review.log import Log

LATER = datetime(2099, 1, 1, tzinfo=UTC)


@pytest.fixture
def deck(tmp_path):
    with Log(tmp_path / "log.sqlite3") as log:
        yield Deck(log)


def finish(progress: Progress, *, right: bool) -> str:
    """Play the first step that asks something; the question."""
    lesson = shipped_lessons()[0]
    step = next(step for step in lesson.steps if step.of(Predict))
    asked: Predict = step.of(Predict)[0]
    progress.finish(lesson, step.slug, (Prediction(asked, 0, 0 if right else 1),), "2026-11-23T12:00:00Z")
    return asked.question.strip()


def test_a_step_not_done_asks_nothing(deck, tmp_path):
    assert sync_course(deck, shipped_lessons(), Progress(tmp_path / "progress.json")) == Synced()


def test_a_wrong_prediction_becomes_a_card_that_stays_when_it_is_right_later(deck, tmp_path):
    progress = Progress(tmp_path / "progress.json")
    question = finish(progress, right=False)
    sync_course(deck, shipped_lessons(), progress)
    [card] = [card for card in deck.due(LATER) if card.source.startswith("prediction:")]
    assert card.question == question
    assert card.answer
    finish(progress, right=True)
    assert sync_course(deck, shipped_lessons(), progress) == Synced()
    assert card in deck.due(LATER)


def test_a_done_steps_cards_are_taken_in_once(deck, tmp_path):
    progress = Progress(tmp_path / "progress.json")
    lesson = shipped_lessons()[0]
    for step in lesson.steps:
        progress.finish(lesson, step.slug, (), "2026-11-23T12:00:00Z")
    first = sync_course(deck, shipped_lessons(), progress)
    assert first.added == len(deck.all()) >= 3
    assert sync_course(deck, shipped_lessons(), progress) == Synced()


def test_the_shipped_lessons_can_be_looked_up():
    assert lesson_index().find("chroot")[0].lesson == "why-containers/three-walls"
