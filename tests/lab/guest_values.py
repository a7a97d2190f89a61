"""Canned snapshots of virtual machines: booting, up, ended, and one that can't be had."""

from __future__ import annotations

from msgspec.structs import replace

from contlab.observe.snapshot import (
    Booting,
    CgroupSample,
    CpuSample,
    GuestSample,
    IdMapLine,
    Link,
    Mount,
    MountTree,
    NamespaceLink,
    NamespaceSet,
    NetworkView,
    PidView,
    Snapshot,
    Unavailable,
)

MIB = 1 << 20
KERNEL = "6.1.0-56-cloud-amd64"
PANIC = "the guest box ended: its kernel gave up (sysrq triggered crash)"

MACHINE = GuestSample(
    accelerator="tcg",
    boot_seconds=1.85,
    memory=128 * MIB,
    taken=202 * MIB,
    total=92 * MIB,
    available=71 * MIB,
    oom_kills=0,
)


def inside(threads: int = 46) -> tuple[PidView, ...]:
    """init, the agent, and a kernel's threads."""
    return (
        PidView(1, 1, 0, "init", "S", "/bin/sh /init"),
        PidView(2, 2, 0, "kthreadd", "S"),
        *(PidView(3 + n, 3 + n, 2, f"kworker/{n}", "I") for n in range(threads - 1)),
        PidView(91, 91, 1, "agent", "S", "/bin/sh /lib/contlab/agent"),
    )


def up(name: str = "box", at: float = 4_000_000.0, machine: GuestSample = MACHINE) -> Snapshot:
    """It runs and answers."""
    unread = Unavailable("no memory.current here")
    kinds = ("mnt", "pid", "net", "uts", "ipc", "user", "cgroup", "time")
    return Snapshot(
        target=name,
        at=at,
        kernel=KERNEL,
        processes=inside(),
        mounts=MountTree((Mount(1, 1, "0:2", "/", "/", "rw", "private", "rootfs", "rootfs", "rw"),)),
        namespaces=NamespaceSet(
            tuple(NamespaceLink(kind, 4026531834 + n, False) for n, kind in enumerate(kinds)),
            (IdMapLine(0, 0, 4_294_967_295),),
            "/",
            "contlab",
        ),
        cgroup=CgroupSample("v2", "/sys/fs/cgroup", unread, CpuSample(1_708_000, None, 0, 0, 0, 75.0), unread),
        network=NetworkView((Link("lo", True, ("127.0.0.1/8",)),)),
        guest=machine,
    )


def _absent(name: str, guest: Unavailable | GuestSample, why: str, at: float) -> Snapshot:
    gone = Unavailable(why)
    return Snapshot(
        target=name, at=at, alive=False, processes=gone, mounts=gone, namespaces=gone, cgroup=gone, network=gone,
        guest=guest,
    )  # fmt: skip


def booting(name: str = "box", seconds: float = 1.5, at: float = 2_500_000.0) -> Snapshot:
    """Its kernel has begun."""
    why = f"the guest {name} is still booting"
    return _absent(name, Booting(why, seconds, "its kernel starts, under emulation"), why, at)


def panicked(at: float = 5_000_000.0) -> Snapshot:
    """Its kernel gave up, and its QEMU with it."""
    gone = Unavailable(PANIC)
    machine = replace(MACHINE, taken=0, total=gone, available=gone, oom_kills=gone, ended=PANIC, panicked=True)
    return _absent("box", machine, PANIC, at)


def silent(at: float = 5_000_000.0) -> Snapshot:
    """It runs, and answers nothing."""
    why = Unavailable("the guest did not answer for 10 s")
    machine = replace(MACHINE, total=why, available=why, oom_kills=why)
    return replace(_absent("box", machine, why.reason, at), alive=True, kernel=KERNEL)


def impossible(at: float = 2_500_000.0) -> Snapshot:
    """This host has no QEMU."""
    why = "the guest box isn't there: qemu-system-x86_64 is not on this host (Debian: apt-get install qemu-system-x86)"
    return _absent("box", Unavailable(why), why, at)
