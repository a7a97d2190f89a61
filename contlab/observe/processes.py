"""The processes of a container: who they are, read so that one vanishing meanwhile ends nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress

from contlab.linux.cgroup import pids_of
from contlab.linux.proc import Stat, parse_cmdline, parse_stat, parse_status
from contlab.observe.rates import percent_of_time
from contlab.observe.snapshot import PidView
from contlab.observe.source import Source, read_or_none

COMMAND_LENGTH = 1024
"""Characters of ``PidView.command`` that are kept: argv may be megabytes long."""

_TICK_US = 1_000_000 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_CONTROL_PREFIXES = frozenset(
    ("blkio", "cgroup", "cpu", "cpuacct", "cpuset", "devices", "freezer", "hugetlb", "io", "irq", "memory", "misc")
) | {"pids", "rdma", "tasks", "notify_on_release", "release_agent"}


def members(source: Source, directory: str) -> set[int]:
    """The processes of the cgroup ``directory`` and of those below it; none when it is gone."""
    raw = read_or_none(source, f"{directory}/cgroup.procs")
    if raw is None:
        return set()
    found = set(pids_of("cgroup.procs", raw))
    for child in _children(source, directory):
        found |= members(source, child)
    return found


def _children(source: Source, directory: str) -> Iterator[str]:
    """Directories among a cgroup's files: all but the names the kernel gives, which begin with a controller's."""
    # v2 counts its descendants, which is cheaper than to list the directory.
    stat = read_or_none(source, f"{directory}/cgroup.stat")
    if stat is not None and stat.startswith(b"nr_descendants 0\n"):
        return
    with suppress(FileNotFoundError):
        for name in source.listdir(directory):
            if name.partition(".")[0] not in _CONTROL_PREFIXES or name.endswith((".scope", ".slice", ".service")):
                yield f"{directory}/{name}"


def descendants(source: Source, pid: int) -> set[int]:
    """``pid`` and all whose line of parents leads to it. An orphan is its namespace's PID 1's from then on."""
    children: dict[int, list[int]] = {}
    for name in source.listdir("/proc"):
        if name.isdecimal() and (stat := read_or_none(source, f"/proc/{name}/stat")):
            parsed = parse_stat(stat)
            children.setdefault(parsed.ppid, []).append(parsed.pid)
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        found.add(one)
        waiting += [child for child in children.get(one, ()) if child not in found]
    return found


class ProcessReader:
    """Reads processes, and remembers their CPU time from one reading to the next."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._used: dict[tuple[int, int], int] = {}
        """(pid, starttime) -> ticks: a number is given again, a number with its start is not."""
        self._at = 0.0

    def read(self, pids: Iterable[int], first: int, now_us: float) -> tuple[PidView, ...]:
        """All of ``pids`` that still exist, each after its parent; the tree of ``first`` leads."""
        used: dict[tuple[int, int], int] = {}
        views = []
        for pid in pids:
            if (found := self._one(pid, now_us)) is not None:
                view, stat = found
                views.append(view)
                used[stat.pid, stat.starttime] = stat.utime + stat.stime
        self._used, self._at = used, now_us
        return in_tree_order(views, first)

    def _one(self, pid: int, now_us: float) -> tuple[PidView, Stat] | None:
        """stat, status and cmdline; None when the process went before the last of them was read."""
        try:
            stat = parse_stat(self._source.read(f"/proc/{pid}/stat"))
            status = parse_status(self._source.read(f"/proc/{pid}/status"))
            argv = parse_cmdline(self._source.read(f"/proc/{pid}/cmdline"))
        except (FileNotFoundError, ProcessLookupError):
            return None
        if not status.Pid or not status.NSpid:  # reaped between open and read: its numbers are taken away
            return None
        before = self._used.get((pid, stat.starttime))
        cpu_percent = None
        if before is not None:
            ticks = stat.utime + stat.stime - before
            cpu_percent = percent_of_time(0, ticks * _TICK_US, self._at, now_us)
        view = PidView(
            pid=pid,
            inside=status.NSpid[-1],
            ppid=stat.ppid,
            comm=stat.comm,
            state=stat.state,
            command=" ".join(argv)[:COMMAND_LENGTH].rstrip(),
            uid=status.Uid[0],
            threads=stat.num_threads,
            rss=stat.rss * _PAGE,
            cpu_percent=cpu_percent,
        )
        return view, stat


def in_tree_order(views: Iterable[PidView], first: int) -> tuple[PidView, ...]:
    """Parents before their children, siblings by number; whose parent isn't among them is a root."""
    by_pid = {view.pid: view for view in views}
    children: dict[int, list[int]] = {}
    for pid in sorted(by_pid):
        parent = by_pid[pid].ppid
        children.setdefault(parent if parent in by_pid and parent != pid else 0, []).append(pid)
    ordered: list[PidView] = []
    waiting = sorted(children.get(0, ()), key=lambda pid: (pid != first, pid))[::-1]
    while waiting:
        pid = waiting.pop()
        ordered.append(by_pid[pid])
        waiting += reversed(children.get(pid, ()))
    return tuple(ordered)
