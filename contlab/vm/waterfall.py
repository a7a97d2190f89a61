"""Waterfall: where the time of a boot goes, from the request to a guest that answers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Stage:
    """One part of a boot."""

    name: str
    seconds: float
    explanation: str


@dataclass(frozen=True, slots=True)
class Waterfall:
    """A boot by two clocks: the host's, and the guest kernel's own, which begins with it and counts in 10 ms."""

    process: float
    """Seconds from the request until QEMU's process exists."""
    console: float | None
    """Seconds until the first byte on the console; None when there was none before the agent."""
    agent: float
    """Seconds until the agent said hello: processes run, and one of them answers."""
    init_uptime: float = 0.0
    """Seconds since the guest's kernel began, when its first process did."""
    agent_uptime: float = 0.0
    """The same, of the agent."""

    @property
    def first_process(self) -> float:
        """Seconds from the request until the guest's first process ran."""
        return max(0.0, self.agent - self.agent_uptime + self.init_uptime)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The whole time in its parts, in order."""
        before = max(0.0, self.agent - self.agent_uptime - self.process)
        return (
            Stage("QEMU's process", self.process, "The host starts a program: all that a container would be by now."),
            Stage("firmware", before, "QEMU makes a machine, its firmware loads kernel and initramfs, and the kernel "
                  "unpacks itself."),
            Stage("kernel", self.init_uptime, "The guest's kernel finds its memory, its processor and its devices, and "
                  "unpacks the root file system."),
            Stage("init and agent", max(0.0, self.agent_uptime - self.init_uptime),
                  "The first process mounts /proc, /sys and the others, and starts what answers us."),
        )  # fmt: skip


def uptimes(text: bytes) -> tuple[float, float]:
    """What the agent noted of its boot: init's uptime and its own; (0, 0) when that is no pair of numbers."""
    try:
        init, agent = map(float, text.split())
    except ValueError:
        return 0.0, 0.0
    return init, agent
