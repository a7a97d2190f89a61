"""Contradictions: specs that ask for what can't be, or for what would be done to the host."""

from __future__ import annotations

from contlab.errors import LessonError
from contlab.linux.flags import CAP
from contlab.linux.seccomp import DENIED
from contlab.runtime import ids, wiring
from contlab.runtime.spec import ContainerSpec, Namespace, RootMethod


def refuse_contradictions(spec: ContainerSpec) -> None:
    """LessonError with the first one that is found."""
    own_mounts = spec.own(Namespace.MNT)
    wiring.refuse_nonsense(spec)
    if spec.own(Namespace.USER):
        ids.refuse_nonsense(spec.uid_lines)
        ids.refuse_nonsense(spec.gid_lines)
    if spec.time_offsets and not spec.own(Namespace.TIME):
        raise LessonError(
            "clock offsets without its own time namespace would set the host's clocks",
            "Give it its own time namespace, or leave time_offsets out.",
        )
    if not spec.command:
        raise LessonError("the container has no command", 'Give it one, e.g. command = ["/bin/sh"].')
    if spec.root is RootMethod.PIVOT_ROOT and not own_mounts:
        raise LessonError(
            "pivot_root with the host's mount namespace would swap the root of the whole host",
            "Give it its own mnt namespace, or use chroot.",
        )
    if not own_mounts and (spec.binds or spec.tmpfs or spec.read_only):
        raise LessonError(
            "binds, tmpfs and read_only need mounts, and with the host's mount namespace they would be the host's",
            "Give it its own mnt namespace.",
        )
    if spec.files and spec.root is RootMethod.HOST:
        raise LessonError("files written into the host's root would be the host's", "Give it a root of its own.")
    if spec.hostname and not spec.own(Namespace.UTS):
        raise LessonError(
            "a hostname without its own uts namespace would be the host's new name",
            "Give it its own uts namespace, or leave hostname out.",
        )
    for path in (spec.workdir, *spec.files, *(bind.target for bind in spec.binds), *(t.target for t in spec.tmpfs)):
        if not path.startswith("/") or ".." in path.split("/"):
            raise LessonError(f"the path {path!r} is not one inside", 'Begin it with "/", and leave ".." out.')
    texts = (*spec.command, *map("=".join, spec.environment.items()), spec.hostname or "", *spec.files, spec.workdir)
    if any("\0" in text for text in texts):
        raise LessonError("a NUL byte ends every text that the kernel takes", "Leave it out.")
    for call in spec.seccomp_allow:
        if call not in DENIED:
            raise LessonError(f"{call} is no call that the filter refuses", f"Those are {', '.join(sorted(DENIED))}.")
    for kept in spec.capabilities or ():
        if kept not in CAP.__members__:
            raise LessonError(f"{kept} is not a capability", "See capabilities(7) for their names, e.g. CAP_KILL.")


def refuse_terminal(spec: ContainerSpec) -> None:
    """LessonError when there can be none inside."""
    if spec.root is RootMethod.CHROOT and not spec.own(Namespace.MNT):
        raise LessonError(
            "a terminal takes a /dev/pts, which is a mount, and a root with the host's mount namespace has none",
            "Give it its own mnt namespace, or do without a terminal.",
        )
