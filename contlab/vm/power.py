"""Power: brings a guest up by the best means this host has. Whether KVM works is found out by booting with it.

A /dev/kvm that is there and opens proves nothing: on some hosts a guest under it never gets to its first instruction.
So the first guest under KVM has a deadline; what came of it is remembered until the host boots again.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec

from contlab import paths
from contlab.errors import UnavailableError
from contlab.vm import qemu
from contlab.vm.machine import BootError, Machine, OnStart, Reason
from contlab.vm.qemu import Accelerator, Guest
from contlab.vm.starter import Starter

KVM_DEADLINE = 5.0
"""Seconds for a guest under KVM: one that works takes less than one."""
TCG_DEADLINE = 60.0
"""Seconds for an emulated guest: 1.5 on an idle host."""

INSTALL = "Debian, Ubuntu: apt-get install qemu-system-x86 · Fedora: dnf install qemu-system-x86-core"

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Verdict(msgspec.Struct, frozen=True):
    """What is known of KVM on this host, this boot."""

    boot_id: str
    works: bool
    why: str


@dataclass(frozen=True, slots=True)
class Up:
    """A guest that came up, and what didn't before it."""

    machine: Machine
    failed: tuple[str, ...]
    """A sentence for each attempt before: shown, so that emulation is never taken for virtualisation unawares."""


def kvm_refused(device: Path = Path("/dev/kvm")) -> UnavailableError | None:
    """Why KVM need not even be tried, and what mends it; None: it is worth a try."""
    if not device.exists():
        return UnavailableError(
            "this host has no /dev/kvm: no hardware virtualisation, or it is switched off",
            "On hardware: switch VT-x or AMD-V on in the firmware, then sudo modprobe -a kvm_intel kvm_amd. "
            "In a virtual machine: its host has to allow nesting.",
        )
    if not os.access(device, os.R_OK | os.W_OK):
        return UnavailableError("/dev/kvm is not yours to open", "sudo usermod -aG kvm $USER, and log in again")
    if (verdict := remembered()) is not None and not verdict.works:
        return UnavailableError(verdict.why, f"After a change of the host, forget this: rm {_verdict_file()}")
    return None


def remembered() -> Verdict | None:
    """The verdict of this boot, if a guest was tried under KVM in it."""
    try:
        verdict = msgspec.json.decode(_verdict_file().read_bytes(), type=Verdict)
    except (OSError, msgspec.MsgspecError):
        return None
    return verdict if verdict.boot_id == BOOT_ID.read_text().strip() else None


def _remember(works: bool, why: str) -> None:
    file = _verdict_file()
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f"{file.name}.{os.getpid()}")
    fresh.write_bytes(msgspec.json.encode(Verdict(BOOT_ID.read_text().strip(), works, why)))
    fresh.replace(file)


def _verdict_file() -> Path:
    return paths.state() / "kvm.json"


def require_qemu() -> None:
    """UnavailableError when there is no QEMU."""
    if shutil.which(qemu.PROGRAM) is None:
        raise UnavailableError(f"{qemu.PROGRAM} is not on this host", INSTALL)


async def bring_up(guest: Guest, starter: Starter, on_start: OnStart = lambda machine: None) -> Up:
    """Boot ``guest`` (whose accelerator and board are chosen here); the last attempt's error when none comes up.

    ``on_start`` is given each attempt's machine.
    """
    require_qemu()
    refused = kvm_refused()
    failed = [] if refused is None else [refused.message]
    hopeless = False
    last: BootError | None = None
    for attempt in qemu.attempts(guest, kvm=refused is None):
        kvm = attempt.accelerator is Accelerator.KVM
        if kvm and hopeless:
            continue
        try:
            machine = await Machine.boot(attempt, starter, KVM_DEADLINE if kvm else TCG_DEADLINE, on_start)
        except BootError as error:
            last = error
            failed.append(error.message)
            hopeless = error.ending is None  # it hangs; another board would too
            if kvm and hopeless:
                _remember(False, f"/dev/kvm is there, but a guest under it did not come up within {KVM_DEADLINE:.0f} s")
            elif not kvm and (error.ending is None or error.ending.reason is not Reason.FAILED):
                break  # QEMU ran it: the guest is what is wrong
            continue
        if kvm:
            _remember(True, "a guest came up under it")
        return Up(machine, tuple(failed))
    assert last is not None
    raise last
