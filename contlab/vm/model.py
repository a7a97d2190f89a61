"""Model: the VM column where no guest can be booted. Every cell is computed from figures.py and says from which source.

Never measured, and never to be drawn on one bar with what was: each row's ``stamp`` begins with "model".
"""

from __future__ import annotations

import os

import msgspec

from contlab.vm import figures as f
from contlab.vm.equations import boot, fit, reserved, room, usable, used
from contlab.vm.figures import KERNELS, PROFILES, DiskImage, GuestOs, Hypervisor, Kernel, Profile
from contlab.vm.row import Row, mebibytes, megabytes, milliseconds, row, two

MIB = 1 << 20


class ModelParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What may be turned. ``None`` takes the hypervisor's usual."""

    hypervisor: Hypervisor = Hypervisor.QEMU_KVM
    memory: int | None = None
    """Bytes of RAM the guest is configured with."""
    guest_os: GuestOs | None = None
    image: DiskImage | None = None
    network: bool = True
    """The guest has a network interface (a container's costs it under a millisecond)."""
    payload: int = 32 * MIB
    """Bytes that the compared command touches under load."""
    rootfs: int = 2 * MIB
    """Bytes of the root file system that both start from."""

    @property
    def profile(self) -> Profile:
        """The hypervisor's figures."""
        return PROFILES[self.hypervisor]

    @property
    def memory_mib(self) -> float:
        """Configured RAM in MiB."""
        return self.profile.memory if self.memory is None else self.memory / MIB

    @property
    def os(self) -> GuestOs:
        """What the guest boots."""
        return self.guest_os or self.profile.guest_os

    @property
    def kernel(self) -> Kernel:
        """Its kernel's figures."""
        return KERNELS[self.os]

    @property
    def disk(self) -> DiskImage:
        """What it boots from."""
        return self.image or self.profile.image


