"""The fields of a cgroup. Which file a value is from differs between v1 and v2: named is the one that was read."""

from __future__ import annotations

import shlex

from contlab.lab.glossary.entry import Field, Shown
from contlab.lab.glossary.gauges import GAUGES
from contlab.lab.glossary.places import biting, place
from contlab.linux.cgroup import Version
from contlab.observe.gauges import UNIFIED
from contlab.observe.snapshot import CgroupSample

BITING = "biting"
KEYS = (*GAUGES, BITING)


def of(key: str, sample: CgroupSample, shown: Shown) -> Field:
    """One field of ``sample``."""
    if key == BITING:
        return _whose(sample)
    gauge = GAUGES[key]
    version, directory = _place(sample, key)
    read = gauge.v1 if version is Version.V1 and gauge.v1 is not None else gauge.v2
    several = "lines" if "|" in read.lines else "line"
    lines = f"{several} {read.lines.replace('|', ' and ')}" if read.lines else ""
    first, *others = read.files
    file = " and ".join([f"{directory}/{first}" if directory else first, *others])
    if not directory and sample.directories:
        file = ""  # it has none of this kind, and the value says why
    elif not directory:
        file += f" of its {gauge.controller or 'v2'} cgroup; in which directory that is, was not recorded"
    command = read.command(directory) if directory else ""
    return Field(gauge.name, gauge.value(sample), gauge.means, file, lines, command)


def _place(sample: CgroupSample, key: str) -> tuple[Version, str]:
    """As ``GaugeReader`` finds them: v2 freezes by itself, and v1 counts processor time in a controller of its own."""
    gauge = GAUGES[key]
    if key == "frozen":
        unified = place(sample, UNIFIED)
        return unified if unified[1] else place(sample, "freezer")
    version, directory = place(sample, gauge.controller)
    return place(sample, "cpuacct") if key == "cpu.percent" and version is Version.V1 else (version, directory)


def _whose(sample: CgroupSample) -> Field:
    files = list(biting(sample))
    return Field(
        "whose limit",
        "; ".join(f"{controller}: {directory}" for controller, directory in sample.biting.items()) or "none",
        "A cgroup's ancestors limit it as well: the smallest limit on the way up is the one that will be met first. "
        "contlab reads them all, and names for each controller the directory that has the smallest.",
        ", ".join(files),
        "",
        f"grep . {' '.join(shlex.quote(file) for file in files)}" if files else "",
    )
