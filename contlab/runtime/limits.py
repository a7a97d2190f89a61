"""Limits as operations: which file of which cgroup directory takes what, and in words what can't be had."""

from __future__ import annotations

import math
import os
import re
import stat
from collections.abc import Iterator, Mapping

import msgspec

from contlab.errors import CgroupError, LessonError
from contlab.linux.cgroup import LIMITS, V1_LACKS, Hierarchies, Version, Write, io_writes, limit_writes, swap_writes
from contlab.runtime.operation import SetLimit
from contlab.runtime.spec import IoLimit, Limits

CONTROLLER = {
    "memory": "memory", "swap": "memory", "memory_high": "memory", "oom_group": "memory",
    "cpus": "cpu", "cpu_weight": "cpu", "pids": "pids", "io": "io",
}  # fmt: skip
"""Limit, as the spec spells it, in the order of their writing -> the controller that it takes."""

HARD = ("memory", "swap", "cpus", "pids", "io")
"""Those that protect the host or a neighbour: nothing starts without them. Others may be missing, in words."""

_LEAST = {"memory": 4096, "memory_high": 4096, "swap": 0, "cpus": 0.01, "pids": 1, "cpu_weight": 1}
_MOST = {"cpu_weight": 10_000}
_RATES = ("rbps", "wbps", "riops", "wiops")
_NUMBER = re.compile(r"[0-9]+:[0-9]+")


def refuse_nonsense(limits: Limits) -> None:
    """LessonError for what no kernel takes, or what lets nothing run."""
    for limit, least in _LEAST.items():
        if not asked(limits, limit):
            continue
        value = getattr(limits, limit)
        if not (least <= value < math.inf):
            raise LessonError(f"a {limit} limit of {value} lets nothing run", f"Give {least} or more, or leave it out.")
        if value > _MOST.get(limit, math.inf):
            raise LessonError(f"a {limit} of {value}", f"Give {least} to {_MOST[limit]}; 100 is everyone's.")
    for io in limits.io:
        rates = [rate for name in _RATES if (rate := getattr(io, name)) is not None]
        if not rates or min(rates) < 1:
            raise LessonError(f"an io limit of {io.device} lets nothing through", "Give rbps, wbps, riops or wiops.")


def require(limits: Limits, missing: Mapping[str, str], fix: str = "") -> None:
    """CgroupError when a hard limit was asked for that this host does not give: none is ignored in silence.

    ``fix``: the command that mends it, where one is known.
    """
    for limit in HARD:
        if asked(limits, limit) and (reason := missing.get(limit)):
            raise CgroupError(
                f"the {limit} limit can't be set: {reason}",
                fix or "Run `contlab doctor` to see what this host's cgroups allow, or leave the limit out.",
            )


def set_limits(
    hierarchies: Hierarchies, limits: Limits, directories: Mapping[str, str], missing: dict[str, str]
) -> Iterator[SetLimit]:
    """The writes into ``directories`` (controller -> directory), in order; reasons go to ``missing``."""
    for limit, controller in CONTROLLER.items():
        if not asked(limits, limit):
            continue
        if limit in missing:
            continue
        if controller not in directories:
            why = f"this host has no {controller} controller (not in /proc/cgroups, or disabled at boot)"
            missing.setdefault(limit, missing.get(controller) or missing.get("cgroup") or why)
            continue
        version = tree.version if (tree := hierarchies.of(controller)) else Version.V2
        if limit not in LIMITS[version]:
            missing[limit] = V1_LACKS[limit]
        elif limit == "swap" and version is Version.V1 and not asked(limits, "memory"):
            missing[limit] = "cgroup v1 limits the sum of memory and swap, and no memory limit was given"
        else:
            for (file, text), optional in _writes(version, limits, limit):
                yield SetLimit(f"{directories[controller]}/{file}", text.decode(), optional)


def asked(limits: Limits, limit: str) -> bool:
    """Whether a limit of this name is there and set."""
    value = getattr(limits, limit, None)
    return not (value is None or value is msgspec.UNSET or value is False or value == ())


def filled(limits: Limits, defaults: Limits) -> Limits:
    """The limits, with the default's memory and pids where nothing is said of them."""
    unsaid = [name for name in ("memory", "pids") if getattr(limits, name) is msgspec.UNSET]
    return msgspec.structs.replace(limits, **{name: getattr(defaults, name) for name in unsaid})


def _writes(version: Version, limits: Limits, limit: str) -> Iterator[tuple[Write, bool]]:
    """What to write, and whether the file may be missing."""
    match limit:
        case "swap":
            assert limits.swap is not None
            yield from ((write, False) for write in swap_writes(version, limits.memory or 0, limits.swap))
        case "io":
            for io in limits.io:
                rates = {name: getattr(io, name) for name in _RATES}
                yield from ((write, False) for write in io_writes(version, device_number(io), rates))
        case _:
            value = getattr(limits, limit)
            yield from ((write, False) for write in limit_writes(version, limit, value))
            if limit == "memory" and limits.swap is None:
                yield from ((write, True) for write in swap_writes(version, value))


def device_number(io: IoLimit) -> str:
    """ "major:minor" of a whole disk; LessonError when it is none."""
    number = io.device
    if not _NUMBER.fullmatch(number):
        try:
            status = os.stat(io.device)
        except OSError as error:
            raise LessonError(f"{io.device}: {error.strerror}", "See `lsblk` for this host's disks.") from None
        if not stat.S_ISBLK(status.st_mode):
            raise LessonError(f"{io.device} is no block device", "See `lsblk` for this host's disks.")
        number = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
    if os.path.exists(f"/sys/dev/block/{number}/partition"):
        raise LessonError(f"{io.device} is a partition, and the kernel limits whole disks", "Name the disk it is on.")
    return number
