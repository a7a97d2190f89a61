"""Inventory: what this host has for booting guests, what it lacks, and the command that mends it."""

from __future__ import annotations

import shutil
import subprocess

import msgspec

from contlab.errors import UnavailableError
from contlab.linux.sizes import format_size
from contlab.vm import kernel, power, qemu
from contlab.vm.budget import OVERHEAD, Budget

GUEST = 128 * qemu.MIB
"""Bytes of RAM of the guest that is counted with."""

VERSION_DEADLINE = 5.0
"""Seconds in which QEMU must have said its version."""


class Part(msgspec.Struct, frozen=True):
    """One thing that a guest needs."""

    name: str
    """"qemu", "kernel", "kvm" or "memory"."""
    there: bool
    what: str
    """What was found, or why it isn't there."""
    fix: str = ""
    """The command or act that would mend it; "" where nothing needs to be mended."""


class Inventory(msgspec.Struct, frozen=True):
    """All parts, and what they come to."""

    parts: tuple[Part, ...]
    accelerator: qemu.Accelerator
    """What the next guest would run by."""

    @property
    def bootable(self) -> bool:
        """Whether a guest can be booted; without KVM it is emulated, so that is no condition."""
        return all(part.there for part in self.parts if part.name != "kvm")


def look() -> Inventory:
    """Look at this host. Quick: boots nothing, so of KVM it says what the last guest under it told."""
    kvm = _kvm()
    accelerator = qemu.Accelerator.KVM if kvm.there else qemu.Accelerator.TCG
    return Inventory((_qemu(), _kernel(), kvm, _memory()), accelerator)


def _qemu() -> Part:
    path = shutil.which(qemu.PROGRAM)
    if path is None:
        return Part("qemu", False, f"{qemu.PROGRAM} is not on this host", power.INSTALL)
    try:
        said = subprocess.run((path, "--version"), capture_output=True, text=True, timeout=VERSION_DEADLINE, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        return Part("qemu", False, f"{path} does not start: {error}", power.INSTALL)
    return Part("qemu", True, f"{path}, {said.stdout.splitlines()[0]}" if said.stdout else path)


def _kernel() -> Part:
    try:
        found = kernel.find()
    except UnavailableError as error:
        return Part("kernel", False, error.message, error.hint)
    return Part("kernel", True, f"{found.release}, {found.path} ({found.found})")


def _kvm() -> Part:
    refused = power.kvm_refused()
    if refused is not None:
        return Part("kvm", False, refused.message, refused.hint)
    known = power.remembered()
    return Part("kvm", True, known.why if known else "/dev/kvm is there; the first guest tells whether it works")


def _memory() -> Part:
    budget = Budget.of_host()
    try:
        budget.take("one", GUEST)
    except UnavailableError as error:
        return Part("memory", False, error.message, error.hint)
    fit = budget.total // (GUEST + OVERHEAD)
    return Part("memory", True, f"{format_size(budget.total)} for guests: {fit} of {format_size(GUEST)} at a time")