def host_memory() -> int:
    """This host's RAM in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def rows(parameters: ModelParameters, host_memory_bytes: int) -> tuple[Row, ...]:
    """The whole column for a host of so much memory, in the order in which it is shown."""
    return (
        *_start(parameters),
        *_memory(parameters),
        _image(parameters),
        *_speed(parameters),
        *_walls(parameters),
        *_density(parameters, host_memory_bytes / MIB),
    )


def _start(p: ModelParameters) -> list[Row]:
    own = "its own: one built for small guests" if p.os is GuestOs.TUNED else "its own: a distribution's"
    crun, runc = f.CONTAINER_START
    time = boot(p.profile, p.os, p.network)
    slow_kernel = (f.NSDI_NOTE,) if p.os is GuestOs.DISTRO and p.profile.guest_os is GuestOs.TUNED else ()
    made = [
        row(
            "kernel", "kernel", own, "this host's", (f.MANUAL,),
            "A VM brings a kernel and boots it. A container is processes on the host's: uname -r is the same in all of "
            "them, and so is every bug in it.",
        ),
        row(
            "boot", "request to first process", milliseconds(time),
            f"{milliseconds(crun)} (crun), {milliseconds(runc)} (runc)", (p.profile.boot_source, *slow_kernel, f.CRUN),
            "The VM's: from starting its monitor to its init. The container's: create, /bin/true, delete. Boot times "
            "are quoted for many end points; compare only those with the same one. Firecracker counted from the call "
            "that starts a guest configured before: 110 ms.",
            time, "ms",
        ),
    ]  # fmt: skip
    if p.profile.crowd is not None:
        crowded = time * p.profile.crowd[0]
        made.append(
            row(
                "boot.crowd", "the same, 50 at once", milliseconds(crowded), None,
                (p.profile.boot_source, *slow_kernel),
                "The median when 50 guests start together on 48 cores; with 100 it is "
                f"{milliseconds(time * p.profile.crowd[1])}.",
                crowded, "ms",
            )
        )  # fmt: skip
    return made


def _memory(p: ModelParameters) -> list[Row]:
    size, profile = p.memory_mib, p.profile
    inside, taken, idle = usable(size, p.kernel), reserved(size, profile), used(size, profile)
    payload = p.payload / MIB
    loaded = used(size, profile, payload)
    small = f"doesn't boot: needs {mebibytes(p.kernel.smallest)}" if p.kernel.smallest else "doesn't boot"
    return [
        row(
            "memory.reserved", "memory set aside", mebibytes(taken), "0", (f.NSDI,),
            "A guest may take all its RAM, and its monitor some more, at any time: the host must be able to give it. "
            "memory.max of a container is a ceiling, not a reservation.",
            taken, "MiB",
        ),
        row(
            "memory.idle", "memory given up at idle", mebibytes(idle), mebibytes(f.CONTAINER_IDLE), (f.NSDI, f.GVISOR),
            "Resident on the host: the pages that the guest's kernel and its few services have touched, and the "
            "monitor's own. An empty container is a process or two, and what Docker keeps for it.",
            idle, "MiB",
        ),
        row(
            "memory.load", f"the same, with {payload:,.0f} MiB in use", mebibytes(loaded),
            mebibytes(f.CONTAINER_IDLE + payload), (f.NSDI, f.GVISOR),
            "A page that a guest has touched once stays taken, also when it is free inside: the host can't see that. "
            "A ratchet, unless a balloon or free page reporting gives pages back. A container's memory returns as its "
            "processes free it.",
            loaded, "MiB",
        ),
        row(
            "memory.usable", "usable inside", small if inside is None else f"{mebibytes(inside)} of {size:,.0f} MiB",
            "all of the host's, up to memory.max", (p.kernel.source,),
            "The guest's kernel keeps some for itself, and 64 bytes for each 4 KiB page. free inside shows what is "
            "left (MemTotal). In a container it shows the host's.",
            inside, "MiB",
        ),
    ]  # fmt: skip


def _image(p: ModelParameters) -> Row:
    if p.disk is DiskImage.CLOUD:
        value, container, source = f.UBUNTU_CLOUD, f.UBUNTU_CONTAINER, f.IMAGES
    else:
        value, container, source = p.rootfs + f.VMLINUZ, float(p.rootfs), f.DEBIAN_KERNEL
    return row(
        "image", "image on disk", megabytes(value), megabytes(container), (source,),
        "A guest needs a kernel, often its modules, a boot loader and an init; a container image is files only, and "
        "layers that several have in common are kept once.",
        value, "bytes",
    )  # fmt: skip


def _speed(p: ModelParameters) -> list[Row]:
    profile = p.profile
    qemu = p.hypervisor in (Hypervisor.QEMU_KVM, Hypervisor.CLOUD_VM)
    at_least = "more than " if p.hypervisor is Hypervisor.FIRECRACKER else ""
    made = [
        row(
            "cpu", "CPU throughput", f"{at_least}{two(profile.cpu * 100)} % of the host's", "100 %",
            (f.FIRECRACKER if at_least else f.IBM,),
            "Linpack, with the guest told the host's cache and core layout; hidden from it, more than half was "
            "lost. A container's instructions are the host's: 290.87 against 290.83 GFLOPS.",
            profile.cpu, "factor",
        ),
        row(
            "syscall", "system call", "no cited figure: boot a guest to measure it", "as on the host", (f.MANUAL,),
            "A guest's system calls go to the guest's kernel and need not leave it. A container's go to the host's, "
            "like any process's.",
        ),
        row(
            "memory.random", "random memory access", f"{two(f.RANDOM_ACCESS * 100)} % of the host's" if qemu else
            "no cited figure", "100 %", (f.IBM,),
            "GUPS on one socket: a page-table walk in a guest is a walk of walks. In sequence (STREAM) it is 98 %.",
            f.RANDOM_ACCESS if qemu else None, "factor",
        ),
    ]  # fmt: skip
    if profile.random_deep is not None and profile.random_single is not None:
        made.append(
            row(
                "io.random", "random 4 KiB reads", f"{two(profile.random_deep * 100)} % of the host's",
                "100 % (a volume)",
                (profile.disk_source, f.NSDI),
                "With many reads in flight; with one at a time it is "
                f"{two(profile.random_single * 100)} %. Each request leaves the guest and comes back as an interrupt. "
                "The Firecracker of 2020 served one at a time; it has an io_uring engine now.",
                profile.random_deep, "factor",
            )
        )  # fmt: skip
    if qemu:
        made.append(
            row(
                "network.latency", "network round trip", f"{two(f.ROUND_TRIP)} µs more", "as the host's, without NAT",
                (f.IBM,),
                "netperf TCP_RR: 38 µs on the host, 68 in the guest. Behind a bridge with NAT a container pays too: "
                "Redis answered three quarters of the requests.",
                f.ROUND_TRIP, "µs",
            )
        )  # fmt: skip
    return made


def _walls(p: ModelParameters) -> list[Row]:
    firecracker = p.hypervisor is Hypervisor.FIRECRACKER
    return [
        row(
            "surface", "host system calls in reach",
            "50 (27 on the vCPU's thread)" if firecracker else "those of its monitor: no cited count",
            "294 of 362", (f.MOBY, *((f.FIRECRACKER,) if firecracker else ())),
            "What code that has taken over the inside can ask of the host's kernel: in a container with Docker's "
            "default seccomp profile, and in a monitor that a guest has broken into. A count, not a score.",
            50.0 if firecracker else None, "calls",
        ),
        row(
            "surface.code", "host kernel code run",
            "9.6 % of its lines" if firecracker else "no cited figure", "11 % (LXC)", (f.VEE,),
            "Of 806,318 lines; 7.8 % when the same work runs on the host. A monitor uses much of the host's kernel "
            "too: less code in reach isn't the same as a higher wall.",
            0.0959 if firecracker else None, "factor",
        ),
        row(
            "crash", "what a kernel crash takes down", "this guest", "the host and every container on it", (f.MANUAL,),
            "A guest's panic ends its monitor process. Containers share one kernel, so there is only one to crash. "
            "A container whose PID 1 exits takes its own processes with it, no more.",
        ),
        row(
            "memory.hog", "who pays for a memory hog", "its own guest: the guest's OOM killer",
            "its own cgroup, if memory.max is set; else the host", (f.MANUAL,),
            "A guest can't take more than its RAM. A container can take all of the host's, unless a limit is set: then "
            "the OOM killer works inside the cgroup.",
        ),
        row(
            "neighbour", "what a neighbour can see", "nothing: no common files, processes or kernel objects",
            "what no namespace hides: the host's kernel, load, time; all of it from the host", (f.MANUAL,),
            "Separation is a VM's starting point and sharing is arranged. In a container sharing is the starting point "
            "and each namespace takes one thing away.",
        ),
    ]  # fmt: skip


def _density(p: ModelParameters, host: float) -> list[Row]:
    space, payload, profile = room(host), p.payload / MIB, p.profile
    strict = fit(space, p.memory_mib + profile.resident)
    hoped = fit(space, used(p.memory_mib, profile, payload))
    many = fit(space, f.CONTAINER_IDLE + payload)
    made = [
        row(
            "density", "how many fit in this host", two(strict), two(many), (f.NSDI, f.GVISOR),
            f"{mebibytes(host)} without the 1 GiB that the host keeps; each with {payload:,.0f} MiB in use. VMs by "
            "their whole RAM, so that all may use it; containers by what they use, which is hope as well: only their "
            "limits, added up, are a promise. The model's check: 1 TiB of 128 MiB Firecracker guests gives 8,035, "
            "where its authors packed about 8,000.",
            float(strict), "guests",
        ),
        row(
            "density.hope", "the same, VMs by what they use", two(hoped), two(many), (f.NSDI, f.GVISOR),
            "Overcommitted: it holds as long as the guests don't all come to touch the RAM they were promised.",
            float(hoped), "guests",
        ),
    ]  # fmt: skip
    if profile.pod_overhead is not None:
        pods = fit(space, payload + profile.pod_overhead)
        made.append(
            row(
                "density.kata", "the same, as Kata's pods", two(pods), two(many), (f.KATA, f.GVISOR),
                f"Kubernetes counts {two(profile.pod_overhead)} MiB for the VM around each pod, beside what its "
                "containers ask for.",
                float(pods), "pods",
            )
        )  # fmt: skip
    return made
