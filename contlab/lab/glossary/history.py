"""The fields of what happened: an operation of the birth, and an event. None is in a file of the kernel's."""

from __future__ import annotations

import errno
import os
from typing import Protocol

from contlab.lab.glossary.entry import Entry, Field, Shown
from contlab.linux.sizes import format_duration
from contlab.runtime.events import OperationDone

_CLOCK = "no file: CLOCK_MONOTONIC, read before and after"


class Happened(Protocol):
    """An event in words."""

    @property
    def at(self) -> float:
        """µs since the lesson was opened."""

    @property
    def container(self) -> str:
        """Whose it is."""

    @property
    def text(self) -> str:
        """The sentence."""


ENTRIES = {
    "operation.what": Entry(
        "operation",
        "What the kernel is asked to do; one row may be several system calls. The command does the same by hand: it is "
        "for trying out, not for this container. $ROOT is its new root directory.",
        lambda done: done.describe,
        "no file: the plan that contlab carries out",
        "",
        "{shell}",
    ),
    "operation.place": Entry(
        "host or in",
        "Who does it: host is contlab's supervisor outside; in is the child that has the new namespaces already, and "
        "becomes the container.",
        lambda done: "host" if done.side == "host" else "in",
        "no file: who did it says so",
    ),
    "operation.time": Entry(
        "time",
        "How long it took, in microseconds of real time: waiting and being preempted count, too. strace shows each "
        "call and its seconds in < >, which are more, as it stops the process twice a call.",
        lambda done: format_duration(done.microseconds),
        _CLOCK,
        "",
        "strace -f -T contlab spawn -- true",
    ),
    "operation.bar": Entry(
        "bar",
        "When: from the beginning of the first operation, at the left, to the end of the last. Each has one cell at "
        "least; a thin one is less than half a cell.",
        lambda done: f"ends at {done.at / 1e6:.6f} s of CLOCK_MONOTONIC, seconds since boot without suspend",
        _CLOCK,
    ),
    "operation.refused": Entry(
        "✗",
        "The kernel said no: the call returned this error number, errno(3), whose name is the kernel's. What is said "
        "behind it are contlab's words.",
        lambda done: _refusal(done),
        "no file: the call's return value",
        "",
        "python3 -c 'import os; print(os.strerror({errno}))'",
    ),
    "event.time": Entry(
        "time",
        "When it happened, from the opening of the lesson, minutes:seconds. Samples and events share one clock, "
        "CLOCK_MONOTONIC; what is only counted has the time of the sample that found the count risen.",
        lambda event: f"{event.at / 1e6:.1f} s",
        "no file: CLOCK_MONOTONIC",
    ),
    "event.sentence": Entry(
        "what happened",
        "Starts and ends are told by contlab's supervisor: it is the parent, and waits for them (waitid(2)). Kills for "
        "lack of memory, refused forks and throttling are counts that have risen between two samples.",
        lambda event: f"{event.container} {event.text}",
        "memory.events, pids.events and cpu.stat of its cgroup; on v1 memory.oom_control, pids.events and cpu.stat; of "
        "a guest /proc/vmstat",
        "oom_kill, max and nr_throttled",
    ),
}


def of(key: str, subject: OperationDone | Happened, shown: Shown) -> Field:
    """One field of an operation or an event. What they are about is the host's affair, whoever's panels are shown."""
    places = {}
    if isinstance(subject, OperationDone):
        places = {"shell": subject.shell, "errno": str(subject.errno)}
    return ENTRIES[key].of(subject, places)


def _refusal(done: OperationDone) -> str:
    name = errno.errorcode.get(done.errno, f"errno {done.errno}")
    return f"{name} ({os.strerror(done.errno)})" + (f": {done.error}" if done.error else "")
