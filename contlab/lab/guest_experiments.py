"""Experiments: the same five mischiefs in a guest and in a container, and what differs: whose kernel it is.

Each one is bounded before it begins: a guest by its RAM and the budget, a container by limits that were read back from
the kernel, both by a deadline.
"""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

import msgspec

from contlab.errors import UnavailableError
from contlab.lab.guest import EndedError, RunningGuest
from contlab.lab.guest_places import ContainerPlace, Place, held
from contlab.linux.sizes import format_size
from contlab.runtime.client import Runtime
from contlab.runtime.spec import ContainerSpec, Limits
from contlab.vm.machine import Reason
from contlab.vm.qemu import MIB

MEMORY = 64 * MIB
LIMITS = Limits(memory=MEMORY, cpus=0.5, pids=64)
"""What a container that is to be mistreated may have."""

EAT = "tail /dev/zero"
"""Takes memory without end: tail keeps the last line, and this one has no end."""

BOMB = "bomb() { bomb | bomb & }; bomb"
SECRET = "contlab-secret"
SLEEP = 86_413
"""Seconds: a sleep of this length is found among others."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one experiment."""

    experiment: str
    """"exhaust", "bomb", "panic" or "look"."""
    place: str
    """"guest" or "container"."""
    short: str
    """In a few words: who was hurt, or what was found."""
    happened: str
    """A sentence or two for people."""
    facts: dict[str, int | float | bool | str] = {}
    """What was read: names as in the sentence, sizes in bytes, times in seconds."""


