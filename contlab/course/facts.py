"""Facts: the closed vocabulary that ``expect`` and ``predict`` speak, over snapshots and command results."""

from __future__ import annotations

import signal
from typing import Any, assert_never

import msgspec

from contlab.course.checks import BETWEEN_FACTS, OPERATORS
from contlab.course.lesson import Check, Container, Lesson, Run, Vm
from contlab.course.mistake import nearest
from contlab.course.vocabulary import AFTERWARDS, HOST_NAME, TABLES, Fact, Type, Value
from contlab.linux.sizes import format_size, parse_size
from contlab.observe.snapshot import Snapshot, Unavailable

__all__ = [
    "FactContext",
    "RunResult",
    "Verdict",
    "claim",
    "judge",
    "known_facts",
    "literal",
    "nearest",
    "operators_of",
    "words",
]

_LONGEST = 160
"""Characters of a text value that are shown."""


class RunResult(msgspec.Struct, frozen=True):
    """How one ``run`` ended."""

    name: str
    container: str
    exit_code: int
    """0-255; 128 + signal when it was killed."""
    signal: int | None
    output: str
    """stdout and stderr as they came, at most the last 64 KiB."""
    seconds: float
    timed_out: bool = False
    missing: str = ""
    """Why it could not be run: its guest isn't there. Nothing is known of such a run."""


class FactContext(msgspec.Struct, frozen=True):
    """All that facts are read from."""

    snapshots: dict[str, Snapshot]
    runs: dict[str, RunResult]
    host_kernel: str
    host_hostname: str


class Verdict(msgspec.Struct, frozen=True):
    """One check, judged."""

    holds: bool
    seen: str
    """The fact's value in words, or why it is not known."""


def judge(check: Check, facts: FactContext) -> Verdict:
    """Compare the fact with the value as the check says; an unknown value never holds."""
    fact, value = _read(check.fact, facts)
    if fact is None or isinstance(value, Unavailable):
        return Verdict(False, f"not known: {_reason(value)}")
    seen = words(fact, value)
    if check.operator in BETWEEN_FACTS:
        other, against = _read(str(check.value), facts)
        if other is None or isinstance(against, Unavailable):
            return Verdict(False, f"{seen}; {check.value} is not known: {_reason(against)}")
        same = value == against
        return Verdict(same is (check.operator == "same_as"), f"{seen}; {check.value} is {words(other, against)}")
    try:
        return Verdict(_compare(check.operator, value, literal(fact, check.value)), seen)
    except (TypeError, ValueError) as error:
        return Verdict(False, f"{seen}; it can't be compared: {error}")


def claim(check: Check) -> str:
    """The check as a sentence without a full stop, e.g. ``tenant.cgroup.memory.limit is 64 MiB``."""
    value = check.value
    if check.operator not in BETWEEN_FACTS and (fact := _any_fact(check.fact)) is not None:
        try:
            value = words(fact, literal(fact, check.value))
        except ValueError:
            value = check.value
    return f"{check.fact} {OPERATORS.get(check.operator, check.operator)} {value}"


def known_facts(lesson: Lesson) -> dict[str, Fact]:
    """Every fact that this lesson can check, by its full name."""
    blocks = [*lesson.intro, *(block for step in lesson.steps for block in step.blocks)]
    subjects = {HOST_NAME: "host"}
    subjects |= {block.name: "run" for block in blocks if isinstance(block, Run)}
    subjects |= {block.name: "container" for block in blocks if isinstance(block, Container)}
    subjects |= {block.name: "guest" for block in blocks if isinstance(block, Vm)}
    return {f"{name}.{fact}": found for name, kind in subjects.items() for fact, found in TABLES[kind].items()}


def operators_of(type_: Type) -> tuple[str, ...]:
    """The operators that make sense for a type."""
    match type_:
        case Type.YES_NO | Type.SIGNAL:
            return ("eq", "ne", *sorted(BETWEEN_FACTS))
        case Type.TEXT:
            return ("eq", "ne", "contains", "lacks", *sorted(BETWEEN_FACTS))
        case Type.COUNT | Type.NUMBER | Type.BYTES:
            return ("eq", "ne", "lt", "le", "gt", "ge", *sorted(BETWEEN_FACTS))
    assert_never(type_)


