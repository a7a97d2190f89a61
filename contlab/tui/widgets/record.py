"""What the learner said and did in this step, and what the kernel answered."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content
from textual.reactive import var
from textual.widgets import Static

from contlab.course.facts import RunResult, claim
from contlab.course.lesson import Hint, Run
from contlab.course.session import Judgement, Prediction
from contlab.tui.sentences import signal_name
from contlab.tui.text import safe
from contlab.tui.units import duration
from contlab.tui.view import NOTHING, StepView


class Record(Static):
    """Predictions, runs and verdicts of the step, in the order they come about."""

    DEFAULT_CSS = """
    Record { height: auto; margin: 0 0 1 0; border-left: outer $primary; padding: 0 0 0 1; }
    Record.-empty { display: none; }
    """

    view: var[StepView] = var(NOTHING)

    def watch_view(self, view: StepView) -> None:
        """Something was said or done."""
        content = Content("\n").join(record(view))
        self.set_class(not content, "-empty")
        self.update(content)


class Hints(Static):
    """The rungs that were taken."""

    DEFAULT_CSS = """
    Hints { height: auto; margin: 0 0 1 0; border-left: outer $accent; padding: 0 0 0 1; }
    Hints.-empty { display: none; }
    """

    view: var[StepView] = var(NOTHING)

    def watch_view(self, view: StepView) -> None:
        """One more rung, or another step."""
        self.set_class(not view.hints, "-empty")
        self.update(Content("\n").join(_hint(place, hint) for place, hint in enumerate(view.hints, 1)))


def record(view: StepView) -> Iterator[Content]:
    """The lines of a step's record."""
    for prediction in view.predictions:
        yield from _verdict(prediction) if view.judged else _promise(prediction)
    if view.predictions and view.results:
        yield Content("")
    for run, result in zip(view.runs, view.results, strict=False):
        yield _ran(run, result)
    if view.judgements:
        if view.predictions or view.results:
            yield Content("")
        yield Content.styled("Checked with the kernel", "bold")
        for judgement in view.judgements:
            yield from _judged(judgement)


def _promise(prediction: Prediction) -> Iterator[Content]:
    yield Content.assemble(("You predict  ", "$foreground-muted"), safe(_choice(prediction, prediction.chosen), "bold"))


def _choice(prediction: Prediction, place: int) -> str:
    return f"{place + 1} {prediction.predict.choices[place]}"


def _verdict(prediction: Prediction) -> Iterator[Content]:
    said = _choice(prediction, prediction.chosen)
    if prediction.right is None:
        yield Content.assemble(("? You predicted  ", "$warning bold"), safe(said))
        yield Content.styled("  None of the choices is what the kernel did.", "$foreground-muted")
    elif prediction.correct:
        yield Content.assemble(("✓ You were right  ", "$success bold"), safe(said))
    else:
        yield Content.assemble(("✗ You predicted   ", "$error bold"), safe(said))
        yield Content.assemble(("  The kernel did  ", "$success bold"), safe(_choice(prediction, prediction.right)))
    if prediction.predict.because:
        yield safe(" ".join(prediction.predict.because.split()), "$foreground-muted")


def _ran(run: Run, result: RunResult) -> Content:
    if result.timed_out:
        ended, style = f"stopped after {result.seconds:.0f} s", "$warning"
    elif result.signal:
        ended, style = f"killed by {signal_name(result.signal)}", "$warning"
    else:
        ended, style = f"exit {result.exit_code}", "$success" if result.exit_code == 0 else "$warning"
    return Content.assemble(
        ("$ ", "$foreground-muted"),
        safe(" ".join(run.command.split())),
        ("  → ", "$foreground-muted"),
        (ended, style),
        (f", {duration(result.seconds * 1e6)}", "$foreground-muted"),
    )


def _judged(judgement: Judgement) -> Iterator[Content]:
    said, before, after = claim(judgement.check), judgement.before, judgement.after
    if judgement.passed:
        yield Content.assemble(("✓ ", "$success bold"), safe(said))
        if before is not None and before.seen != after.seen and not before.seen.startswith("not known"):
            yield Content.assemble(
                ("  before this step: ", "$foreground-muted"), safe(before.seen, "$foreground-muted")
            )
        return
    yield Content.assemble(("✗ ", "$error bold"), safe(said))
    if after.holds:
        yield Content.styled("  it does, but so it did before this step", "$warning")
    else:
        yield Content.assemble(("  seen: ", "$foreground-muted"), safe(after.seen, "$warning"))


def _hint(place: int, hint: Hint) -> Content:
    return Content.assemble(
        (f"Hint {place} · ", "$accent bold"), safe(hint.rung, "$accent bold"), "\n", lines(hint.text)
    )


def lines(text: str) -> Content:
    """Several lines of a lesson's own text, each made safe."""
    return Content("\n").join(safe(line) for line in text.strip().splitlines())
