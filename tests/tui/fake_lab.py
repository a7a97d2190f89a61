"""FakeLab: a scripted lab that fulfils ``contlab.lab.protocol.Lab``, and the lesson and canned values it plays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from contlab.course.facts import FactContext, RunResult
from contlab.course.lesson import Check, Container, Expect, Hint, Lesson, Predict, Prose, Run, Step
from contlab.errors import ContlabError
from contlab.lab.protocol import Happened, News, Output, Sampled
from contlab.observe.snapshot import (
    CgroupSample,
    CpuSample,
    IdMapLine,
    Link,
    MemorySample,
    Mount,
    MountTree,
    NamespaceLink,
    NamespaceSet,
    NetworkView,
    PidsSample,
    PidView,
    Pressure,
    Snapshot,
    Unavailable,
)
from contlab.runtime.events import Exited, OperationDone, Started
from contlab.runtime.spec import ContainerSpec

HOSTILE = "[kthreadd] [/] x"
MIB = 1 << 20
KINDS = ("mnt", "pid", "net", "uts", "ipc", "user", "cgroup", "time")


def processes(count: int = 2, name: str = "sh") -> tuple[PidView, ...]:
    """PID 1 and its children."""
    first = PidView(18422, 1, 18400, "sh", "S", name, rss=1 * MIB, cpu_percent=0.0)
    return (
        first,
        *(
            PidView(18423 + n, 2 + n, 18422, "sleep", "S", f"sleep {60 + n}", rss=MIB // 2, cpu_percent=1.5)
            for n in range(count - 1)
        ),
    )


def mounts(odd: str = "/mnt") -> MountTree:
    """A small root with the usual file systems."""
    lines = (
        Mount(100, 1, "0:50", "/", "/", "rw,relatime", "private", "overlay", "overlay", "rw"),
        Mount(101, 100, "0:51", "/", "/proc", "rw,nosuid,nodev,noexec", "private", "proc", "proc", "rw"),
        Mount(102, 100, "0:52", "/", "/dev", "rw,nosuid", "private", "tmpfs", "tmpfs", "rw,size=64k"),
        Mount(103, 102, "0:53", "/", "/dev/pts", "rw,nosuid,noexec", "private", "devpts", "devpts", "rw"),
        Mount(104, 102, "0:54", "/", "/dev/shm", "rw,nosuid,nodev", "private", "tmpfs", "shm", "rw"),
        Mount(105, 100, "0:55", "/", "/sys", "ro,nosuid", "master:7", "sysfs", "sysfs", "ro"),
        Mount(106, 100, "8:1", "/srv", odd, "rw", "shared:1", "ext4", "/dev/sda1", "rw"),
        Mount(107, 100, "0:56", "/", odd, "rw", "private", "tmpfs", "tmpfs", "rw"),
    )
    covered = msgspec.structs.replace(lines[6], covered=True)
    return MountTree((*lines[:6], covered, lines[7]), frozenset({100, 101, 102, 103, 104, 107}))


def namespaces(own: frozenset[str] = frozenset(KINDS) - {"net", "time"}, hostname: str = "tenant-a") -> NamespaceSet:
    """Links of all kinds."""
    links = tuple(
        NamespaceLink(kind, 4026532280 + place if kind in own else 4026531830 + place, kind in own)
        for place, kind in enumerate(KINDS)
    )
    return NamespaceSet(links, (IdMapLine(0, 100000, 65536),), "/run/contlab/contlab-7f3a/tenant/merged", hostname)


def cgroup(used: int = 3 * MIB, kills: int = 0, tasks: int = 2) -> CgroupSample:
    """Gauges with all three limits."""
    path = "/sys/fs/cgroup/contlab-7f3a/tenant"
    return CgroupSample(
        "v2",
        path,
        MemorySample(used, 64 * MIB, used * 6 // 10, used * 3 // 10, used // 10, used + MIB, kills, kills),
        CpuSample(1_200_000, 0.5, 100, 12, 340_000, 12.0, 8.0),
        PidsSample(tasks, 16, 0),
        Pressure(0.0, 0.0, 0, 0),
        Pressure(1.2, 0.4, 12_000, 3_000),
        {"memory": path, "pids": path, "cpu": "/sys/fs/cgroup/contlab-7f3a"},
    )


def network() -> NetworkView:
    """lo alone, and down."""
    return NetworkView((Link("lo", False), Link("eth0", True, ("10.7.0.2/24",), 4096, 1024)))


def snapshot(target: str = "tenant", at: float = 2_000_000.0, **slices: object) -> Snapshot:
    """One container, as it usually stands."""
    usual: dict[str, object] = {
        "kernel": "6.1.0-56-amd64",
        "processes": processes(),
        "mounts": mounts(),
        "namespaces": namespaces(),
        "cgroup": cgroup(),
        "network": network(),
    }
    return Snapshot(target=target, at=at, **{**usual, **slices})  # type: ignore[arg-type]


def birth(container: str = "tenant", at: float = 1_000_000.0) -> tuple[OperationDone | Started, ...]:
    """A container's plan, done, and its first process running."""
    plan = (
        ("MakeCgroup", "make the cgroup contlab-7f3a/tenant", "mkdir /sys/fs/cgroup/contlab-7f3a/tenant", "host", 61),
        ("WriteLimit", "limit memory to 64 MiB", "echo 67108864 > memory.max", "host", 22),
        ("WriteLimit", "limit tasks to 16", "echo 16 > pids.max", "host", 14),
        ("Clone", "clone3 with seven new namespaces", "unshare -fpmnuiUC", "host", 410),
        ("MakePrivate", "stop mount events between host and container", "mount --make-rprivate /", "container", 9),
        ("MountOverlay", "mount overlay on the new root", "mount -t overlay overlay merged", "container", 118),
        ("MountProc", "mount proc on /proc", "mount -t proc proc /proc", "container", 31),
        ("PivotRoot", "pivot_root into it, unmount the old root", "pivot_root . . && umount -l .", "container", 47),
        ("SetHostname", "sethostname tenant-a", "hostname tenant-a", "container", 4),
        ("Exec", "exec /bin/sh", "exec /bin/sh", "container", 240),
    )
    done: list[OperationDone | Started] = []
    for index, (name, describe, shell, side, spent) in enumerate(plan):
        at += spent + 15
        done.append(
            OperationDone(
                container=container,
                at=at,
                index=index,
                operation=name,
                describe=describe,
                shell=shell,
                side=side,  # type: ignore[arg-type]
                microseconds=float(spent),
            )
        )
    return (*done, Started(container=container, at=at, pid=18422, ready_us=1_100.0))


