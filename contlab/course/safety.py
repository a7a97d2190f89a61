"""Safety: what a lesson may not ask for. A lesson is data from anywhere; opening one must not endanger the host."""

from __future__ import annotations

from collections.abc import Iterator

from contlab.course.lesson import Container
from contlab.course.variables import LAB
from contlab.errors import LessonError
from contlab.linux.flags import CAP
from contlab.runtime.cgroup import CgroupPlan
from contlab.runtime.plan import Places, compile_plan
from contlab.runtime.protection import default_capabilities, kept_capabilities
from contlab.runtime.spec import IdMap, Namespace, RootMethod

FIRST_ID = IdMap().outside
"""The first id outside that a lesson's may be; distributions give out those below to users (login.defs(5))."""


def dangers(container: Container) -> Iterator[str]:
    """Why this container can't be, or may not be, a lesson's."""
    spec = container.spec
    try:
        compile_plan(spec, Places(), CgroupPlan(), container.name)
    except LessonError as error:
        yield f"container `{container.name}`: {error.message}. {error.hint}"
    if spec.group is not None:
        yield "`group` is not a lesson's to choose: all its containers live in its `machine`"
    if spec.rootfs.startswith("/"):
        yield "`rootfs` must be a recipe's name: a lesson may not use directories of the host"
    for bind in spec.binds:
        if (bind.source != f"${LAB}" and not bind.source.startswith(f"${LAB}/")) or ".." in bind.source.split("/"):
            yield f"bind of {bind.source!r}: a lesson may show only its own folder, ${LAB}, inside a container"
    if any(line.outside < FIRST_ID for line in (*spec.uid_lines, *spec.gid_lines)):
        yield f"`id_map` must lead to ids from {FIRST_ID} on: those below may be somebody's here, as 0 is root's"
    if spec.root is RootMethod.HOST and (spec.all_capabilities or spec.capabilities or not spec.no_new_privs):
        yield "with the host's root go the default capabilities and no_new_privs: with more it would be the host"
    elif not spec.own(Namespace.USER):
        # Root inside is root outside, and core_pattern, say, belongs to root.
        more = kept_capabilities(spec) - default_capabilities(bool(spec.joins))
        if spec.all_capabilities or more & CAP.__members__.keys():
            yield "without a user namespace the default capabilities are the most: with more it would be the host"
        if not spec.mask_proc:
            yield "without a user namespace `mask_proc` stays on: /proc and /sys would be the host's to write"
