"""/proc/PID/mountinfo: the mounts of a process, as proc_pid_mountinfo(5) describes them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from contlab.linux.parse import ParseError, number, rows, text

KIND = "mountinfo"
_OCTAL = re.compile(rb"\\([0-3][0-7]{2})")
_OPTIONAL = {b"shared", b"master", b"propagate_from", b"unbindable"}


@dataclass(frozen=True, slots=True)
class MountInfo:
    """One line: one mount."""

    mount_id: int
    """Unique while mounted; may be used again after umount(2)."""
    parent_id: int
    """The mount it lies on; an ID out of sight for the topmost mount."""
    major_minor: str
    """st_dev of the files, as ``"major:minor"``."""
    root: str
    """The directory of the file system that forms the root of this mount."""
    mount_point: str
    """Relative to the process's root directory."""
    mount_options: str
    """Of this mount alone, e.g. ``rw,nosuid``."""
    optional_fields: tuple[str, ...]
    """``shared:X``, ``master:X``, ``propagate_from:X``, ``unbindable``; empty for a private mount."""
    filesystem_type: str
    """May have a subtype, e.g. ``fuse.sshfs``."""
    mount_source: str
    super_options: str
    """Of the file system as a whole."""

    @property
    def propagation(self) -> str:
        """``private``, or the optional fields joined by a space (mount_namespaces(7), shared subtrees)."""
        return " ".join(self.optional_fields) or "private"


def unescape(raw: bytes) -> str:
    """A field's text: the kernel writes space, tab, newline and backslash as ``\\040 \\011 \\012 \\134``."""
    if b"\\" in raw:
        raw = _OCTAL.sub(lambda match: bytes([int(match[1], 8)]), raw)
    return text(raw)


def parse_mountinfo(raw: bytes) -> tuple[MountInfo, ...]:
    """All mounts, in the kernel's order: a later one on the same mount point covers the earlier."""
    return tuple(_mount(line) for line in rows(raw))


def _mount(line: bytes) -> MountInfo:
    fields = line.split(b" ")
    try:
        hyphen = fields.index(b"-", 6)
        filesystem_type, source, *super_options = fields[hyphen + 1 :]
    except ValueError:
        raise ParseError(KIND, f"no ' - type source options' in {text(line)!r}") from None
    return MountInfo(
        mount_id=number(KIND, fields[0]),
        parent_id=number(KIND, fields[1]),
        major_minor=text(fields[2]),
        root=unescape(fields[3]),
        mount_point=unescape(fields[4]),
        mount_options=text(fields[5]),
        # Fields of later kernels are to be ignored, says the man page.
        optional_fields=tuple(text(field) for field in fields[6:hyphen] if field.partition(b":")[0] in _OPTIONAL),
        filesystem_type=unescape(filesystem_type),
        mount_source=unescape(source),
        super_options=unescape(b" ".join(super_options)),
    )


def covered(mounts: tuple[MountInfo, ...]) -> frozenset[int]:
    """The mount IDs that can't be reached: a mount lies right on top of their root.

    Such a mount has the same mount point and the covered one as its parent.
    """
    points = {mount.mount_id: mount.mount_point for mount in mounts}
    return frozenset(
        mount.parent_id
        for mount in mounts
        if mount.parent_id != mount.mount_id and points.get(mount.parent_id) == mount.mount_point
    )
