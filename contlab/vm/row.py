"""Row: one line of the comparison between a VM and a container, and the words its numbers are put into."""

from __future__ import annotations

import math

import msgspec

from contlab.vm.figures import Source


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the comparison."""

    key: str
    """Stable name: "boot", "memory.idle"."""
    label: str
    vm: str
    container: str | None
    value: float | None
    """The VM's, not rounded, in ``unit``; None where there is no number, only words."""
    unit: str
    source: str
    year: str
    conditions: str
    explanation: str
    """A few sentences: what it means and why it is so."""
    kind: str = "model"

    @property
    def stamp(self) -> str:
        """What stands beside the cell: "model · NSDI'20 data · 2020"."""
        return " · ".join(part for part in (self.kind, self.source, self.year) if part)


def row(
    key: str,
    label: str,
    vm: str,
    container: str | None,
    sources: tuple[Source, ...],
    explanation: str,
    value: float | None = None,
    unit: str = "",
) -> Row:
    """A modelled row; all of its sources are named."""
    several = tuple(dict.fromkeys(sources))
    return Row(
        key=key,
        label=label,
        vm=vm,
        container=container,
        value=value,
        unit=unit,
        source=" + ".join(source.name for source in several),
        year=", ".join(dict.fromkeys(source.year for source in several)),
        conditions="; ".join(dict.fromkeys(source.conditions for source in several)),
        explanation=explanation,
    )


def two(value: float) -> str:
    """Two significant figures, as a model deserves: 243.5 is "240"."""
    if value == 0:
        return "0"
    digits = 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, digits)
    digits = max(0, 1 - math.floor(math.log10(abs(rounded))))
    return f"{rounded:,.{digits}f}"


def milliseconds(value: float) -> str:
    """A time given in milliseconds."""
    return f"{two(value)} ms" if value < 1000 else f"{two(value / 1000)} s"


def mebibytes(value: float) -> str:
    """A size given in MiB."""
    return f"{two(value)} MiB" if value < 1024 else f"{two(value / 1024)} GiB"


def megabytes(value: float) -> str:
    """A size on disk given in bytes, in the decimal units that image sizes come in."""
    return f"{two(value / 1e6)} MB" if value < 1e9 else f"{two(value / 1e9)} GB"
