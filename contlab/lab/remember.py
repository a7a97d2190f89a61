"""Remember: introduces course and review. What a learner did in lessons becomes cards; notes lead to lessons."""

from __future__ import annotations

from contlab import paths
from contlab.course.catalogue import lesson_files
from contlab.course.document import read
from contlab.course.lesson import Lesson, Predict
from contlab.course.progress import Progress
from contlab.errors import LessonError
from contlab.review.cards import Draft, from_lesson, from_prediction
from contlab.review.deck import Deck, Synced
from contlab.review.links import Lessons


def shipped_lessons() -> tuple[Lesson, ...]:
    """Every lesson that can be read; those with mistakes are `contlab lessons check`'s."""
    found = []
    for path in lesson_files(paths.shipped("lessons")):
        try:
            found.append(read(path).lesson)
        except LessonError:
            continue
    return tuple(found)


def lesson_index() -> Lessons:
    """The lessons, for finding what a note's words lead to."""
    return Lessons(shipped_lessons())


def sync_course(deck: Deck, lessons: tuple[Lesson, ...], progress: Progress) -> Synced:
    """Take in the cards of steps that were done, and a card for each prediction that was wrong. None is dropped."""
    drafts: list[Draft] = []
    for lesson in lessons:
        done = set(progress.done(lesson))
        sources = {f"lesson:{lesson.id}/{slug}" for slug in done}
        drafts += [draft for draft in from_lesson(lesson) if draft.source in sources]
        for step in lesson.steps:
            if step.slug not in done:
                continue
            reasons = {predict.question: predict.because for predict in step.of(Predict)}
            for answer in progress.record.lessons[lesson.id][step.slug].answers:
                if not answer.right and (because := reasons.get(answer.question)):
                    drafts.append(from_prediction(lesson.id, step.slug, answer.question, "", because))
    return deck.sync(drafts, {draft.source for draft in drafts}, drop=False)


def sync_lessons(deck: Deck) -> Synced:
    """``sync_course`` with the lessons that ship and the learner's progress."""
    return sync_course(deck, shipped_lessons(), Progress())
