"""Where on the host a cgroup's values were read: which version has a controller, and which directory."""

from __future__ import annotations

from collections.abc import Iterator

from contlab.linux.cgroup import LIMITS, Version
from contlab.observe.gauges import LIMITED, UNIFIED
from contlab.observe.snapshot import CgroupSample


def place(sample: CgroupSample, controller: str) -> tuple[Version, str]:
    """The version and the directory of ``controller``; UNIFIED is v2's own. "" for a directory that nobody noted."""
    if sample.version == "v2":
        return Version.V2, sample.directories.get(controller) or sample.path
    if sample.directories:
        directory = sample.directories.get(controller, "")
        unified = sample.directories.get(UNIFIED, "")
        return (Version.V2 if unified and directory == unified else Version.V1), directory
    # A recording of an older contlab: known is v2's directory on a hybrid host, and where a limit bites, be it a
    # parent's: from there on the path is the same on each tree.
    if controller == UNIFIED:
        return Version.V2, sample.path if sample.version == "hybrid" else ""
    above = sample.biting.get(controller, "").rstrip("/")
    _, same, below = f"{sample.path}/".partition(f"/{above.rpartition('/')[2]}/")
    own = f"{above}/{below}".rstrip("/") if above and same else ""
    return (Version.V2 if own == sample.path and sample.version == "hybrid" else Version.V1), own


def biting(sample: CgroupSample) -> Iterator[str]:
    """The files of the limits in force."""
    for key, directory in sample.biting.items():
        controller, limit = LIMITED["io" if key.startswith("io ") else key]
        for name in LIMITS[place(sample, controller)[0]][limit].files:
            yield f"{directory}/{name}"
