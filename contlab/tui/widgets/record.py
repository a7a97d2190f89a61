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
from contlab.tui.text import hang, safe, script
from contlab.tui.units import duration
from contlab.tui.view import NOTHING, StepView

_USUAL = 60
"""Cells, as long as the real width isn't known."""


class Record(Static):
    """Predictions, runs and verdicts of the step, in the order they come about."""

    DEFAULT_CSS = """
    Record { height: auto; margin: 0 0 1 0; border-left: outer $primary; padding: 0 0 0 1; }
    Record.-empty { display: none; }
    """

    view: var[StepView] = var(NOTHING)
    _told = Content("")

    def watch_view(self) -> None:
        """Something was said or done."""
        self._tell()

    def on_resize(self) -> None:
        """Another width: lines break elsewhere."""
        self._tell()

    def _tell(self) -> None:
        content = Content("\n").join(record(self.view, self.size.width or _USUAL))
        self.set_class(not content, "-empty")
        if not content.is_same(self._told):
            self._told = content
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


def record(view: StepView, width: int) -> Iterator[Content]:
    """The lines of a step's record, at most ``width`` cells wide."""
    for prediction in view.predictions:
        yield from _verdict(prediction, width) if view.judged else _promise(prediction, width)
    if view.predictions and view.results:
        yield Content("")
    for run, result in zip(view.runs, view.results, strict=False):
        yield from _ran(run, result, width)
    if view.judgements:
        if view.predictions or view.results:
            yield Content("")
        yield Content.styled("Checked with the kernel", "bold")
        for judgement in view.judgements:
            yield from _judged(judgement, width)


def _promise(prediction: Prediction, width: int) -> list[Content]:
    return hang(Content.styled("You predict  ", "$foreground-muted"), _choice(prediction, prediction.chosen), width)


def _choice(prediction: Prediction, place: int) -> Content:
    return safe(f"{place + 1} {prediction.predict.choices[place]}", "bold")


def _verdict(prediction: Prediction, width: int) -> Iterator[Content]:
    said = _choice(prediction, prediction.chosen)
    if prediction.correct:
        yield from hang(Content.styled("✓ You were right   ", "$success bold"), said, width)
    else:
        yield from hang(Content.styled("✗ You predicted    ", "$error bold"), said, width)
        kernel = (
            Content.styled("something else than all of these", "$warning")
            if prediction.right is None
            else _choice(prediction, prediction.right)
        )
        yield from hang(Content.styled("  The kernel did   ", "$success bold"), kernel, width)
    if because := " ".join(prediction.predict.because.split()):
        yield from hang(Content("  "), safe(because, "$foreground-muted"), width)


def _ran(run: Run, result: RunResult, width: int) -> list[Content]:
    if result.missing:
        ended, style = "could not be run", "$warning"
    elif result.timed_out:
        ended, style = f"stopped after {result.seconds:.0f} s", "$warning"
    elif result.signal:
        ended, style = f"killed by {signal_name(result.signal)}", "$warning"
    else:
        ended, style = f"exit {result.exit_code}", "$success" if result.exit_code == 0 else "$warning"
    *before, last = (safe(line) for line in script(run.command))
    said = Content.assemble(
        last,
        ("  → ", "$foreground-muted"),
        (ended, style),
        (f", {duration(result.seconds * 1e6)}", "$foreground-muted"),
    )
    shown: list[Content] = []
    for line in (*before, said):
        shown += hang(Content.styled("  " if shown else "$ ", "$foreground-muted"), line, width)
    return shown


def _judged(judgement: Judgement, width: int) -> Iterator[Content]:
    said, before, after = safe(claim(judgement.check)), judgement.before, judgement.after
    if judgement.passed:
        yield from hang(Content.styled("✓ ", "$success bold"), said, width)
        if before is not None and before.seen != after.seen and not before.seen.startswith("not known"):
            seen = safe(f"before this step: {before.seen}", "$foreground-muted")
            yield from hang(Content("  "), seen, width)
        return
    yield from hang(Content.styled("✗ ", "$error bold"), said, width)
    why = "it does, but so it did before this step" if after.holds else f"seen: {after.seen}"
    yield from hang(Content("  "), safe(why, "$warning"), width)


def _hint(place: int, hint: Hint) -> Content:
    return Content.assemble(
        (f"Hint {place} · ", "$accent bold"), safe(hint.rung, "$accent bold"), "\n", lines(hint.text)
    )


def lines(text: str) -> Content:
    """Several lines of a lesson's own text, each made safe."""
    return Content("\n").join(safe(line) for line in text.strip().splitlines())
