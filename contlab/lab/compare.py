"""Comparison: what a container and a virtual machine cost here, side by side; each cell says where it is from."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Literal

import msgspec

from contlab.vm.qemu import TRANSLATIONS

MEASURED = "measured here"
INSIDE = "in the guest"
EMULATED = "emulated (TCG): not a VM's real cost"
"""Stands on every time and rate that would otherwise make emulation look like virtualisation."""
TRANSLATED = f"emulated (TCG): up to {TRANSLATIONS} MiB of it are translated code"
"""The same on sizes: QEMU keeps what it has translated of a guest's instructions."""


class Spread(msgspec.Struct, frozen=True):
    """Several runs of one measurement, in the cell's unit."""

    p50: float
    low: float
    high: float
    runs: int


class Step(msgspec.Struct, frozen=True):
    """One part of a birth."""

    name: str
    microseconds: float
    explanation: str = ""


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One side's figure in one row."""

    text: str
    """For people, with its unit."""
    tag: str
    """"measured here", "in the guest" or "model: SOURCE, YEAR"."""
    value: float | None = None
    unit: str = ""
    spread: Spread | None = None
    steps: tuple[Step, ...] = ()
    """Where the time goes, in order."""

    @property
    def measured(self) -> bool:
        """It is no model's."""
        return not self.tag.startswith("model")


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the comparison."""

    key: str
    """Stable name: "boot", "memory.idle", "work.fork"."""
    label: str
    container: Cell | None
    vm: Cell | None
    host: Cell | None = None
    """The same on the host itself, where that means something."""
    cited: Cell | None = None
    """Beside an emulated guest: what a VM on a processor that helps was measured at elsewhere. No ratio is drawn."""
    ratio: float | None = None
    """The VM's cost in containers' (for rates: the container's rate over the VM's); None unless both are measured."""
    note: str = ""
    explanation: str = ""


class Fit(msgspec.Struct, frozen=True):
    """How many fit in this host's memory."""

    room: int
    """Bytes: this host's memory, without what it keeps for itself."""
    containers: int
    vms: int
    container_bytes: float
    vm_bytes: float
    """Bytes that each one takes, under the load."""
    tag: str


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """The whole."""

    complete: bool = True
    """Nothing more is being measured; until then what is not measured yet is the model's, or missing."""
    vm: Literal["measured", "model"]
    accelerator: str
    """"kvm", "tcg" or "" when the VM is a model."""
    conditions: dict[str, str]
    """What the figures were taken on."""
    why: tuple[str, ...] = ()
    """Why KVM was not used, why the VM is a model, why something could not be measured: a sentence each."""
    rows: tuple[Row, ...] = ()
    fit: Fit | None = None

    def row(self, key: str) -> Row | None:
        """One of the rows."""
        return next((row for row in self.rows if row.key == key), None)


class Measuring(msgspec.Struct, frozen=True):
    """What is being done now."""

    done: int
    of: int
    words: str


def spread(values: Sequence[float]) -> Spread:
    """The median and the ends of several runs."""
    return Spread(statistics.median(values), min(values), max(values), len(values))


def squares(fit: Fit, most: int) -> tuple[int, int, int]:
    """A picture of ``fit``: containers and VMs as squares, at most ``most`` of either, and how many one stands for."""
    each = max(1, -(-max(fit.containers, fit.vms) // most))
    return round(fit.containers / each), round(fit.vms / each), each
