"""Session: where a learner stands in a lesson, as a state machine. No clock, no kernel, no screen.

::

    READ ──▶ PREDICT ──▶ RUN ──▶ OBSERVE ──▶ EXPLAIN ──▶ next step's READ ... DONE
             (each        (each   (facts      (what came
              question)    run)    judged)     after the runs)

A phase with nothing to do is passed over. Screens and the headless player drive the same object.
A call that does not fit the phase is a ValueError: a player's mistake, never a learner's.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from contlab.course.facts import FactContext, RunResult, Verdict, judge
from contlab.course.lesson import Card, Check, Expect, Hint, Lesson, Predict, Prose, Run, Step


class Phase(StrEnum):
    """What the learner does now."""

    READ = "read"
    PREDICT = "predict"
    RUN = "run"
    OBSERVE = "observe"
    """All has run; the kernel is to be asked. Lasts until ``observe`` is called."""
    EXPLAIN = "explain"
    DONE = "done"


class Prediction(msgspec.Struct, frozen=True):
    """What the learner said, and, once the kernel has spoken, which choice was right."""

    predict: Predict
    chosen: int
    right: int | None = None
    """None: not judged yet, or no choice's check held."""

    @property
    def correct(self) -> bool:
        """The kernel did what the learner said."""
        return self.chosen == self.right

    @property
    def card(self) -> Card | None:
        """What a wrong prediction leaves to remember."""
        if self.right is None or self.correct:
            return None
        answer = f"{self.predict.choices[self.right]}. {self.predict.because.strip()}"
        return Card(self.predict.question, answer, self.predict.line)


class Judgement(msgspec.Struct, frozen=True):
    """One check of an ``expect``: how it stood before the step's runs, and after."""

    check: Check
    before: Verdict | None
    """None where "before" doesn't matter."""
    after: Verdict

    @property
    def passed(self) -> bool:
        """It holds now, and did not hold before where that was asked."""
        return self.after.holds and not (self.before is not None and self.before.holds)


class Session:
    """One learner in one lesson."""

    def __init__(self, lesson: Lesson, index: int = 0) -> None:
        if not lesson.steps:
            raise ValueError(f"lesson {lesson.id} has no step")
        self.lesson = lesson
        self.index = max(0, min(index, len(lesson.steps) - 1))
        self.begin()

    @property
    def step(self) -> Step:
        """The step the learner is in; at the end, the last one."""
        return self.lesson.steps[self.index]

    def begin(self) -> None:
        """(Re)start the current step from its reading."""
        self.phase = Phase.READ
        self.predictions: list[Prediction] = []
        self.judgements: list[Judgement] = []
        self.results: list[RunResult] = []
        self.hints_shown = 0
        self._before: FactContext | None = None

    def go_to(self, index: int) -> None:
        """Jump to a step; beyond either end, to the one at that end."""
        self.index = max(0, min(index, len(self.lesson.steps) - 1))
        self.begin()

    @property
    def question(self) -> Predict | None:
        """The prediction that is asked now."""
        asked: tuple[Predict, ...] = self.step.of(Predict)
        return asked[len(self.predictions)] if self.phase is Phase.PREDICT else None

    @property
    def next_run(self) -> Run | None:
        """The command that is to be run now."""
        runs: tuple[Run, ...] = self.step.of(Run)
        return runs[len(self.results)] if self.phase is Phase.RUN else None

    @property
    def prose(self) -> tuple[Prose, ...]:
        """What may be read in this phase: what stands after the last run stays hidden until it has run."""
        blocks = self.step.blocks
        last = max((place for place, block in enumerate(blocks) if isinstance(block, Run)), default=-1)
        hidden = self.phase in (Phase.READ, Phase.PREDICT, Phase.RUN) and last >= 0
        return tuple(b for place, b in enumerate(blocks) if isinstance(b, Prose) and not (hidden and place > last))

    @property
    def passed(self) -> bool:
        """Every ``expect`` of the step held, so far as it was judged."""
        return all(judgement.passed for judgement in self.judgements)

    @property
    def cards(self) -> tuple[Card, ...]:
        """What this step leaves to remember: its own cards, and one for each wrong prediction."""
        missed = (prediction.card for prediction in self.predictions)
        return (*self.step.of(Card), *(card for card in missed if card is not None))

    def next_hint(self) -> Hint | None:
        """Take the next rung: nudge, command, solution; None when there is none left."""
        rungs: tuple[Hint, ...] = self.step.of(Hint)
        if self.hints_shown >= len(rungs):
            return None
        self.hints_shown += 1
        return rungs[self.hints_shown - 1]

    def read(self, facts: FactContext) -> None:
        """The reading is over; ``facts`` is how things stood before the step opened its containers."""
        self._need(Phase.READ)
        self._before = facts
        self._enter(Phase.PREDICT)

    def predict(self, choice: int) -> None:
        """Answer the question that is asked now, by the choice's place from 0."""
        if (question := self.question) is None:
            raise ValueError("no question is asked now")
        if not 0 <= choice < len(question.choices):
            raise ValueError(f"choice {choice} is not one of {len(question.choices)}")
        self.predictions.append(Prediction(question, choice))
        self._enter(Phase.PREDICT)

    def ran(self, result: RunResult) -> None:
        """The command that was to be run has ended."""
        self._need(Phase.RUN)
        self.results.append(result)
        self._enter(Phase.RUN)

    def observe(self, facts: FactContext) -> None:
        """Let the kernel judge: predictions and expects, by the facts after the runs."""
        self._need(Phase.OBSERVE)
        self.predictions = [msgspec.structs.replace(p, right=_right_choice(p.predict, facts)) for p in self.predictions]
        self.judgements = [
            Judgement(check, self._earlier(check, expect), judge(check, facts))
            for expect in self.step.of(Expect)
            for check in expect.checks
        ]
        self.phase = Phase.EXPLAIN

    def advance(self) -> None:
        """On to the next step, or to the end."""
        if self.index + 1 < len(self.lesson.steps):
            self.go_to(self.index + 1)
        else:
            self.phase = Phase.DONE

    def _earlier(self, check: Check, expect: Expect) -> Verdict | None:
        return judge(check, self._before) if expect.before == "false" and self._before is not None else None

    def _need(self, phase: Phase) -> None:
        if self.phase is not phase:
            raise ValueError(f"the session is in {self.phase}, not in {phase}")

    def _enter(self, phase: Phase) -> None:
        if phase is Phase.PREDICT and len(self.predictions) == len(self.step.of(Predict)):
            phase = Phase.RUN
        if phase is Phase.RUN and len(self.results) == len(self.step.of(Run)):
            phase = Phase.OBSERVE
        self.phase = phase


def _right_choice(predict: Predict, facts: FactContext) -> int | None:
    """The first choice whose check holds."""
    return next((place for place, check in enumerate(predict.decides) if judge(check, facts).holds), None)
