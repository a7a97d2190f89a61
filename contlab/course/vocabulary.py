"""Vocabulary: every fact that a lesson may check, with its type, its unit, what it means and the file it comes from."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from contlab.observe.snapshot import CpuSample, GuestSample, MemorySample, PidsSample, Snapshot, Unavailable
from contlab.runtime.spec import Namespace

if TYPE_CHECKING:
    from contlab.course.facts import FactContext, RunResult

Value = bool | int | float | str | None
"""A fact's value. None is known: there is no limit, or no signal."""


class Type(StrEnum):
    """What kind of value a fact has, and so how it can be compared."""

    YES_NO = "yes or no"
    COUNT = "count"
    NUMBER = "number"
    BYTES = "bytes"
    TEXT = "text"
    SIGNAL = "signal"


class Fact(msgspec.Struct, frozen=True):
    """One word of the vocabulary, without the container or run in front."""

    name: str
    type: Type
    doc: str
    """What it says, one sentence."""
    source: str
    """The file or call it is read from."""
    read: Callable[[Any], Value | Unavailable]
    """From a Snapshot, a RunResult or a FactContext, by the table it stands in."""
    unit: tuple[str, str] = ("", "")
    """One of it, several of it."""
    words: tuple[str, str] = ("yes", "no")
    """How a yes-or-no value is said."""
    absent: str = "no limit"
    """How None is said."""


_PROCESS = ("process", "processes")
_TASK = ("task", "tasks")
_PERIOD = ("period", "periods")
_SECOND = ("s", "s")


def _first(snapshot: Snapshot) -> int | Unavailable:
    if isinstance(snapshot.processes, Unavailable):
        return snapshot.processes
    inside = [process.inside for process in snapshot.processes]
    return min(inside) if inside else Unavailable("it has no process")


def _uid(snapshot: Snapshot) -> int | Unavailable:
    if isinstance(snapshot.processes, Unavailable):
        return snapshot.processes
    first = min(snapshot.processes, key=lambda process: process.inside, default=None)
    return first.uid if first else Unavailable("it has no process")


def _process_count(snapshot: Snapshot) -> int | Unavailable:
    return snapshot.processes if isinstance(snapshot.processes, Unavailable) else len(snapshot.processes)


def _mount_count(snapshot: Snapshot) -> int | Unavailable:
    return snapshot.mounts if isinstance(snapshot.mounts, Unavailable) else len(snapshot.mounts.mounts)


def _own_mount_count(snapshot: Snapshot) -> int | Unavailable:
    return snapshot.mounts if isinstance(snapshot.mounts, Unavailable) else len(snapshot.mounts.not_on_host)


def _link_count(snapshot: Snapshot) -> int | Unavailable:
    return snapshot.network if isinstance(snapshot.network, Unavailable) else len(snapshot.network.links)


def _link_names(snapshot: Snapshot) -> str | Unavailable:
    if isinstance(snapshot.network, Unavailable):
        return snapshot.network
    return " ".join(sorted(link.name for link in snapshot.network.links))


def _links_up(snapshot: Snapshot) -> str | Unavailable:
    if isinstance(snapshot.network, Unavailable):
        return snapshot.network
    return " ".join(sorted(link.name for link in snapshot.network.links if link.up))


def _cut(snapshot: Snapshot) -> bool | Unavailable:
    if isinstance(snapshot.network, Unavailable):
        return snapshot.network
    return any(link.cut for link in snapshot.network.links)


def _root(snapshot: Snapshot) -> str | Unavailable:
    return snapshot.namespaces if isinstance(snapshot.namespaces, Unavailable) else snapshot.namespaces.root


def _hostname(snapshot: Snapshot) -> str | Unavailable:
    if isinstance(snapshot.namespaces, Unavailable):
        return snapshot.namespaces
    name = snapshot.namespaces.hostname
    return Unavailable("its hostname can't be read") if name is None else name


def _kernel(snapshot: Snapshot) -> str | Unavailable:
    return snapshot.kernel or Unavailable("its kernel was not read")


def _own(kind: Namespace) -> Callable[[Snapshot], bool | Unavailable]:
    def read(snapshot: Snapshot) -> bool | Unavailable:
        if isinstance(snapshot.namespaces, Unavailable):
            return snapshot.namespaces
        links = [link for link in snapshot.namespaces.links if link.kind == kind]
        return links[0].own if links else Unavailable(f"its {kind} namespace was not read")

    return read


Controller = MemorySample | CpuSample | PidsSample


def _gauge(controller: str, field: str) -> Callable[[Snapshot], Value | Unavailable]:
    def read(snapshot: Snapshot) -> Value | Unavailable:
        if isinstance(snapshot.cgroup, Unavailable):
            return snapshot.cgroup
        sample: Controller | Unavailable = getattr(snapshot.cgroup, controller)
        if isinstance(sample, Unavailable):
            return sample
        value: Value | Unavailable = getattr(sample, field)
        return value

    return read


