from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from contlab.course.document import parse
from contlab.course.facts import FactContext, claim, judge, known_facts, literal, operators_of
from contlab.course.lesson import Check
from contlab.course.reference import as_data, as_text
from contlab.course.vocabulary import TABLES, Type
from contlab.observe.snapshot import EMPTY, Snapshot


def check(fact: str, value: Any, operator: str = "eq") -> Check:
    return Check(fact, operator, value, 1)


@pytest.mark.parametrize(
    ("fact", "operator", "value", "seen"),
    [
        ("tenant.alive", "eq", True, "alive"),
        ("tenant.pids.count", "le", 2, "2 processes"),
        ("tenant.pids.first", "eq", 1, "1"),
        ("tenant.uid", "eq", 100_000, "100000"),
        ("tenant.ns.pid.own", "eq", True, "its own"),
        ("tenant.ns.net.own", "eq", False, "the host's"),
        ("tenant.root", "eq", "/", '"/"'),
        ("tenant.hostname", "ne", "laptop", '"box"'),
        ("tenant.network.links", "gt", 2, "3 interfaces"),
        ("tenant.network.names", "contains", "eth0", '"dummy0 eth0 lo"'),
        ("tenant.network.up", "lacks", "eth0", '"dummy0 lo"'),
        ("tenant.network.cut", "eq", False, "not pulled out"),
        ("tenant.cgroup.memory.current", "lt", "4M", "3 MiB"),
        ("tenant.cgroup.memory.limit", "eq", "max", "no limit"),
        ("tenant.cgroup.memory.limit", "gt", "1T", "no limit"),
        ("tenant.cgroup.memory.oom_kills", "ge", 1, "2 processes"),
        ("tenant.cgroup.pids.limit", "eq", 16, "16 tasks"),
        ("look.exit_code", "ne", 0, "137"),
        ("look.signal", "eq", "KILL", "SIGKILL"),
        ("look.output", "eq", "1\nbye", '"1\nbye"'),
        ("look.timed_out", "eq", False, "no"),
        ("look.seconds", "lt", 1, "0.25 s"),
        ("host.hostname", "eq", "laptop", '"laptop"'),
        ("tenant.kernel", "same_as", "host.kernel", '"6.1.0"; host.kernel is "6.1.0"'),
        ("tenant.hostname", "differs_from", "host.hostname", '"box"; host.hostname is "laptop"'),
    ],
)
def test_a_true_claim_holds_and_its_value_is_said(
    facts: FactContext, fact: str, operator: str, value: Any, seen: str
) -> None:
    verdict = judge(check(fact, value, operator), facts)

    assert (True, seen) == (verdict.holds, verdict.seen)


@pytest.mark.parametrize(
    ("fact", "operator", "value"),
    [
        ("tenant.alive", "eq", False),
        ("tenant.pids.count", "lt", 2),
        ("tenant.cgroup.memory.limit", "le", "1T"),
        ("look.signal", "eq", "none"),
        ("look.output", "lacks", "bye"),
        ("tenant.kernel", "differs_from", "host.kernel"),
    ],
)
def test_a_false_claim_does_not_hold(facts: FactContext, fact: str, operator: str, value: Any) -> None:
    assert not judge(check(fact, value, operator), facts).holds


@pytest.mark.parametrize(
    ("fact", "why"),
    [
        ("tenant.cgroup.memory.peak", "not known: Linux 5.19 has it"),
        ("tenant.cgroup.cpu.quota", "not known: no cpu controller"),
        ("tenant.cgroup.cpu.usage", "not known: no cpu controller"),
        ("tenant.ns.uts.own", "not known: its uts namespace was not read"),
        ("other.alive", "not known: the container other is not open"),
        ("other.exit_code", "not known: the command other has not been run"),
        ("tenant.colour", "not known: there is no fact tenant.colour"),
    ],
)
@pytest.mark.parametrize("operator", ["eq", "ne"])
def test_what_is_not_known_never_holds(facts: FactContext, fact: str, why: str, operator: str) -> None:
    verdict = judge(check(fact, 0, operator), facts)

    assert (False, why) == (verdict.holds, verdict.seen)


