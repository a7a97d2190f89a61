from __future__ import annotations

from contlab.runtime.events import OperationDone
from contlab.tui.evidence import Evidence
from contlab.tui.happening import KEPT
from tests.tui.fake_lab import birth, cgroup, exited, processes, snapshot


def test_what_is_new_is_marked_until_the_next_step() -> None:
    evidence = Evidence()
    evidence.sampled({"tenant": snapshot()})
    evidence.begin_step()
    evidence.sampled({"tenant": snapshot(processes=processes(3))})

    assert [(change.slice, change.key, change.how) for change in evidence.changes("tenant")] == [
        ("processes", "18424", "appeared")
    ]

    evidence.begin_step()

    assert evidence.changes("tenant") == ()


def test_a_container_that_is_new_in_a_step_is_not_marked_all_over() -> None:
    evidence = Evidence()
    evidence.begin_step()
    evidence.sampled({"tenant": snapshot()})

    assert evidence.changes("tenant") == ()


def test_another_birth_of_a_container_replaces_the_operations_of_the_first() -> None:
    evidence = Evidence()
    for event in (*birth(), *birth(at=9_000_000.0)):
        evidence.happened(event)

    plan = [event for event in birth(at=9_000_000.0) if isinstance(event, OperationDone)]
    assert list(evidence.operations("tenant")) == plan
    assert evidence.ready_us["tenant"] == 1_100.0


def test_a_counter_of_the_kernel_becomes_a_sentence_when_it_rises() -> None:
    evidence = Evidence()
    for kills in (0, 0, 1, 1):
        evidence.sampled({"tenant": snapshot(cgroup=cgroup(kills=kills))})

    assert [(said.container, said.text, said.grave) for said in evidence.happenings] == [
        ("tenant", "the kernel killed a process here: memory reached its limit of 64 MiB", True)
    ]


def test_events_are_never_dropped_before_the_panel_is_full() -> None:
    evidence = Evidence()
    for at in range(KEPT + 50):
        evidence.happened(exited(at=float(at)))

    assert len(evidence.happenings) == KEPT
    assert evidence.happenings[-1].at == KEPT + 49
