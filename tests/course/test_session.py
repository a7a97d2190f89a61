from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from contlab.course.document import parse
from contlab.course.facts import FactContext, RunResult
from contlab.course.lesson import Expect, Lesson, Predict, Prose, Run
from contlab.course.session import Phase, Session
from contlab.observe.snapshot import Snapshot

NOTHING = FactContext({}, {}, "6.1.0", "laptop")
LOOK = RunResult("look", "tenant", exit_code=0, signal=None, output="1\n", seconds=0.1)


@pytest.fixture
def lesson(small: str) -> Lesson:
    return parse(small + "\n## Second step\n\nThe end.\n", Path("x.md")).lesson


@pytest.fixture
def after(snapshot: Snapshot) -> FactContext:
    return FactContext({"tenant": snapshot}, {"look": LOOK}, "6.1.0", "laptop")


def without(lesson: Lesson, *kinds: type) -> Lesson:
    step = lesson.steps[0]
    blocks = tuple(block for block in step.blocks if not isinstance(block, kinds))
    return msgspec.structs.replace(lesson, steps=(msgspec.structs.replace(step, blocks=blocks), *lesson.steps[1:]))


def play(session: Session, choice: int, after: FactContext, before: FactContext = NOTHING) -> None:
    session.read(before)
    session.predict(choice)
    session.ran(LOOK)
    session.observe(after)


def test_a_step_goes_through_all_its_phases(lesson: Lesson, after: FactContext) -> None:
    session = Session(lesson)
    seen = [session.phase]
    session.read(NOTHING)
    seen.append(session.phase)
    session.predict(0)
    seen.append(session.phase)
    session.ran(LOOK)
    seen.append(session.phase)
    session.observe(after)
    seen.append(session.phase)
    session.advance()

    assert [Phase.READ, Phase.PREDICT, Phase.RUN, Phase.OBSERVE, Phase.EXPLAIN] == seen
    assert (1, Phase.READ) == (session.index, session.phase)


@pytest.mark.parametrize(
    ("left_out", "phase"), [((Predict,), Phase.RUN), ((Run,), Phase.PREDICT), ((Predict, Run), Phase.OBSERVE)]
)
def test_a_phase_with_nothing_to_do_is_passed_over(lesson: Lesson, left_out: tuple[type, ...], phase: Phase) -> None:
    session = Session(without(lesson, *left_out))
    session.read(NOTHING)

    assert phase is session.phase


def test_a_question_is_asked_and_a_command_offered_only_in_their_phase(lesson: Lesson) -> None:
    session = Session(lesson)
    assert (None, None) == (session.question, session.next_run)

    session.read(NOTHING)
    assert session.question is not None
    assert session.next_run is None

    session.predict(1)
    assert session.question is None
    assert session.next_run is not None
    assert "look" == session.next_run.name


def test_the_kernel_says_which_prediction_was_right(lesson: Lesson, after: FactContext) -> None:
    right, wrong = Session(lesson), Session(lesson)
    play(right, 0, after)
    play(wrong, 1, after)

    assert [(0, True), (0, False)] == [(s.predictions[0].right, s.predictions[0].correct) for s in (right, wrong)]


def test_where_no_choice_came_true_no_prediction_was_right(lesson: Lesson) -> None:
    session = Session(lesson)
    play(session, 0, NOTHING)

    assert (None, False) == (session.predictions[0].right, session.predictions[0].correct)
    assert () == session.cards


def test_a_wrong_prediction_leaves_a_card(lesson: Lesson, after: FactContext) -> None:
    session = Session(lesson)
    play(session, 1, after)

    [card] = session.cards
    assert "What is its number?" == card.question
    assert "One. It is the first in its own list." == card.answer


def test_an_expectation_passes_when_it_holds_now_and_did_not_before(lesson: Lesson, after: FactContext) -> None:
    session = Session(lesson)
    play(session, 0, after)

    assert session.passed
    assert 4 == len(session.judgements)
    assert all(judgement.before is not None and not judgement.before.holds for judgement in session.judgements)


def test_an_expectation_that_held_before_the_step_fails(lesson: Lesson, after: FactContext) -> None:
    session = Session(lesson)
    play(session, 0, after, before=after)

    assert not session.passed
    assert all(judgement.after.holds for judgement in session.judgements)


def test_an_expectation_that_may_hold_before_is_judged_only_afterwards(lesson: Lesson, after: FactContext) -> None:
    step = lesson.steps[0]
    blocks = tuple(msgspec.structs.replace(b, before="any") if isinstance(b, Expect) else b for b in step.blocks)
    first = msgspec.structs.replace(step, blocks=blocks)
    session = Session(msgspec.structs.replace(lesson, steps=(first,)))
    play(session, 0, after, before=after)

    assert session.passed
    assert {None} == {judgement.before for judgement in session.judgements}


def test_an_expectation_that_does_not_hold_fails(lesson: Lesson) -> None:
    session = Session(lesson)
    play(session, 0, NOTHING)

    assert not session.passed


def test_the_explanation_is_hidden_until_the_last_command_has_run(lesson: Lesson) -> None:
    session = Session(lesson)
    early = session.prose
    session.read(NOTHING)
    session.predict(0)
    session.ran(LOOK)

    assert [Prose("Read *this*.", 11)] == list(early)
    assert ["Read *this*.", "Now you know."] == [prose.text for prose in session.prose]


def test_a_step_without_commands_hides_nothing(lesson: Lesson) -> None:
    assert 2 == len(Session(without(lesson, Run)).prose)


def test_hints_come_one_by_one_and_end(lesson: Lesson) -> None:
    session = Session(lesson)
    rungs = [session.next_hint() for _ in range(4)]

    assert ["nudge", "command", "solution", None] == [hint.rung if hint else None for hint in rungs]
    assert 3 == session.hints_shown


def test_after_the_last_step_the_lesson_is_done(lesson: Lesson) -> None:
    session = Session(lesson, 1)
    session.advance()

    assert Phase.DONE is session.phase
    assert "Second step" == session.step.title


@pytest.mark.parametrize(("wanted", "place"), [(-3, 0), (0, 0), (1, 1), (9, 1)])
def test_a_jump_beyond_an_end_stops_there(lesson: Lesson, wanted: int, place: int) -> None:
    session = Session(lesson)
    session.go_to(wanted)

    assert place == session.index == Session(lesson, wanted).index


def test_beginning_again_forgets_the_step(lesson: Lesson, after: FactContext) -> None:
    session = Session(lesson)
    session.next_hint()
    play(session, 0, after)
    session.begin()

    assert (Phase.READ, [], [], [], 0) == (
        session.phase, session.predictions, session.judgements, session.results, session.hints_shown,
    )  # fmt: skip


def test_what_does_not_fit_the_phase_is_refused(lesson: Lesson) -> None:
    session = Session(lesson)
    for call in (lambda: session.predict(0), lambda: session.ran(LOOK), lambda: session.observe(NOTHING)):
        with pytest.raises(ValueError, match=r"session is in read|no question"):
            call()
    session.read(NOTHING)
    with pytest.raises(ValueError, match="choice 2 is not one of 2"):
        session.predict(2)
    with pytest.raises(ValueError, match="not in read"):
        session.read(NOTHING)


def test_a_lesson_without_steps_can_not_be_played(lesson: Lesson) -> None:
    with pytest.raises(ValueError, match="has no step"):
        Session(msgspec.structs.replace(lesson, steps=()))
