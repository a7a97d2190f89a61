"""Equations: what a VM and a container cost, from the figures. Sizes in MiB, times in milliseconds."""

from __future__ import annotations

import math

from contlab.vm.figures import (
    DISTRO_BOOT,
    IDLE_FIXED,
    IDLE_SHARE,
    RESERVE,
    SWIOTLB_STEP,
    GuestOs,
    Kernel,
    Profile,
)


def reserved(memory: float, profile: Profile) -> float:
    """What a VM may come to take: its RAM and its monitor's private memory. A container reserves nothing."""
    return memory + profile.private


def kernel_take(memory: float, kernel: Kernel) -> float:
    """What the guest's kernel keeps of ``memory``: itself, and the table that describes every page."""
    step = SWIOTLB_STEP if memory >= 4096 else 0.0
    return kernel.fixed + kernel.share * memory + step


def usable(memory: float, kernel: Kernel) -> float | None:
    """What is left for the guest's processes (its MemTotal); None when such a guest doesn't boot."""
    left = memory - kernel_take(memory, kernel)
    return left if memory >= kernel.smallest and left > 0 else None


def used(memory: float, profile: Profile, payload: float = 0.0) -> float:
    """What the host has given up to a guest that runs ``payload``: pages touched once stay taken."""
    touched = IDLE_FIXED + IDLE_SHARE * memory + payload
    premium = profile.resident - 2.49  # the fit was made under Firecracker and contains its own 2.49
    return min(memory + 2.49, touched) + premium


def boot(profile: Profile, guest_os: GuestOs, network: bool) -> float:
    """From the request to the guest's first process."""
    slow_kernel = DISTRO_BOOT if guest_os is GuestOs.DISTRO and profile.guest_os is GuestOs.TUNED else 0.0
    return profile.boot + slow_kernel + (profile.nic if network else 0.0)


def fit(host: float, each: float) -> int:
    """How many of ``each`` MiB fit in ``host`` MiB."""
    return max(0, math.floor(host / each))


def room(host: float) -> float:
    """The host's memory without the part that it keeps for itself."""
    return max(0.0, host - RESERVE)


def io_bound(operations: float, native_rate: float, factor: float) -> float:
    """Seconds for ``operations`` inside: the host does ``native_rate`` a second, a guest ``factor`` times that."""
    return operations / (native_rate * factor)