def lesson(track: str = "why-containers") -> Lesson:
    """Three steps: one with a question, a run and an expect; one with two runs; one to read only."""
    container = Container("tenant", ContainerSpec(hostname="tenant-a"), 10)
    run = Run("look", "tenant", "ps -e | wc -l", 20, why="count the processes it can see")
    predict = Predict(
        "How many processes will `ps` show inside?",
        ("all of the host's", "only its own", "none: /proc is empty"),
        (
            Check("tenant.pids.count", "gt", 20, 15),
            Check("tenant.pids.count", "le", 20, 15),
            Check("tenant.pids.count", "eq", 0, 15),
        ),
        "A PID namespace hides every process outside it, and /proc shows the namespace of whoever mounted it.",
        14,
    )
    expect = Expect((Check("look.exit_code", "eq", 0, 30), Check("tenant.ns.pid.own", "eq", True, 31)), 29)
    return Lesson(
        id=f"{track}/own-pids",
        title="Being PID 1",
        path=Path("own-pids.md"),
        track=track,
        minutes=12,
        goals=("see what a PID namespace cuts off", "find what still leaks"),
        intro=(Prose("A container is **chroot, namespaces and cgroups** separating a group of processes.", 3),),
        steps=(
            Step(
                "Its own PIDs",
                "own-pids",
                8,
                (
                    Prose("`ps` inside shows one process. The host still sees it, *under another number*.", 9),
                    container,
                    predict,
                    run,
                    Prose("The kernel keeps **two numbers** for it: `NSpid` in `/proc/PID/status` has both.", 25),
                    expect,
                    Hint("nudge", "Look at the left column of the processes panel.", 40),
                    Hint("command", "grep NSpid /proc/self/status", 44),
                ),
            ),
            Step(
                "What still leaks",
                "leaks",
                50,
                (
                    Prose("Two commands, and what they show of the neighbour.", 51),
                    Container("neighbour", ContainerSpec(), 52),
                    Run("kill", "tenant", "kill -9 1", 55),
                    Run("net", "tenant", "ip addr", 58, timeout=3),
                ),
            ),
            Step("What it means", "meaning", 70, (Prose("No command here: read, and go on.", 71),)),
        ),
    )


class FakeLab:
    """Does nothing to the kernel: what it is told to say, it says."""

    def __init__(self, recorded: bool = False, hold: bool = False) -> None:
        """``hold``: runs last until they are interrupted."""
        self.recorded = recorded
        self.hold = hold
        self.entered: list[str] = []
        self.runs: list[str] = []
        self.closed = 0
        self.fail_enter: ContlabError | None = None
        self.results: dict[str, RunResult] = {}
        self.snapshots: dict[str, Snapshot] = {}
        self._news: asyncio.Queue[News | None] = asyncio.Queue()
        self._interrupted = asyncio.Event()

    def say(self, *news: News) -> None:
        """Queue news."""
        for each in news:
            self._news.put_nowait(each)

    def sample(self, **snapshots: Snapshot) -> None:
        """Every container at one moment."""
        self.snapshots = {**self.snapshots, **snapshots}
        self.say(Sampled(self.snapshots))

    def die(self) -> None:
        """End the news as a dead supervisor does."""
        self._news.put_nowait(None)

    async def enter(self, step: Step) -> None:
        if self.fail_enter is not None:
            raise self.fail_enter
        self.entered.append(step.slug)
        for block in step.of(Container):
            self.say(*(Happened(event) for event in birth(block.name)))
            self.sample(**{block.name: snapshot(block.name)})

    async def run(self, run: Run) -> RunResult:
        self.runs.append(run.name)
        self.say(Output(run.name, f"{run.container}$ {run.name}\n2\n"))
        signal = None
        if self.hold:
            self._interrupted.clear()
            await self._interrupted.wait()
            signal = 9
        result = RunResult(run.name, run.container, 137 if signal else 0, signal, "2\n", 0.031)
        self.results = {**self.results, run.name: result}
        return result

    async def facts(self) -> FactContext:
        return FactContext(self.snapshots, self.results, "6.1.0-56-amd64", "host")

    async def news(self) -> AsyncIterator[News]:
        while (each := await self._news.get()) is not None:
            yield each

    async def interrupt(self) -> None:
        self._interrupted.set()

    async def close(self) -> None:
        if not self.closed:
            self.die()
        self.closed += 1


def exited(container: str = "tenant", at: float = 3_000_000.0, signal: int | None = 9) -> Exited:
    """A container's end."""
    return Exited(container=container, at=at, pid=18422, signal=signal, exit_code=None if signal else 0)


NO_CGROUP = Unavailable("this host has no cgroup to write: mount cgroup2, or run as root")