def host_available() -> int:
    """Bytes that this host could still give (MemAvailable)."""
    found = re.search(r"^MemAvailable:\s+(\d+)", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 0


# --- in a guest -----------------------------------------------------------------------------------------------------


async def exhaust_guest(guest: RunningGuest, limit: float = 60.0) -> Outcome:
    """Take all of a guest's memory: its own OOM killer acts; the host gives no more than it promised."""
    before = host_available()
    ran = await guest.run(EAT, limit)
    picture = await guest.machine.agent.read("/proc/vmstat")
    kills = _field(picture.read("/proc/vmstat"), b"oom_kill")
    taken, memory = guest.memory(), guest.machine.guest.memory
    return Outcome(
        experiment="exhaust",
        place="guest",
        short=f"its own kernel: {_count(kills, 'process', 'processes')} killed, and it goes on",
        happened=f"The guest's own kernel killed {_count(kills, 'process', 'processes')} and goes on. The host gave it "
        f"{format_size(taken)} in all, for a guest of {format_size(memory)}, and killed nothing.",
        facts={
            "exit_code": ran.exit_code,
            "oom_kills": kills,
            "qemu_pss": taken,
            "host_available_before": before,
            "host_available_after": host_available(),
        },
    )


async def bomb_guest(guest: RunningGuest, limit: float = 5.0) -> Outcome:
    """A fork bomb: does the guest still answer after ``limit`` seconds? Then it is killed; that always works."""
    began = time.monotonic()
    answers = False
    try:
        async with asyncio.timeout(limit):
            await guest.run(BOMB, limit)
            await asyncio.sleep(limit / 2)
            answers = (await guest.run("echo alive", limit)).exit_code == 0
    except (TimeoutError, UnavailableError):
        answers = False
    killing = time.monotonic()
    ending = await guest.kill()
    ended = time.monotonic()
    still = "still answered" if answers else "no longer answered"
    return Outcome(
        experiment="bomb",
        place="guest",
        short=f"the guest, which {still}; gone {(ended - killing) * 1000:.0f} ms after its QEMU was killed",
        happened=f"After {killing - began:.1f} s the guest {still}. Its QEMU was killed, and all of it was gone "
        f"{(ended - killing) * 1000:.0f} ms later: to the host it was one process all the time.",
        facts={"answers": answers, "ended": ending.reason.value, "kill_seconds": ended - killing},
    )


async def panic_guest(guest: RunningGuest, sibling: RunningGuest, limit: float = 20.0) -> Outcome:
    """Crash a guest's kernel (sysrq c) while a sibling and the host keep serving."""
    began = time.monotonic()
    try:
        await guest.run("echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger", limit)
        reason, words = Reason.FAILED, "it went on"
    except EndedError as error:
        reason, words = error.ending.reason, error.ending.words
    took = time.monotonic() - began
    serves = (await sibling.run("uname -r", limit)).exit_code == 0
    return Outcome(
        experiment="panic",
        place="guest",
        short=f"this guest: its sibling {'serves on' if serves else 'does not answer'}",
        happened=f"The guest's kernel gave up ({words}) and its QEMU ended {took * 1000:.0f} ms after the command. The "
        f"sibling {'serves on' if serves else 'does not answer'}, and this host, whose kernel is another one, too.",
        facts={"ended": reason.value, "words": words, "seconds": took, "sibling_serves": serves},
    )


# --- in a container -------------------------------------------------------------------------------------------------


async def exhaust_container(runtime: Runtime, limit: float = 60.0) -> Outcome:
    """Take all the memory that a container may have: the host's OOM killer acts, inside its cgroup."""
    async with held(runtime, "hungry", _victim()) as place:
        before = host_available()
        ran = await place.run(EAT, limit)
        goes_on = (await place.run("true", limit)).exit_code == 0
        return Outcome(
            experiment="exhaust",
            place="container",
            short=f"its own cgroup: killed at {format_size(MEMORY)}, and it {'goes on' if goes_on else 'is gone'}",
            happened=f"The host's kernel killed the process inside the container's cgroup, at its limit of "
            f"{format_size(MEMORY)}. Without that limit it would have looked for a victim on the whole host.",
            facts={
                "exit_code": ran.exit_code,
                "oom_killed": ran.exit_code == 137,
                "goes_on": goes_on,
                "host_available_before": before,
                "host_available_after": host_available(),
            },
        )


async def bomb_container(runtime: Runtime, limit: float = 3.0) -> Outcome:
    """A fork bomb against pids.max; then the container is closed, bomb and all."""
    began = time.monotonic()
    async with held(runtime, "bomb", _victim()) as place:
        await place.run(BOMB, limit)
        await asyncio.sleep(limit / 3)
        cgroups = place.container.started.result().cgroups
        directory = cgroups.get("pids", "")
        tasks = _number(f"{directory}/pids.current") if directory else 0
        closing = time.monotonic()
        removed = await place.container.close()
    ended = time.monotonic()
    return Outcome(
        experiment="bomb",
        place="container",
        short=f"{tasks} of the host's tasks, by pids.max; gone in {(ended - closing) * 1000:.0f} ms",
        happened=f"pids.max let it have {tasks} tasks of {LIMITS.pids}; every further fork failed with EAGAIN. After "
        f"{closing - began:.1f} s the container was closed, and all of it was gone {(ended - closing) * 1000:.0f} ms "
        "later. Each of those tasks was one of the host's.",
        facts={"tasks": tasks, "most": LIMITS.pids or 0, "kill_seconds": ended - closing, "left": not removed.removed},
    )


async def panic_container(runtime: Runtime) -> Outcome:
    """Not tried, for it would work: there is one kernel. What keeps a container from it is looked at instead."""
    async with held(runtime, "harmless", _victim()) as place:
        way = (await place.run("[ -e /proc/sysrq-trigger ]")).exit_code == 0
        masked = (await place.run("grep -q ' /proc/sysrq-trigger ' /proc/self/mountinfo")).exit_code == 0
    bar = (
        "a mount over /proc/sysrq-trigger" if masked else "nothing" if way else "that this kernel has no sysrq-trigger"
    )
    return Outcome(
        experiment="panic",
        place="container",
        short="not tried: it would be the host",
        happened="Not tried: a container has no kernel of its own to crash, only the host's, and with it every other "
        f"container. What keeps it from that here is {bar}.",
        facts={"tried": False, "masked": masked, "sysrq_trigger": way},
    )


async def look_from_container(runtime: Runtime) -> Outcome:
    """Two containers: what of one does the other find?"""
    async with held(runtime, "one", _victim()) as one, held(runtime, "other", _victim()) as other:
        return await look(one, other)


# --- in either ------------------------------------------------------------------------------------------------------


async def look(place: Place, sibling: Place, limit: float = 30.0) -> Outcome:
    """Look from ``place`` for a file and a process of ``sibling``, and for signs that they share a kernel."""
    kind = "container" if isinstance(place, ContainerPlace) else "guest"
    await sibling.run(f"echo x >/tmp/{SECRET}; sleep {SLEEP} >/dev/null 2>&1 &", limit)
    hidden = (await sibling.run(f"ls /tmp/{SECRET} && ps | grep '[s]leep {SLEEP}'", limit)).exit_code == 0
    if not hidden:
        raise UnavailableError(f"{sibling.name} could not hide a file and a process", "Try it again.")
    files = (await place.run(f"find / -xdev -name {SECRET} 2>/dev/null", limit)).output.split()
    processes = (await place.run(f"ps | grep '[s]leep {SLEEP}'", limit)).output.splitlines()
    kernel = "cat /proc/sys/kernel/random/boot_id"
    shared = (await place.run(kernel, limit)).output == (await sibling.run(kernel, limit)).output
    seen = f"{_count(len(files), 'file', 'files')} and {_count(len(processes), 'process', 'processes')}"
    whose = (
        "Both have the boot id of one kernel: what it doesn't hide from one, by a namespace, it shows to all."
        if shared
        else "Their kernels booted apart: there is nothing common in which to look."
    )
    return Outcome(
        experiment="look",
        place=kind,
        short=f"{seen}; {'one kernel' if shared else 'another kernel'}",
        happened=f"It found {seen} of its sibling's. {whose}",
        facts={"files": len(files), "processes": len(processes), "same_kernel": shared},
    )


def _victim() -> ContainerSpec:
    return ContainerSpec(command=("/bin/sh",), limits=LIMITS)


def _count(number: int, one: str, many: str) -> str:
    return f"{number or 'no'} {one if number == 1 else many}"


def _field(raw: bytes, key: bytes) -> int:
    found = re.search(rb"^%s (\d+)$" % key, raw, re.MULTILINE)
    return int(found[1]) if found else 0


def _number(path: str) -> int:
    try:
        return int(Path(path).read_text())
    except (OSError, ValueError):
        return 0