def test_an_unknown_other_fact_never_holds(facts: FactContext) -> None:
    verdict = judge(check("host.kernel", "guest.kernel", "differs_from"), facts)

    assert (False, '"6.1.0"; guest.kernel is not known: the container guest is not open') == (
        verdict.holds,
        verdict.seen,
    )


def test_a_dead_container_keeps_its_counters_and_nothing_else(facts: FactContext, snapshot: Snapshot) -> None:
    dead = msgspec.structs.replace(facts, snapshots={"tenant": msgspec.structs.replace(snapshot, alive=False)})

    assert judge(check("tenant.alive", False), dead).holds
    assert judge(check("tenant.cgroup.memory.oom_kills", 2), dead).holds
    assert "not known: tenant is gone" == judge(check("tenant.ns.pid.own", False), dead).seen


def test_a_container_without_processes_has_no_first_one(facts: FactContext) -> None:
    bare = msgspec.structs.replace(facts, snapshots={"tenant": msgspec.structs.replace(EMPTY, alive=True)})

    assert "not known: it has no process" == judge(check("tenant.pids.first", 1), bare).seen
    assert "not known: it has no process" == judge(check("tenant.uid", 1), bare).seen


def test_long_output_is_cut_where_it_is_shown(facts: FactContext) -> None:
    loud = msgspec.structs.replace(facts.runs["look"], output="x" * 1000)
    verdict = judge(check("look.output", "x" * 1000), msgspec.structs.replace(facts, runs={"look": loud}))

    assert verdict.holds
    assert 170 > len(verdict.seen)


def test_a_value_of_the_wrong_type_is_said_and_does_not_hold(facts: FactContext) -> None:
    verdict = judge(check("tenant.pids.count", "two"), facts)

    assert (False, "2 processes; it can't be compared: 'two' is not a whole number") == (verdict.holds, verdict.seen)


@pytest.mark.parametrize(
    ("fact", "value"),
    [
        ("alive", 1), ("alive", "yes"), ("pids.count", True), ("pids.count", "2"), ("root", 3),
        ("cgroup.memory.current", "lots"), ("cgroup.memory.current", True),
    ],
)  # fmt: skip
def test_a_value_that_is_no_value_of_the_type_is_refused(fact: str, value: Any) -> None:
    with pytest.raises(ValueError, match=r"is not|is no size"):
        literal(TABLES["container"][fact], value)


def test_a_signal_may_be_said_in_three_ways() -> None:
    fact = TABLES["run"]["signal"]

    assert [9, 9, 9, None] == [literal(fact, value) for value in ("KILL", "SIGKILL", 9, "none")]
    with pytest.raises(ValueError, match="not a signal's name"):
        literal(fact, "KIL")


def test_a_claim_reads_as_a_sentence() -> None:
    assert "a.cgroup.memory.limit is at most 64 MiB" == claim(check("a.cgroup.memory.limit", "64M", "le"))
    assert "a.kernel is the same as host.kernel" == claim(check("a.kernel", "host.kernel", "same_as"))
    assert "a.nonsense is 1" == claim(check("a.nonsense", 1))


def test_a_lesson_knows_the_facts_of_its_own_containers_and_runs(small: str) -> None:
    known = known_facts(parse(small, Path("x.md")).lesson)

    assert {"tenant.alive", "look.exit_code", "host.kernel"} <= known.keys()
    assert not {"look.alive", "tenant.exit_code", "other.alive"} & known.keys()


@pytest.mark.parametrize("type_", Type)
def test_every_type_can_be_compared(type_: Type) -> None:
    assert {"eq", "ne", "same_as", "differs_from"} <= set(operators_of(type_))


def test_the_reference_names_every_fact_once() -> None:
    total = sum(len(table) for table in TABLES.values())

    assert total == len({str(entry["fact"]) for entry in as_data()})
    assert all(entry["says"] and entry["source"] for entry in as_data())


def test_the_reference_for_people_folds_the_namespaces_into_one_line() -> None:
    page = as_text()

    assert 1 == page.count("ns.KIND.own")
    assert "mnt namespace" not in page
    assert "CONTAINER.cgroup.memory.limit" in page
