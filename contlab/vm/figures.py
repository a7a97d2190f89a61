"""Figures: the numbers the model is made of. Each has a source that was read, and the conditions it holds under.

Sizes are MiB, times milliseconds, factors are guest / native. Where a source gives a distribution, this is its median.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum


class Hypervisor(StrEnum):
    """The four kinds of virtual machine that the model knows."""

    FIRECRACKER = "firecracker"
    CLOUD_HYPERVISOR = "cloud-hypervisor"
    QEMU_KVM = "qemu-kvm"
    CLOUD_VM = "cloud-vm"


class GuestOs(StrEnum):
    """What the guest boots."""

    TUNED = "tuned"
    """A kernel built for small guests, and little else (NSDI'20: Linux 4.14)."""
    DISTRO = "distro"
    """A distribution's own kernel."""


class DiskImage(StrEnum):
    """What the guest boots from."""

    ROOTFS = "rootfs"
    """The container's root file system and a kernel."""
    CLOUD = "cloud"
    """A distribution's cloud image."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where numbers come from."""

    name: str
    year: str
    """Of the measurement; "read 2026" for a document that changes."""
    title: str
    conditions: str


NSDI = Source(
    "NSDI'20 data",
    "2020",
    "Agache et al., Firecracker: Lightweight Virtualization for Serverless Applications; the authors' raw data "
    "(github.com/firecracker-microvm/nsdi2020-data cf1b30f6, m5d.metal)",
    "one m5d.metal server (48 cores, Xeon 8175M), Firecracker 0.20, QEMU 4.2, 1 vCPU and 256 MiB for booting",
)
NSDI_NOTE = Source(
    "NSDI'20 paper, as reported",
    "2020",
    "Agache et al., NSDI'20: a stock Ubuntu kernel adds about 900 ms; read in a third party's account of the paper",
    "not in the published raw data",
)
FIRECRACKER = Source(
    "Firecracker specification",
    "read 2026",
    "firecracker-microvm/firecracker SPECIFICATION.md and resources/seccomp, 81b38b9d",
    "guaranteed by its authors on M5D.metal and M6G.metal",
)
KERNEL_TAKE = Source(
    "contlab, Debian 6.1 cloud kernel",
    "2026",
    "M - MemTotal in guests of 128 to 1024 MiB, and the smallest guest that reached its init",
    "QEMU 7.2, emulated; fit within 0.03 MiB",
)
IBM = Source(
    "IBM RC25482 data",
    "2014",
    "Felter et al., An Updated Performance Comparison of Virtual Machines and Linux Containers, ISPASS'15; raw data "
    "(github.com/thewmf/kvm-docker-comparison 6820500b)",
    "two-socket Xeon E5 server, QEMU/KVM of 2014, tuned guest",
)
GVISOR = Source(
    "gVisor performance data",
    "read 2026",
    "google/gvisor website/performance/density.csv, 3c5eee17: 50 empty containers, runc through Docker",
    "available memory divided by the number of containers; n1-standard-4, Debian 9",
)
CRUN = Source(
    "crun README", "read 2026", "containers/crun README.md, ba38286f", "100 × /bin/true, the author's machine"
)
KATA = Source(
    "Kata Containers",
    "read 2026",
    "kata-containers runtimeclasses.yaml and src/runtime/Makefile, 7c6ba40c",
    "what Kubernetes is told to set aside for each pod, beside its limits",
)
EC2 = Source(
    "EC2 boot benchmark",
    "2021",
    "Percival, EC2 boot time benchmarking, daemonology.net 2021-08-12: one sample run, RunInstances to open port",
    "one run, c5.xlarge study",
)
IMAGES = Source(
    "docker-library/repo-info",
    "2026",
    "repos/ubuntu 24.04 local and remote (1c2b9d92); Ubuntu 24.04 cloud image qcow2, July 2026, as reported",
    "ubuntu:24.04 amd64: 30 MB compressed, 78 MB on disk; cloud image 624 MB",
)
DEBIAN_KERNEL = Source(
    "Debian 6.1 packages",
    "2026",
    "linux-image 6.1.0-56 generic amd64: /boot/vmlinuz, and Installed-Size, which is nearly all modules",
    "kernel image only; its modules take 106 MB (cloud flavour) to 401 MB (generic) more",
)
VEE = Source(
    "VEE'20",
    "2020",
    "Anjali et al., Blending Containers and Virtual Machines, doi:10.1145/3381052.3381315; numbers as reported",
    "host kernel of 806,318 lines, counted while the same workloads ran",
)
MOBY = Source(
    "Docker's seccomp profile",
    "read 2026",
    "moby/profiles seccomp/default.json, cd3bed80, against the 362 x86_64 calls of the Linux 6.1 headers",
    "amd64, no extra capabilities",
)
MANUAL = Source(
    "man-pages, kernel docs", "read 2026", "pid_namespaces(7), admin-guide/cgroup-v2.rst", "by construction"
)

RESERVE = 1024.0
"""MiB of the host's memory that are left to the host."""

STRUCT_PAGE = 1 / 64
"""Share of its memory that a kernel needs to describe it: 64 bytes of struct page for each 4 KiB (NSDI: exact)."""

SWIOTLB_STEP = 64.4
"""MiB more that the tuned kernel keeps for itself in guests of 4 GiB and above (NSDI)."""

IDLE_FIXED, IDLE_SHARE = 165.8, 0.01786
"""Resident MiB of an idle guest under Firecracker: fixed, and for each MiB of its RAM (fit of NSDI, 512-3072 MiB)."""

CONTAINER_IDLE = 3.9
"""MiB for one empty container (GVISOR)."""
CONTAINER_START = (16.9, 33.4)
"""Milliseconds from request to the end of /bin/true: crun and runc (CRUN)."""

RANDOM_ACCESS = 0.03936 / 0.04579
"""Guest / native, RandomAccess on one socket (IBM)."""
ROUND_TRIP = 67.94 - 37.58
"""Microseconds more for a netperf TCP_RR round trip (IBM)."""

UBUNTU_CONTAINER, UBUNTU_CLOUD = 78.16e6, 624_105_472.0
"""Bytes on disk of ubuntu:24.04 as container image and as cloud image (IMAGES)."""
VMLINUZ = 8_247_232.0
"""Bytes of a distribution's compressed kernel (DEBIAN_KERNEL)."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """What a guest's kernel takes of its RAM."""

    fixed: float
    share: float
    smallest: float
    """MiB below which it does not reach its init."""
    source: Source


KERNELS = {
    GuestOs.TUNED: Kernel(14256 / 1024, STRUCT_PAGE, 0.0, NSDI),
    GuestOs.DISTRO: Kernel(33.1, 0.0171, 72.0, KERNEL_TAKE),
}

DISTRO_BOOT = 900.0
"""Milliseconds more for a distribution's kernel (NSDI_NOTE)."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One hypervisor's figures; ``None``: no source gives one."""

    memory: float
    """Configured RAM when nothing else is asked for."""
    guest_os: GuestOs
    image: DiskImage
    private: float
    """Private memory of the virtual machine monitor, as mapped (NSDI pmap): virtual, not all resident."""
    resident: float
    """What of its own is resident, beside the guest's pages: Firecracker's 2.49, plus the measured premium over it."""
    boot: float
    boot_p99: float | None
    boot_source: Source
    nic: float
    """Milliseconds more with a virtio network interface."""
    crowd: tuple[float, float] | None
    """Boot time with 50 and 100 starting at once, relative to alone (NSDI, 48 cores)."""
    cpu: float
    random_deep: float | None
    """4 KiB random reads, deep queue (IBM: 128 in flight; NSDI: 32)."""
    random_single: float | None
    """4 KiB random reads, one in flight (NSDI)."""
    disk_source: Source
    pod_overhead: float | None
    """MiB that Kata sets aside for a pod under this hypervisor (KATA)."""


_QEMU = Profile(
    memory=256,
    guest_os=GuestOs.TUNED,
    image=DiskImage.ROOTFS,
    private=131.3,
    resident=2.49 + 25,
    boot=243.5,
    boot_p99=257.5,
    boot_source=NSDI,
    nic=18.4,
    crowd=(231.0 / 213.9, 239.9 / 213.9),
    cpu=284.20 / 290.83,
    random_deep=42_543 / 84_044,
    random_single=7_513 / 16_473,
    disk_source=IBM,
    pod_overhead=320,
)

PROFILES = {
    Hypervisor.FIRECRACKER: Profile(
        memory=128,
        guest_os=GuestOs.TUNED,
        image=DiskImage.ROOTFS,
        private=2.49,
        resident=2.49,
        boot=160.9,
        boot_p99=172.5,
        boot_source=NSDI,
        nic=210.9 - 160.9,
        crowd=(205.9 / 160.9, 217.2 / 160.9),
        cpu=0.95,
        random_deep=12_880 / 301_182,
        random_single=8_444 / 16_473,
        disk_source=NSDI,
        pod_overhead=130,
    ),
    Hypervisor.CLOUD_HYPERVISOR: Profile(
        memory=256,
        guest_os=GuestOs.TUNED,
        image=DiskImage.ROOTFS,
        private=13.34,
        resident=2.49 + 3,
        boot=102.5,
        boot_p99=109.7,
        boot_source=NSDI,
        nic=17.4,
        crowd=(127.7 / 102.5, 133.9 / 102.5),
        cpu=_QEMU.cpu,
        random_deep=13_024 / 301_182,
        random_single=9_385 / 16_473,
        disk_source=NSDI,
        pod_overhead=130,
    ),
    Hypervisor.QEMU_KVM: _QEMU,
    Hypervisor.CLOUD_VM: replace(
        _QEMU,
        memory=2048,
        guest_os=GuestOs.DISTRO,
        image=DiskImage.CLOUD,
        boot=29_300,
        boot_p99=None,
        boot_source=EC2,
        nic=0,
        crowd=None,
    ),
}
"""The cloud VM is QEMU/KVM but for its start, its RAM (Kata's default) and its image."""
