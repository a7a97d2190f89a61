"""QEMU's command line for a guest, and what to try in which order. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

PROGRAM = "qemu-system-x86_64"

MIB = 1 << 20


class Accelerator(StrEnum):
    """Who runs the guest's instructions."""

    KVM = "kvm"
    """The processor itself."""
    TCG = "tcg"
    """QEMU, translating them: emulation, several times slower, and nothing to judge a virtual machine's speed by."""


class Board(StrEnum):
    """The machine that QEMU pretends to be."""

    MICROVM = "microvm"
    """No PCI, no ACPI, no firmware to speak of: the least that boots Linux."""
    PC = "pc"
    """A PC of 1996."""


@dataclass(frozen=True, slots=True)
class Guest:
    """What to boot."""

    kernel: Path
    image: Path
    memory: int = 256 * MIB
    """Bytes of RAM."""
    cpus: int = 1
    accelerator: Accelerator = Accelerator.TCG
    board: Board = Board.MICROVM
    arguments: tuple[str, ...] = ()
    """More words for the kernel's command line."""
    drive: Path | None = None
    """A file that is the guest's disk, /dev/nvme0n1, past the host's page cache. Only the old board has its bus."""


KERNEL_ARGUMENTS = (
    "console=ttyS0",
    "quiet",
    "panic=-1",  # reboot at once, which -no-reboot makes QEMU's end
    "reboot=t",  # by triple fault: microvm has no keyboard controller and no ACPI to ask
    "rdinit=/init",
    "contlab.port=ttyS1",
)

BOARDS = {
    Board.MICROVM: "microvm,acpi=off",
    Board.PC: "pc",
}
"""microvm keeps its old timer and clock: without KVM's own clock Linux has nothing else to tell the time by."""


TRANSLATIONS = 64
"""MiB that QEMU may keep of translated instructions: its own default is a GiB, which no budget could promise."""

ACCELERATORS = {
    Accelerator.KVM: "kvm",
    Accelerator.TCG: f"tcg,tb-size={TRANSLATIONS}",
}


def command(guest: Guest, console: int, agent: int, monitor: int) -> tuple[str, ...]:
    """The command line; the numbers are of open sockets: the two serial ports and QEMU's own monitor (QMP)."""
    disk = (
        ()
        if guest.drive is None
        else ("-blockdev", f"driver=file,node-name=disk,filename={str(guest.drive).replace(',', ',,')},cache.direct=on",
              "-device", "nvme,serial=contlab,drive=disk")
    )  # fmt: skip
    return (
        PROGRAM, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
        "-name", "contlab-guest",
        "-M", BOARDS[guest.board],
        "-accel", ACCELERATORS[guest.accelerator],
        "-cpu", "host" if guest.accelerator is Accelerator.KVM else "max",
        "-m", f"{guest.memory // MIB}M",
        "-smp", str(guest.cpus),
        "-chardev", f"socket,id=console,fd={console}", "-serial", "chardev:console",
        "-chardev", f"socket,id=agent,fd={agent}", "-device", "isa-serial,chardev=agent,index=1",
        "-chardev", f"socket,id=monitor,fd={monitor}", "-mon", "chardev=monitor,mode=control",
        *disk,
        "-kernel", str(guest.kernel),
        "-initrd", str(guest.image),
        "-append", " ".join((*KERNEL_ARGUMENTS, *guest.arguments)),
    )  # fmt: skip


def attempts(guest: Guest, kvm: bool) -> tuple[Guest, ...]:
    """What to try, best first: the processor before emulation, the small board before the old one."""
    accelerators = (Accelerator.KVM, Accelerator.TCG) if kvm else (Accelerator.TCG,)
    boards = tuple(Board) if guest.drive is None else (Board.PC,)
    return tuple(replace(guest, accelerator=how, board=board) for how in accelerators for board in boards)


def panic(console: str) -> str | None:
    """The reason the guest's kernel gave for giving up, if it did."""
    found = re.search(r"Kernel panic - not syncing: (.*)", console)
    return found[1].strip() if found else None


def terminated(errors: str) -> int:
    """The signal that QEMU said it ended by, well and with status 0; 0 when it said no such thing."""
    found = re.search(r"terminating on signal (\d+)", errors)
    return int(found[1]) if found else 0
