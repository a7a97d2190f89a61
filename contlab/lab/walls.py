"""Walls: whom a lesson's container runs as, so that a lesson is safe to open, whoever wrote it.

With a supervisor that is root, a container without walls runs as ``LAB_USER``, who owns nothing. A plain user has no
such other id: what has no walls around it runs as they themselves, among their own files and processes. That is let to
the lessons that ship with contlab, whose every command is known, and refused to all others.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from contlab import paths
from contlab.course.lesson import Container, Lesson
from contlab.errors import ContlabError, ExitCode, NotPermittedError, RuntimeFailure
from contlab.runtime.client import Runtime
from contlab.runtime.ground import LAB_USER
from contlab.runtime.spec import ContainerSpec, Limits, Namespace, RootMethod

WALLS = frozenset({Namespace.MNT, Namespace.PID, Namespace.NET})
"""Without files, processes and sockets (X11's and D-Bus's may be abstract ones) of the user's in reach, their uid is of
no use inside."""


def housed(spec: ContainerSpec, admin: bool) -> ContainerSpec:
    """The spec with who it runs as; ``admin``: the supervisor is root."""
    if spec.own(Namespace.USER) or (spec.own(Namespace.PID) and spec.root is RootMethod.PIVOT_ROOT):
        return spec
    if admin:
        return msgspec.structs.replace(spec, user=LAB_USER)
    # It may get a user namespace, and be root there; what runs as a plain user elsewhere is no more than that here.
    return msgspec.structs.replace(spec, capabilities=frozenset(), all_capabilities=False)


def refuse_bare(lesson: Lesson) -> None:
    """NotPermittedError for a lesson that a plain user may only watch."""
    if ships(lesson.path):
        return
    for step in lesson.steps:
        for block in step.of(Container):
            spec = block.spec
            if spec.root is not RootMethod.PIVOT_ROOT or not all(spec.own(kind) for kind in WALLS):
                raise NotPermittedError(
                    f"the container {block.name} of the step {step.title!r} would run as you, among your own files and "
                    "processes: that is let to contlab's own lessons only",
                    "With --sudo it runs as a user who owns nothing.",
                )


async def make_machine(runtime: Runtime, name: str, lesson: Lesson) -> ContlabError | None:
    """The group that stands for the host; returns why it has no limits, where it may go without.

    That may a lesson of contlab's own which does not speak of cgroups, so that it runs without one as well.
    """
    try:
        await runtime.group(name, lesson.machine)
    except RuntimeFailure as refusal:
        speaks = any(word.startswith("cgroup-") for word in lesson.needs)
        if refusal.exit_code is not ExitCode.CGROUP or speaks or runtime.admin or not ships(lesson.path):
            raise
        await runtime.group(name, Limits())
        return refusal
    return None


def ships(path: Path) -> bool:
    """Whether a lesson is contlab's own."""
    return path.resolve().is_relative_to(paths.shipped("lessons").resolve())
