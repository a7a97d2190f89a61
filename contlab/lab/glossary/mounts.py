"""The fields of a mount: each is a column of its line in mountinfo, proc_pid_mountinfo(5)."""

from __future__ import annotations

from contlab.lab.glossary.entry import Entry, Field, Shown
from contlab.observe.snapshot import Mount

_FILE = "/proc/{pid}/mountinfo"
_LINE = "grep '^{id} ' /proc/{pid}/mountinfo"

ENTRIES = {
    "mount.own": Entry(
        "● or ○",
        "● the host's own mount namespace does not have this mount, ○ it has it too. Each mount has a number, the "
        "first column: contlab looks for it in its own mountinfo. The command prints nothing for a ●.",
        lambda mount: f"mount number {mount.mount_id}",
        "/proc/self/mountinfo",
        "field 1, mount ID",
        "grep '^{id} ' /proc/self/mountinfo",
        guest="",
    ),
    "mount.point": Entry(
        "mount point",
        "Where it is mounted, as seen from the root directory of the process. In the file, a space is \\040. The tree "
        "is made from the parent's number, field 2.",
        lambda mount: mount.mount_point,
        _FILE,
        "field 5",
        _LINE,
    ),
    "mount.type": Entry(
        "type",
        "The kind of file system. proc, sysfs, cgroup2 and tmpfs are on no disk: the kernel makes them up, or keeps "
        "them in memory.",
        lambda mount: mount.fs_type,
        _FILE,
        "first behind the -",
        _LINE,
    ),
    "mount.source": Entry(
        "source",
        "What was mounted: a device where the file system has one, else a name that whoever mounted it chose.",
        lambda mount: mount.source,
        _FILE,
        "second behind the -",
        _LINE,
    ),
    "mount.options": Entry(
        "options",
        "Of this mount alone: ro or rw, nosuid (setuid bits don't count), nodev (device files don't work), noexec "
        "(nothing can be run). Elsewhere the same file system may be mounted with others.",
        lambda mount: mount.options,
        _FILE,
        "field 6",
        _LINE,
    ),
    "mount.spread": Entry(
        "spread",
        "Propagation: whether mounts made below it later travel to its copies in other namespaces. private: no; "
        "shared:N both ways, within group N; master:N only in, from group N. The file has no word for private.",
        lambda mount: mount.propagation,
        _FILE,
        "from field 7 to the -",
        _LINE,
    ),
    "mount.covered": Entry(
        "covered",
        "A later mount lies right on top of it, so that nobody can reach its files there. No file says so: contlab "
        "looks for a mount of the same mount point whose parent it is.",
        lambda mount: "yes",
        _FILE,
        "fields 1, 2 and 5",
        "grep ' {id} [0-9]*:' /proc/{pid}/mountinfo",
    ),
    "mount.layers": Entry(
        "overlay layers",
        "lowerdir: the directories it is laid over, only read, the topmost first; upperdir: where changes are written; "
        "workdir: where the kernel prepares them. Paths of whoever mounted it.",
        lambda mount: _layers(mount),
        _FILE,
        "third behind the -",
        _LINE,
    ),
    "mount.file_system": Entry(
        "of the file system",
        "Options of the file system as a whole, the same wherever it is mounted.",
        lambda mount: mount.super_options,
        _FILE,
        "third behind the -",
        _LINE,
    ),
}


def of(key: str, mount: Mount, shown: Shown) -> Field:
    """One field of ``mount``."""
    return ENTRIES[key].of(mount, {"pid": shown.pid, "id": str(mount.mount_id)}, shown.guest)


def _layers(mount: Mount) -> str:
    layers = [word for word in mount.super_options.split(",") if word.partition("=")[0] in _LAYERS]
    return "  ".join(layers) or mount.super_options


_LAYERS = ("lowerdir", "lowerdir+", "datadir+", "upperdir", "workdir")