def literal(fact: Fact, value: Any) -> Value:
    """A lesson's value as the fact's type has it; ValueError says what would be right."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    match fact.type:
        case Type.YES_NO if isinstance(value, bool):
            return value
        case Type.TEXT if isinstance(value, str):
            return value
        case Type.COUNT | Type.NUMBER | Type.BYTES if number:
            return float(value) if isinstance(value, float) else int(value)
        case Type.COUNT | Type.NUMBER if value == "max":
            return None
        case Type.BYTES if isinstance(value, str):
            return parse_size(value)
        case Type.SIGNAL:
            return _signal(value)
    raise ValueError(f"{value!r} is not {_WANTED[fact.type]}")


_WANTED = {
    Type.YES_NO: "true or false",
    Type.TEXT: "text in quotes",
    Type.COUNT: "a whole number",
    Type.NUMBER: "a number",
    Type.BYTES: 'a size such as "64M"',
}


def words(fact: Fact, value: Value) -> str:
    """A value for people, with its unit."""
    if value is None:
        return fact.absent
    match fact.type:
        case Type.YES_NO:
            return fact.words[0] if value else fact.words[1]
        case Type.BYTES:
            return format_size(float(value))
        case Type.SIGNAL:
            return signal.Signals(int(value)).name if value in set(signal.Signals) else f"signal {value}"
        case Type.TEXT:
            text = str(value)
            return f'"{text[:_LONGEST]}…"' if len(text) > _LONGEST else f'"{text}"'
        case Type.COUNT | Type.NUMBER:
            number = f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
            return f"{number} {fact.unit[value != 1]}".rstrip()
    assert_never(fact.type)


def _read(name: str, facts: FactContext) -> tuple[Fact | None, Value | Unavailable]:
    """The fact and its value, or None and why there is no such fact now."""
    subject, _, rest = name.partition(".")
    if subject == HOST_NAME:
        return _value(TABLES["host"].get(rest), facts, name)
    if subject in facts.runs:
        missing = facts.runs[subject].missing
        return (None, Unavailable(missing)) if missing else _value(TABLES["run"].get(rest), facts.runs[subject], name)
    if subject not in facts.snapshots:
        kind = "the command" if rest in TABLES["run"] else "the container"
        state = "has not been run" if rest in TABLES["run"] else "is not open"
        return None, Unavailable(f"{kind} {subject} {state}")
    snapshot = facts.snapshots[subject]
    if snapshot.guest is not None:
        return _of_guest(name, rest, snapshot)
    # A cgroup outlives the processes in it: its counters may still be there, all else went with the process.
    if not snapshot.alive and rest != "alive" and not rest.startswith("cgroup."):
        return None, Unavailable(f"{subject} is gone")
    return _value(TABLES["container"].get(rest), snapshot, name)


def _of_guest(name: str, rest: str, snapshot: Snapshot) -> tuple[Fact | None, Value | Unavailable]:
    """A guest that is gone answers for its end and nothing else; one that was never there says why it wasn't."""
    guest = snapshot.guest
    if guest is None or isinstance(guest, Unavailable):
        return None, guest or Unavailable(f"{name} is no guest's")
    if not snapshot.alive and rest not in AFTERWARDS:
        return None, Unavailable(f"{snapshot.target} {guest.ended or 'is gone'}")
    return _value(TABLES["guest"].get(rest), snapshot, name)


def _value(fact: Fact | None, source: object, name: str) -> tuple[Fact | None, Value | Unavailable]:
    return (None, Unavailable(f"there is no fact {name}")) if fact is None else (fact, fact.read(source))


def _reason(value: Value | Unavailable) -> str:
    return value.reason if isinstance(value, Unavailable) else str(value)


def _any_fact(name: str) -> Fact | None:
    """The fact by the part after its subject; its type is all that matters here."""
    rest = name.partition(".")[2]
    return next((table[rest] for table in TABLES.values() if rest in table), None)


def _signal(value: Any) -> int | None:
    if value == "none":
        return None
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    name = "SIG" + str(value).upper().removeprefix("SIG")
    if name not in signal.Signals.__members__:
        raise ValueError(f'{value!r} is not a signal\'s name such as "KILL", nor "none"')
    return signal.Signals[name].value


def _compare(operator: str, seen: Value, wanted: Value) -> bool:
    if operator in ("eq", "ne"):
        return (seen == wanted) is (operator == "eq")
    if operator in ("contains", "lacks"):
        return (str(wanted) in str(seen)) is (operator == "contains")
    # No limit is more than any limit.
    left = float("inf") if seen is None else float(seen)
    right = float("inf") if wanted is None else float(wanted)
    return {"lt": left < right, "le": left <= right, "gt": left > right, "ge": left >= right}[operator]
