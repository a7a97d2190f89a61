"""Moment: one thing the lab told, which one can go back to, and how it is told on one line. No Textual here."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from contlab.lab.protocol import Happened, Output, Sampled, Trouble
from contlab.runtime.events import OperationDone
from contlab.tui.evidence import Evidence
from contlab.tui.scrollback import Mark
from contlab.tui.units import duration

_LINE = 200
"""Characters of a printed line that are told."""


class StepBegan(msgspec.Struct, frozen=True):
    """What comes from here on belongs to another step, or to the same one begun anew."""

    number: int
    """Its place in the lesson, from 1."""
    title: str


COMMAND = "command"
"""The stream of what was not printed but is to be run."""

Item = Sampled | Happened | Output | Trouble | StepBegan


class Kind(StrEnum):
    """What a moment is; the value is its letter on the track."""

    SAMPLE = " "
    OPERATION = "o"
    """A kernel operation that went well."""
    OUTPUT = "p"
    """A command was given, or printed something."""
    HAPPENING = "h"
    """Something that the events panel tells."""
    GRAVE = "!"
    """Something that was refused or killed."""
    STEP = "s"


@dataclass(slots=True, kw_only=True)
class Moment:
    """A change of what is to be seen."""

    item: Item
    kind: Kind
    at: float
    """µs since the lesson was opened."""
    container: str = ""
    text: str
    """What happened, in words: kernel text, never markup."""
    step: int
    """The place of the step it belongs to, from 1; 0 before the first."""
    printed: Mark
    """The output up to it."""
    again: int = 0
    """Samples after it that showed nothing new."""


class Spot(msgspec.Struct, frozen=True, kw_only=True):
    """Where one is in the timeline, as the scrub bar shows it."""

    number: int = 0
    """The moment's place among those kept, from 1."""
    dropped: int = 0
    """Moments before the first one kept."""
    overtaken: bool = False
    """The moment one was at is among the dropped: this is the oldest there is."""
    step: int = 0
    """The place of its step in the lesson, from 1."""
    at: float = 0.0
    """µs since the lesson was opened."""
    until: float = 0.0
    """The newest moment's."""
    kind: Kind = Kind.SAMPLE
    container: str = ""
    text: str = ""
    track: str = ""
    """The kinds of all moments, a letter each."""


NOWHERE = Spot()
"""The null object: nothing is paused."""


def happen(evidence: Evidence, item: Item) -> None:
    """What the evidence becomes by it."""
    match item:
        case Sampled(snapshots=snapshots):
            evidence.sampled(snapshots)
        case Happened(event=event):
            evidence.happened(event)
        case Trouble(message=message):
            evidence.trouble(message)
        case StepBegan():
            evidence.begin_step()
        case Output():
            pass


def moment_of(item: Item, evidence: Evidence, said: int, before: Moment | None, printed: Mark) -> Moment:
    """The item as a moment: ``evidence`` has just told ``said`` sentences of it, and ``before`` was the last thing."""
    at, step = (before.at, before.step) if before else (0.0, 0)
    container, text, kind = "", "", Kind.SAMPLE
    match item:
        case Sampled(snapshots=snapshots):
            at = max((evidence.since(snapshot.at) for snapshot in snapshots.values()), default=at)
            text = "a sample"
        case Happened(event=event):
            at, container, text = evidence.since(event.at), event.container, type(event).__name__.lower()
            if isinstance(event, OperationDone):
                kind, text = Kind.OPERATION, f"{event.describe} ({duration(event.microseconds)})"
        case Output(text=text, stream=stream):
            kind, text = Kind.OUTPUT, text if stream == COMMAND else f"printed: {text}"
        case StepBegan(number=step, title=title):
            kind, text = Kind.STEP, f"the step begins: {title}"
        case Trouble():
            pass
    if said:
        told = list(evidence.happenings)[-said:]
        kind = Kind.GRAVE if any(each.grave for each in told) else Kind.HAPPENING
        container, text = told[0].container, told[0].text + (f" (and {said - 1} more)" if said > 1 else "")
    return Moment(item=item, kind=kind, at=at, container=container, text=text, step=step, printed=printed)


def last_line(text: str) -> str:
    """The last line that isn't blank, its end where it is long."""
    return text[-_LINE:].rstrip().rsplit("\n", 1)[-1].strip()
