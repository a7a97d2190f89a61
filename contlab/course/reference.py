"""Reference: the vocabulary of facts as a page, made from the tables that judge uses, so that it can't be outdated."""

from __future__ import annotations

from collections.abc import Iterator

from contlab.course.checks import BETWEEN_FACTS, OPERATORS
from contlab.course.facts import operators_of
from contlab.course.vocabulary import TABLES, Fact, Type
from contlab.runtime.spec import Namespace

SUBJECTS = {
    "container": ("CONTAINER", "a container of the lesson, as it is now"),
    "guest": ("GUEST", "a virtual machine of the lesson, as it is now"),
    "run": ("RUN", "how a command of the lesson ended"),
    "host": ("host", "this host"),
}
_OWN = "ns.KIND.own"


def as_data() -> list[dict[str, object]]:
    """One object a fact."""
    return [
        {
            "fact": f"{SUBJECTS[subject][0]}.{fact.name}",
            "type": str(fact.type),
            "unit": fact.unit[1] or None,
            "says": fact.doc,
            "source": fact.source,
            "operators": list(operators_of(fact.type)),
        }
        for subject, table in TABLES.items()
        for fact in table.values()
    ]


def as_text() -> str:
    """The page for a terminal."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    for subject, table in TABLES.items():
        prefix, meaning = SUBJECTS[subject]
        yield f"{prefix}.…: {meaning}"
        # The eight kinds of namespace read alike: one line stands for all.
        facts = [fact for name, fact in table.items() if not name.startswith("ns.") or name == "ns.mnt.own"]
        for fact in facts:
            yield from _fact(prefix, fact)
        yield ""
    yield f"KIND is one of {', '.join(Namespace)}."
    yield "On cgroup v1 the counterparts of the v2 files named here are read; the values are the same."
    yield ""
    yield "operators (without one, a value means eq)"
    for operator, words in OPERATORS.items():
        types = "any type, another fact's name" if operator in BETWEEN_FACTS else ", ".join(_types(operator))
        yield f"  {operator:<13} {words}: {types}"


def _fact(prefix: str, fact: Fact) -> Iterator[str]:
    own = fact.name.startswith("ns.")
    name = _OWN if own else fact.name
    doc = fact.doc.replace("a mnt namespace", "a namespace of that KIND") if own else fact.doc
    source = fact.source.replace("ns/mnt", "ns/KIND") if own else fact.source
    unit = f" in {fact.unit[1]}" if fact.unit[1] else ""
    yield f"  {prefix}.{name}"
    yield f"      {fact.type}{unit}. {doc} [{source}]"


def _types(operator: str) -> Iterator[str]:
    return (str(type_) for type_ in Type if operator in operators_of(type_))
