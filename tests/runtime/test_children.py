"""The loop, and a child's reports as the supervisor reads them."""

from __future__ import annotations

import os
import signal
import subprocess

import pytest

from contlab.runtime import stage
from contlab.runtime.children import Children
from contlab.runtime.loop import Loop
from contlab.runtime.operation import ChangeDirectory, Execute, MakePrivate
from contlab.runtime.process import Process

OPERATIONS = (MakePrivate(), ChangeDirectory("/"), Execute(("sh",), ()))


class Child:
    """A process and the writing end of its report pipe, which a test writes to."""

    def __init__(self) -> None:
        self.process = Process("box", OPERATIONS, 0.0, None)
        self.process.report, self.end = os.pipe()
        os.set_blocking(self.process.report, False)

    def write(self, data: bytes) -> None:
        os.write(self.end, data)

    def close(self) -> None:
        os.close(self.end)
        self.end = -1


@pytest.fixture
def child():
    child = Child()
    yield child
    os.close(child.process.report)
    if child.end != -1:
        child.close()


def test_reports_are_read_line_by_line_though_a_read_may_end_in_the_middle_of_one(child: Child) -> None:
    child.write(b'[0,1.5,0,"","",0]\n[1,2.')
    assert ([stage.Report(0, 1.5)], False) == child.process.reports()

    child.write(b'5,0,"","",0]\n')
    assert ([stage.Report(1, 2.5)], False) == child.process.reports()


def test_the_end_of_all_reports_but_exec_s_own_means_that_exec_succeeded(child: Child) -> None:
    child.write(b'[0,1,0,"","",0]\n[1,2,0,"","",0]\n')
    child.close()

    assert child.process.reports()[1]
    assert child.process.completed


def test_an_end_before_the_last_report_is_a_death_and_no_exec(child: Child) -> None:
    child.write(b'[0,1,0,"","",0]\n')
    child.close()

    assert child.process.reports()[1]
    assert not child.process.completed


def test_a_refused_exec_is_no_success(child: Child) -> None:
    child.write(b'[0,1,0,"","",0]\n[1,2,0,"","",0]\n[2,3,2,"no such command","",0]\n')
    child.close()

    child.process.reports()
    assert not child.process.completed
    assert stage.Report(2, 3, 2, "no such command") == child.process.failure


class Deaf:
    """A listener that nothing is told."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"{name} was called")


def test_no_unknown_child_is_reaped_while_a_successor_is_awaited_for_it_may_be_the_one(
    child: Child, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = Loop()
    children = Children(loop, Deaf())  # type: ignore[arg-type]
    children._living[7] = child.process
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(os, "waitid", lambda *arguments: asked.append(arguments))

    child.process.successor_awaited = True
    children.reap_strays()
    assert [] == asked

    child.process.successor_awaited = False
    children.reap_strays()
    assert 1 == len(asked)
    loop._epoll.close()


def test_a_signal_waits_for_the_successor_that_is_awaited() -> None:
    process = Process("box", OPERATIONS, 0.0, 1)
    process.successor_awaited = True
    with subprocess.Popen(["sleep", "1000"]) as predecessor, subprocess.Popen(["sleep", "1000"]) as successor:
        process.pid, process.pidfd = predecessor.pid, os.pidfd_open(predecessor.pid)

        process.pass_on(signal.SIGKILL)
        assert predecessor.poll() is None
        process.go_on_as(successor.pid)

        assert -signal.SIGKILL == successor.wait(10)
        assert predecessor.poll() is None
        predecessor.kill()
    os.close(process.pidfd)


def test_the_loop_calls_no_handler_that_an_earlier_one_of_its_round_made_meaningless() -> None:
    """Its descriptor may be another's by now: closed, and the number given out again."""
    loop = Loop()
    first, second = os.pipe(), os.pipe()
    called: list[str] = []

    def take_the_other_s_number(own: int, other: int, name: str) -> None:
        called.append(name)
        loop.forget(other)
        os.dup2(own, other)
        loop.watch(other, lambda: called.append("a new handler on an old event"))
        loop.stop()

    loop.watch(first[0], lambda: take_the_other_s_number(first[0], second[0], "first"))
    loop.watch(second[0], lambda: take_the_other_s_number(second[0], first[0], "second"))
    os.write(first[1], b"x")
    os.write(second[1], b"x")

    loop.run()

    assert 1 == len(called)
    for fd in (*first, *second):
        os.close(fd)
    loop._epoll.close()  # not by its number, which it would close again once it is collected