def _frozen(snapshot: Snapshot) -> bool | Unavailable:
    return snapshot.cgroup if isinstance(snapshot.cgroup, Unavailable) else snapshot.cgroup.frozen


def _memory(field: str) -> Callable[[Snapshot], Value | Unavailable]:
    return _gauge("memory", field)


def _pids(field: str) -> Callable[[Snapshot], Value | Unavailable]:
    return _gauge("pids", field)


def _cpu_seconds(snapshot: Snapshot) -> float | Unavailable:
    used = _gauge("cpu", "usage_us")(snapshot)
    return used / 1e6 if isinstance(used, int) else used if isinstance(used, Unavailable) else 0.0


def _namespace_fact(kind: Namespace) -> Fact:
    doc = f"It has a {kind} namespace of its own; otherwise it shares the host's."
    return Fact(f"ns.{kind}.own", Type.YES_NO, doc, f"/proc/PID/ns/{kind}", _own(kind), words=("its own", "the host's"))


def _threads(snapshot: Snapshot) -> int | Unavailable:
    """Kernel threads have no command line, as zombies have none; those are in state Z."""
    if isinstance(snapshot.processes, Unavailable):
        return snapshot.processes
    return sum(not process.command and process.state != "Z" for process in snapshot.processes)


def _guest(field: str) -> Callable[[Snapshot], Value | Unavailable]:
    def read(snapshot: Snapshot) -> Value | Unavailable:
        if not isinstance(snapshot.guest, GuestSample):
            return snapshot.guest or Unavailable(f"{snapshot.target} is no guest")
        value: Value | Unavailable = getattr(snapshot.guest, field)
        return value

    return read


def _output(result: RunResult) -> str:
    return result.output.replace("\r\n", "\n").strip()


T = Type

CONTAINER: tuple[Fact, ...] = (
    Fact("alive", T.YES_NO, "Its first process exists.", "/proc/PID", lambda s: s.alive, words=("alive", "gone")),
    Fact("pids.count", T.COUNT, "Processes in it.", "cgroup.procs", _process_count, _PROCESS),
    Fact("pids.first", T.COUNT, "Number of its first process, as counted inside.", "/proc/PID/status NSpid", _first),
    Fact("uid", T.COUNT, "User id of its first process, as the host counts.", "/proc/PID/status Uid", _uid),
    *(_namespace_fact(kind) for kind in Namespace),
    Fact("root", T.TEXT, 'Its root directory as the host sees it; "/" is the top of what it can reach.',
         "/proc/PID/root", _root),
    Fact("hostname", T.TEXT, "The host name it sees.", "uname(2) nodename", _hostname),
    Fact("kernel", T.TEXT, "The release of the kernel it runs on.", "uname(2) release", _kernel),
    Fact("mounts.count", T.COUNT, "Mounts it sees.", "/proc/PID/mountinfo", _mount_count, ("mount", "mounts")),
    Fact("mounts.own_count", T.COUNT, "Mounts it has and the host has not.", "/proc/PID/mountinfo", _own_mount_count,
         ("mount", "mounts")),
    Fact("network.links", T.COUNT, "Network interfaces it sees.", "/proc/PID/net/dev", _link_count,
         ("interface", "interfaces")),
    Fact("network.names", T.TEXT, "Their names in alphabetical order, with a space between.", "/proc/PID/net/dev",
         _link_names),
    Fact("network.up", T.TEXT, "The names of those that are up.", "/sys/class/net, or netlink", _links_up),
    Fact("network.cut", T.YES_NO, "The cable of one of them is pulled out.", "the supervisor, at its other end",
         _cut, words=("pulled out", "not pulled out")),
    Fact("cgroup.memory.current", T.BYTES, "Memory charged to it now.", "memory.current", _memory("current")),
    Fact("cgroup.memory.peak", T.BYTES, "The most that was ever charged to it.", "memory.peak", _memory("peak")),
    Fact("cgroup.memory.limit", T.BYTES, 'Its own memory limit; "max" is none.', "memory.max", _memory("limit")),
    Fact("cgroup.memory.high_events", T.COUNT, "Times it was above memory.high and slowed down.", "memory.events high",
         _memory("high_events"), ("time", "times")),
    Fact("cgroup.memory.oom_kills", T.COUNT, "Its processes that the OOM killer took.", "memory.events oom_kill",
         _memory("oom_kills"), _PROCESS),
    Fact("cgroup.cpu.quota", T.NUMBER, 'Processors it may use, 0.5 is half of one; "max" is no limit.', "cpu.max",
         _gauge("cpu", "quota"), ("processor", "processors")),
    Fact("cgroup.cpu.weight", T.COUNT, "Its share of contended processors; 100 is even.", "cpu.weight",
         _gauge("cpu", "weight")),
    Fact("cgroup.frozen", T.YES_NO, "All its processes are stopped where they were.", "cgroup.events frozen", _frozen,
         words=("frozen", "not frozen")),
    Fact("cgroup.cpu.throttled_periods", T.COUNT, "Periods of 0.1 s in which it used up its quota and had to wait.",
         "cpu.stat nr_throttled", _gauge("cpu", "throttled_periods"), _PERIOD),
    Fact("cgroup.cpu.usage", T.NUMBER, "Processor time it has used.", "cpu.stat usage_usec", _cpu_seconds, _SECOND),
    Fact("cgroup.pids.current", T.COUNT, "Tasks in it, threads counted.", "pids.current", _pids("current"), _TASK),
    Fact("cgroup.pids.limit", T.COUNT, 'Tasks it may have; "max" is no limit.', "pids.max", _pids("limit"), _TASK),
    Fact("cgroup.pids.refused", T.COUNT, "Forks that its limit refused.", "pids.events max", _pids("refused"),
         ("fork", "forks")),
)  # fmt: skip
"""``CONTAINER.fact``: read from the container's latest snapshot."""

