"""Session: where a learner stands in a lesson, as a state machine. No clock, no kernel, no screen.

::

    READ ──▶ PREDICT ──▶ RUN ──▶ OBSERVE ──▶ EXPLAIN ──▶ next step's READ ... DONE
             (each        (each   (facts      (what came
              question)    run)    judged)     after the runs)

A phase with nothing to do is passed over. Screens and the headless player drive the same object.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from contlab.course.facts import FactContext, RunResult, Verdict, judge
from contlab.course.lesson import Check, Expect, Lesson, Predict, Prose, Run, Step


class Phase(StrEnum):
    READ = "read"
    PREDICT = "predict"
    RUN = "run"
    OBSERVE = "observe"
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
        return self.chosen == self.right


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
        self.lesson = lesson
        self.index = index
        self.begin()

    @property
    def step(self) -> Step:
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
        """Jump to a step."""
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
        spoiler_free = self.phase in (Phase.READ, Phase.PREDICT, Phase.RUN) and last >= 0
        return tuple(b for place, b in enumerate(blocks) if isinstance(b, Prose) and not (spoiler_free and place > last))

    def read(self, facts: FactContext) -> None:
        """The reading is over; ``facts`` is how things stood before the step opened its containers."""
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
        self.results.append(result)
        self._enter(Phase.RUN)

    def observe(self, facts: FactContext) -> None:
        """Let the kernel judge: predictions and expects, by the facts after the runs."""
        self.predictions = [
            msgspec.structs.replace(p, right=_right_choice(p.predict, facts)) for p in self.predictions
        ]
        self.judgements = [
            Judgement(
                check,
                judge(check, self._before) if expect.before == "false" and self._before is not None else None,
                judge(check, facts),
            )
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

    def _enter(self, phase: Phase) -> None:
        if phase is Phase.PREDICT and len(self.predictions) == len(self.step.of(Predict)):
            phase = Phase.RUN
        if phase is Phase.RUN and len(self.results) == len(self.step.of(Run)):
            phase = Phase.OBSERVE
        self.phase = phase


def _right_choice(predict: Predict, facts: FactContext) -> int | None:
    for place, check in enumerate(predict.decides):
        if judge(check, facts).holds:
            return place
    return None
