"""The fields of a virtual machine: its figures beside a container's, and its gauges. Each says who measured it."""

from __future__ import annotations

from contlab.lab.column import Column, Line
from contlab.lab.glossary.entry import Entry, Field, Shown, count, in_guest, size
from contlab.observe.snapshot import CgroupSample, CpuSample, GuestSample

_PSS = "for pid in $(pgrep -f qemu-system); do grep ^Pss: /proc/$pid/smaps_rollup; done"
_MEMINFO = "grep -E '^Mem(Total|Available)' /proc/meminfo"
_THERE = "in the guest: "

ENTRIES = {
    "machine.state": Entry(
        "how it is",
        "Whether the guest boots, runs, answers or has ended. The host knows that of it: its QEMU is a process, and "
        "the agent inside answers over a serial line.",
        lambda column: f"{column.guest}: {column.words}",
        "no file: the agent’s answers, and waitid(2) for its QEMU",
        "",
        "pgrep -a qemu",
    ),
    "machine.first": Entry(
        "its first processes",
        "PID 1 is its init; the rest are counted by its own kernel, and the host sees none of them. Names in [ ] have "
        "no arguments: they are its kernel's threads.",
        lambda column: ", ".join(f"{pid} {name}" for pid, name in column.first),
        _THERE + "/proc/PID/stat and /proc/PID/cmdline",
        "",
        in_guest("ps"),
    ),
    "machine.kernel": Entry(
        "kernel",
        "The release of the kernel that runs it. A container has the host's; a guest boots its own.",
        lambda line: both(line),
        _THERE + "/proc/sys/kernel/osrelease; the container's: the host's",
        "",
        in_guest("uname -r") + "; uname -r",
    ),
    "machine.start": Entry(
        "start",
        "Real time on the host's clock: for the guest from the request to its agent's first words, for the container "
        "from the request to the running command.",
        lambda line: both(line),
        "no file: CLOCK_MONOTONIC",
        "",
        in_guest("true"),
    ),
    "machine.memory_taken": Entry(
        "memory taken",
        "What the host has given up now. The guest's is the proportional set size of its QEMU: its own pages, and its "
        "share of those in common. The container's is what is charged to its cgroup (memory.current; v1: "
        "memory.usage_in_bytes).",
        lambda line: both(line),
        "/proc/PID/smaps_rollup of its QEMU, on the host",
        "Pss, in KiB",
        _PSS,
    ),
    "machine.memory_inside": Entry(
        "memory inside",
        "What its kernel says is free for programs, page cache that can be dropped included, of what it found. That is "
        "less than it was given: the kernel itself takes the rest.",
        lambda line: both(line),
        _THERE + "/proc/meminfo",
        "MemAvailable and MemTotal, in KiB",
        in_guest(_MEMINFO),
    ),
    "machine.processes": Entry(
        "processes",
        "All that its kernel runs, its own threads among them: those have no command line. The container's threads of "
        "the kernel are the host's, and counted there.",
        lambda line: both(line),
        _THERE + "/proc/PID/stat and /proc/PID/cmdline; the container's: cgroup.procs",
        "",
        in_guest("ps"),
    ),
    "machine.oom_killer": Entry(
        "OOM killer",
        "How many processes the guest's own kernel has killed for lack of memory; and the host's kernel, in the "
        "container's cgroup (memory.events, v1: memory.oom_control).",
        lambda line: both(line),
        _THERE + "/proc/vmstat",
        "oom_kill",
        in_guest("grep oom_kill /proc/vmstat"),
    ),
    "machine.crash": Entry(
        "crash",
        "Its kernel has panicked: it said so on its console, and its QEMU has ended. Everything in it is gone with it; "
        "the container, and the host's kernel below it, have nothing to do with that.",
        lambda line: both(line),
        "no file: its console, a serial line",
    ),
    "machine.model": Entry(
        "{label}",
        "{explanation} No measurement of this host: computed from figures that others have published. contlab compare "
        "measures here what can be.",
        lambda line: both(line),
        "{source}",
        "{conditions}",
        "contlab compare",
    ),
    "guest.memory": Entry(
        "memory",
        "What is not available to programs any more, by its own kernel's count: computed, MemTotal - MemAvailable. Its "
        "limit is the RAM that it was given. The file counts KiB.",
        lambda machine: f"{size(_used(machine))} of {size(machine.total)}",
        _THERE + "/proc/meminfo",
        "MemTotal and MemAvailable, in KiB",
        in_guest(_MEMINFO),
    ),
    "guest.oom_kills": Entry(
        "OOM kills",
        "How many processes its own kernel has killed for lack of memory, since it booted. The host's kernel has no "
        "part in it.",
        lambda machine: count(machine.oom_kills),
        _THERE + "/proc/vmstat",
        "oom_kill",
        in_guest("grep oom_kill /proc/vmstat"),
    ),
    "guest.history": Entry(
        "▁▂▃ the last minutes",
        "Memory used at each sample, the newest at the right, from 0 to all it has. contlab keeps 240 samples.",
        lambda machine: f"now {size(_used(machine))}",
        _THERE + "/proc/meminfo",
        "MemTotal and MemAvailable, in KiB",
        in_guest(_MEMINFO),
    ),
    "guest.cpu": Entry(
        "cpu",
        "Processor time used by all of it between the last two samples, in percent of one processor, as its own kernel "
        "counts: computed from two readings of a counter in microseconds.",
        lambda group: _busy(group),
        _THERE + "/sys/fs/cgroup/cpu.stat",
        "usage_usec",
        in_guest("grep usage_usec /sys/fs/cgroup/cpu.stat"),
    ),
    "guest.given": Entry(
        "given",
        "RAM that it was given, in bytes: an argument of its QEMU. Its kernel finds a little less, and keeps some.",
        lambda machine: size(machine.memory),
        "/proc/PID/cmdline of its QEMU, on the host",
        "-m, in MiB",
        "pgrep -a qemu",
    ),
    "guest.taken": Entry(
        "its QEMU takes",
        "The host's memory that it takes now, whatever it uses inside: the proportional set size of its QEMU, its own "
        "pages and its share of those in common.",
        lambda machine: size(machine.taken),
        "/proc/PID/smaps_rollup of its QEMU, on the host",
        "Pss, in KiB",
        _PSS,
    ),
}


def key_of(line: Line) -> str:
    """The key of one of the column's figures."""
    key = f"machine.{line.label.lower().replace(' ', '_')}"
    return "machine.model" if line.tag.startswith("model") or key not in ENTRIES else key


def both(line: Line) -> str:
    """The guest's figure, and the container's."""
    return f"VM {line.vm}" + ("" if line.container is None else f"; container {line.container}")


def of(key: str, subject: Column | Line | GuestSample | CgroupSample, shown: Shown) -> Field:
    """One field: of the column or a line of it, of the machine, or, for its processor, of its root cgroup."""
    places = {}
    if isinstance(subject, Line):
        places = {"label": subject.label, "source": subject.tag}
        places |= {"explanation": subject.explanation, "conditions": subject.conditions}
    return ENTRIES[key].of(subject, places)


def _used(machine: GuestSample) -> int | None:
    known = isinstance(machine.total, int) and isinstance(machine.available, int)
    return machine.total - machine.available if known else None  # type: ignore[operator]


def _busy(group: CgroupSample) -> str:
    cpu = group.cpu
    if not isinstance(cpu, CpuSample):
        return cpu.reason
    return "not known yet" if cpu.percent is None else f"{cpu.percent:.1f} %"
