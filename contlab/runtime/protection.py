"""Protections: what keeps a container from speaking to the whole machine, and in words which of them are off.

Root inside is a user whose mistakes and attacks are the host's affair, namespaces or not: these are what docker and
podman give their containers by default, too. In which order they are put up is plan.py's to say.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator

from contlab.linux import seccomp
from contlab.runtime.spec import ContainerSpec, RootMethod

DEFAULT_CAPABILITIES = frozenset(
    {
        "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_SETGID",
        "CAP_SETPCAP", "CAP_SETUID", "CAP_SYS_CHROOT",
    }
)  # fmt: skip
"""What root inside may still do: own files and processes, low ports. No mounting, no devices, no modules."""

MASKED_PROC = (
    "acpi", "asound", "interrupts", "kcore", "keys", "latency_stats", "sched_debug", "scsi", "sysrq-trigger",
    "timer_list", "timer_stats",
)  # fmt: skip
"""Below /proc: memory, keys, timing and devices of the whole machine (proc(5)); what a kernel lacks is passed over."""
READ_ONLY_PROC = ("bus", "fs", "irq", "sys")
"""Below /proc: settings of the whole machine, core_pattern among them."""
MASKED_SYS = ("firmware", "devices/virtual/powercap")
"""Below /sys, which is read-only besides: the firmware's variables, and a power meter that gives keys away (PLATYPUS,
CVE-2020-8694)."""

RESOURCES = (
    ("core", 0, 0),  # core_pattern may name a program, which the kernel runs on the host, as root
    ("memlock", 8 << 20, 8 << 20),
    ("msgqueue", 819_200, 819_200),
    ("nofile", 1024, 4096),
    ("rtprio", 0, 0),
)
"""Resource limits: name, soft, hard (setrlimit(2)); those but the first are the kernel's own for its first process."""


def default_capabilities(plugged_in: bool) -> frozenset[str]:
    """Those kept where nothing is said; ``plugged_in``: it joins a network of containers."""
    # ping(8) takes a raw socket, and these reach no further than the own network.
    return DEFAULT_CAPABILITIES | ({"CAP_NET_RAW"} if plugged_in else set())


def kept_capabilities(spec: ContainerSpec) -> frozenset[str]:
    """Those that stay in the bounding set, unless all do."""
    return default_capabilities(bool(spec.joins)) if spec.capabilities is None else spec.capabilities


def unprotected(spec: ContainerSpec) -> tuple[str, ...]:
    """The protections that this container is without, in words; empty for the default one."""
    return tuple(_off(spec))


def _off(spec: ContainerSpec) -> Iterator[str]:
    if spec.all_capabilities:
        yield "capabilities are not bounded"
    elif further := sorted(kept_capabilities(spec) - default_capabilities(bool(spec.joins))):
        yield f"keeps {', '.join(further)}"
    if not spec.no_new_privs:
        yield "setuid programs give privileges"
    if not spec.seccomp:
        yield "no seccomp filter"
    elif platform.machine() not in seccomp.ARCHES:
        yield f"no seccomp filter: there is none for {platform.machine()}"
    elif spec.seccomp_allow:
        yield f"seccomp lets {', '.join(sorted(spec.seccomp_allow))} through"
    if spec.root is RootMethod.HOST:
        yield "/proc and /sys are the host's"
    elif not spec.mask_proc:
        yield "nothing in /proc and /sys is masked"
    if spec.group is None:
        yield from (f"no {name} limit" for name in ("memory", "pids") if getattr(spec.limits, name) is None)
    if not spec.rlimits:
        yield "resource limits are its maker's"
