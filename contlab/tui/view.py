"""StepView: what the lesson's widgets show of a player at one moment, frozen, so that nothing equal is drawn twice."""

from __future__ import annotations

import msgspec

from contlab.course.facts import RunResult
from contlab.course.lesson import Hint, Lesson, Predict, Prose, Run, Step
from contlab.course.session import Judgement, Phase, Prediction
from contlab.tui.player import Activity, Player


class StepView(msgspec.Struct, frozen=True, kw_only=True):
    """One step as it stands."""

    lesson: str = ""
    """Title of the lesson."""
    title: str = ""
    number: int = 0
    """The step's place, from 1."""
    count: int = 0
    """Steps in the lesson."""
    following: str = ""
    """Title of the next step; "" at the end."""
    phase: Phase = Phase.READ
    activity: Activity = Activity.OPENING
    recorded: bool = False
    before: str = ""
    """Markdown to be read before the runs."""
    after: str = ""
    """Markdown that the runs have unlocked."""
    question: Predict | None = None
    next_run: Run | None = None
    runs: tuple[Run, ...] = ()
    predictions: tuple[Prediction, ...] = ()
    results: tuple[RunResult, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    hints: tuple[Hint, ...] = ()
    """The rungs that were taken."""
    hints_left: int = 0
    right: int = 0
    """Predictions of the whole lesson that the kernel confirmed."""
    asked: int = 0
    """Predictions of the whole lesson that were judged."""

    @property
    def judged(self) -> bool:
        """The kernel has spoken about this step."""
        return self.phase in (Phase.EXPLAIN, Phase.DONE)


NOTHING = StepView()
"""The null object: no lesson is open."""


def view_of(player: Player) -> StepView:
    """The player's state as a value."""
    session = player.session
    lesson, step = session.lesson, session.step
    hints: tuple[Hint, ...] = step.of(Hint)
    answers = [answer for step_answers in player.answers.values() for answer in step_answers]
    before, after = _prose(step, session.prose, lesson if session.index == 0 else None)
    return StepView(
        lesson=lesson.title,
        title=step.title,
        number=session.index + 1,
        count=len(lesson.steps),
        following="" if player.at_end else lesson.steps[session.index + 1].title,
        phase=session.phase,
        activity=player.activity,
        recorded=player.lab is not None and player.lab.recorded,
        before=before,
        after=after,
        question=session.question,
        next_run=session.next_run,
        runs=step.of(Run),
        predictions=tuple(session.predictions),
        results=tuple(session.results),
        judgements=tuple(session.judgements),
        hints=hints[: session.hints_shown],
        hints_left=max(0, len(hints) - session.hints_shown),
        right=sum(answer.correct for answer in answers),
        asked=len(answers),
    )


def _prose(step: Step, readable: tuple[Prose, ...], opening: Lesson | None) -> tuple[str, str]:
    """The step's Markdown before its last run and after it; the first step begins with the lesson's intro."""
    blocks = step.blocks
    last = max((place for place, block in enumerate(blocks) if isinstance(block, Run)), default=len(blocks))
    early = [block.text for block in (opening.intro if opening else ()) if isinstance(block, Prose)]
    early += [block.text for block in blocks[:last] if isinstance(block, Prose)]
    late = [block.text for block in blocks[last:] if isinstance(block, Prose) and block in readable]
    return "\n\n".join(early), "\n\n".join(late)