GUEST: tuple[Fact, ...] = (
    Fact("alive", T.YES_NO, "Its QEMU runs.", "the process on the host", lambda s: s.alive, words=("alive", "gone")),
    Fact("kernel", T.TEXT, "The release of its own kernel.", "uname(2) release, inside", _kernel),
    Fact("processes", T.COUNT, "Processes inside, its kernel's threads counted.", "/proc, inside", _process_count,
         _PROCESS),
    Fact("threads", T.COUNT, "Threads of its own kernel.", "/proc, inside: no cmdline", _threads,
         ("thread", "threads")),
    Fact("hostname", T.TEXT, "Its host name.", "uname(2) nodename, inside", _hostname),
    Fact("mounts.count", T.COUNT, "Mounts inside.", "/proc/1/mountinfo, inside", _mount_count, ("mount", "mounts")),
    Fact("memory.given", T.BYTES, "RAM that it was given.", "QEMU's command line", _guest("memory")),
    Fact("memory.total", T.BYTES, "What its kernel has left of that for use.", "/proc/meminfo, inside",
         _guest("total")),
    Fact("memory.available", T.BYTES, "What its processes could still get.", "/proc/meminfo, inside",
         _guest("available")),
    Fact("memory.taken", T.BYTES, "What its QEMU takes of the host's memory.", "/proc/PID/smaps_rollup Pss",
         _guest("taken")),
    Fact("memory.oom_kills", T.COUNT, "Its processes that its own OOM killer took.", "/proc/vmstat oom_kill, inside",
         _guest("oom_kills"), _PROCESS),
    Fact("boot.seconds", T.NUMBER, "From the request until it answered.", "the lab's clock", _guest("boot_seconds"),
         _SECOND),
    Fact("panicked", T.YES_NO, "Its kernel gave up, and its QEMU ended.", "its console", _guest("panicked")),
)  # fmt: skip
"""``GUEST.fact``: read from a virtual machine's latest snapshot."""

AFTERWARDS = frozenset({"alive", "panicked", "memory.given", "boot.seconds"})
"""What of a guest is still known when it is gone."""

RUN: tuple[Fact, ...] = (
    Fact("exit_code", T.COUNT, "How it ended: 0 is success, 128 + N means killed by signal N.", "waitid(2)",
         lambda r: r.exit_code),
    Fact("signal", T.SIGNAL, 'The signal that ended it, by name ("KILL"), or "none".', "waitid(2)", lambda r: r.signal,
         absent="no signal"),
    Fact("output", T.TEXT, "What it printed, without blanks and newlines at both ends.", "its terminal", _output),
    Fact("timed_out", T.YES_NO, "It was still running at its time limit.", "the lab's clock", lambda r: r.timed_out),
    Fact("seconds", T.NUMBER, "How long it ran.", "the lab's clock", lambda r: r.seconds, _SECOND),
)  # fmt: skip
"""``RUN.fact``: read from how a ``run`` of the lesson ended."""


def _host_kernel(facts: FactContext) -> str:
    return facts.host_kernel


def _host_hostname(facts: FactContext) -> str:
    return facts.host_hostname


HOST: tuple[Fact, ...] = (
    Fact("kernel", T.TEXT, "The release of this host's kernel.", "uname(2) release", _host_kernel),
    Fact("hostname", T.TEXT, "This host's name.", "uname(2) nodename", _host_hostname),
)
"""``host.fact``."""

TABLES: dict[str, dict[str, Fact]] = {
    subject: {fact.name: fact for fact in table}
    for subject, table in (("container", CONTAINER), ("guest", GUEST), ("run", RUN), ("host", HOST))
}
"""What stands in front of the fact -> the facts it has, by name."""

HOST_NAME = "host"
"""The one subject that no lesson may call its own."""
