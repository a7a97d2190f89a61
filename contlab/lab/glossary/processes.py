"""The fields of a process."""

from __future__ import annotations

import shlex

from contlab.lab.glossary.entry import Entry, Field, Shown
from contlab.linux.sizes import format_size
from contlab.observe.snapshot import CgroupSample, PidView

_STATES = {
    "R": "runs, or waits for a processor",
    "S": "sleeps until something happens",
    "D": "waits in the kernel, where no signal wakes it",
    "T": "stopped by a signal",
    "t": "stopped by a debugger",
    "Z": "a zombie: it has ended, and its parent has not asked how",
    "X": "dead",
    "I": "an idle kernel thread",
}

_AFTER_COMM = "sed 's/.*) //' /proc/{pid}/stat | cut -d' ' -f"
"""The fields behind the name, which may hold spaces and brackets itself: field N of the file is N - 2 then."""

_OF_GUEST = "All that its kernel runs are in its root cgroup."
_OF_CGROUP = "That it is the container's is known from its cgroup; those of the cgroups below it belong to it, too."
_OF_PARENTS = "It has no cgroup of its own: its first process is known, and the others by the line of their parents."

ENTRIES = {
    "process.inside": Entry(
        "PID inside",
        "Its number in its own PID namespace. The line has one number for each nested namespace, the observer's first.",
        lambda process: str(process.inside),
        "/proc/{pid}/status",
        "NSpid, the last number",
        "grep NSpid /proc/{pid}/status",
    ),
    "process.first": Entry(
        "PID 1",
        "The first process of its PID namespace. When it ends, the kernel kills all others there; signals from inside "
        "that it has no handler for don't reach it, not even SIGKILL.",
        lambda process: "yes",
        "/proc/{pid}/status",
        "NSpid ends in 1",
        "grep NSpid /proc/{pid}/status",
    ),
    "process.pid": Entry(
        "PID {outside}",
        "Its number in the PID namespace of whoever looks: the host, or a guest's kernel. {how}",
        lambda process: str(process.pid),
        "{members}",
        "",
        "{list}",
        guest="ps",
    ),
    "process.state": Entry(
        "state",
        "What it is doing at this moment. R runs, S sleeps, D waits in the kernel, T stopped, Z a zombie, I an idle "
        "kernel thread.",
        lambda process: f"{process.state}: {_STATES.get(process.state, 'another state, see proc_pid_stat(5)')}",
        "/proc/{pid}/stat",
        "field 3, state",
        _AFTER_COMM + "1",
    ),
    "process.memory": Entry(
        "memory",
        "Resident memory: what of it is in RAM now, shared pages counted in full. The file counts pages (of "
        "`getconf PAGESIZE` bytes) and may lag a little behind; /proc/PID/smaps_rollup is exact, and slow.",
        lambda process: f"{format_size(process.rss)} ({process.rss} bytes)",
        "/proc/{pid}/stat",
        "field 24, rss, in pages",
        _AFTER_COMM + "22",
    ),
    "process.cpu": Entry(
        "cpu %",
        "Processor time between the last two samples (0.2 to 1 s apart), in percent of one processor: computed from "
        "two readings of utime + stime, in clock ticks of 10 ms (`getconf CLK_TCK` a second). ps averages over the "
        "whole life instead.",
        lambda process: "not known yet" if process.cpu_percent is None else f"{process.cpu_percent:.1f} %",
        "/proc/{pid}/stat",
        "fields 14 and 15, utime and stime",
        _AFTER_COMM + "12,13",
    ),
    "process.command": Entry(
        "command",
        "Its arguments, argv; each ends with a zero byte in the file. The process may overwrite them.",
        lambda process: process.command,
        "/proc/{pid}/cmdline",
        "",
        "tr '\\0' ' ' < /proc/{pid}/cmdline",
    ),
    "process.comm": Entry(
        "name in [ ]",
        "It has no arguments: it is a kernel thread, or a zombie. So this is its comm, a name of up to 15 bytes that "
        "the kernel keeps; the brackets are not part of it.",
        lambda process: process.comm,
        "/proc/{pid}/stat",
        "field 2, comm, in ( )",
        "cat /proc/{pid}/comm",
    ),
}


def of(key: str, process: PidView, shown: Shown) -> Field:
    """One field of ``process``."""
    group = shown.cgroup
    places = {"pid": str(process.pid), "outside": "" if shown.guest else "outside", "how": _OF_GUEST}
    if isinstance(group, CgroupSample) and group.path:
        members = f"{group.path}/cgroup.procs"
        places |= {"members": members, "list": f"cat {shlex.quote(members)}"}
        if not shown.guest:
            places["how"] = _OF_CGROUP
    else:
        places |= {"members": f"/proc/{process.pid}/stat, fields 1 and 4", "how": _OF_PARENTS}
        places["list"] = f"ps -o pid,ppid,args -p {process.pid}"
    field = ENTRIES[key].of(process, places, shown.guest)
    # In another guest only the first process is sure to have the same number.
    return _silent(field) if shown.guest and process.pid != 1 and key != "process.pid" else field


def _silent(field: Field) -> Field:
    return Field(field.name, field.value, field.means, field.file, field.where)
