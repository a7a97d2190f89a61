"""From what is asked for to the plan, on one run's ground."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from contlab.runtime import cgroup
from contlab.runtime.cgroup import CgroupPlan
from contlab.runtime.ground import Ground
from contlab.runtime.limits import require
from contlab.runtime.operation import EnableControllers, JoinCgroup, SetHostname
from contlab.runtime.operation.cgroups import elsewhere
from contlab.runtime.plan import Places, Plan, compile_plan, joins
from contlab.runtime.protocol import Spawn, Window
from contlab.runtime.rootless import refuse_unkillable
from contlab.runtime.spec import ContainerSpec, Limits
from contlab.runtime.wiring import Cable


class Planner:
    """Remembers the latest plan: most containers of a run differ from the one before in nothing but their names."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._latest: tuple[ContainerSpec, str, Plan] | None = None
        self._latest_cgroup: tuple[tuple[Limits, Limits], CgroupPlan] | None = None

    def group(self, name: str, limits: Limits) -> CgroupPlan:
        """A parent cgroup; CgroupError for a limit that this host does not give."""
        planned = cgroup.plan_cgroup(self._ground.hierarchies, self._cgroup(name), limits, {}, for_children=True)
        require(limits, planned.missing, self._ground.remedy)
        return planned

    def cgroup(self, name: str, spec: ContainerSpec, parent: Mapping[str, str]) -> CgroupPlan:
        """A container's; ``parent`` as ``plan_cgroup`` has it. CgroupError as for a group."""
        wanted = (spec.limits, spec.default_limits) if not parent else None
        if self._latest_cgroup and wanted == self._latest_cgroup[0]:
            planned = called(self._latest_cgroup[1], self._cgroup(name))
        else:
            planned = cgroup.plan_cgroup(
                self._ground.hierarchies, self._cgroup(name), spec.limits, parent, defaults=spec.default_limits
            )
        require(spec.limits, planned.missing, self._ground.remedy)
        refuse_unkillable(spec, planned, self._ground.remedy)
        enabled = any(isinstance(step, EnableControllers) for step in planned.make)  # once is enough
        self._latest_cgroup = (wanted, planned) if wanted and not enabled else None
        return planned

    def plan(
        self, spec: ContainerSpec, tree: str, planned: CgroupPlan, name: str, cable: Cable | None, window: Window | None
    ) -> Plan:
        """``compile_plan``; ``tree``: the directory that becomes its root."""
        if self._latest and (spec, tree) == self._latest[:2] and not window:
            return again(self._latest[2], planned, spec.hostname or name)
        at = self._ground.directory
        places = Places(tree, f"{at}/scratch", f"{at}/lower", f"{at}/copy-{name}")
        plan = compile_plan(spec, places, planned, name, self._ground.rights, cable, window)
        self._latest = (spec, tree, plan) if plan.repeatable and not window else None
        return plan

    def tree(self, request: Spawn, spec: ContainerSpec) -> str:
        """The directory that becomes the root; an elevated supervisor builds it itself."""
        if not self._ground.elevated:
            return request.rootfs
        from contlab.runtime.trees import rootfs_of  # not needed, nor its imports, where the client builds

        return rootfs_of(spec)

    def _cgroup(self, name: str) -> str:
        return f"contlab-{self._ground.run}-{name}"


def called(planned: CgroupPlan, name: str) -> CgroupPlan:
    """``planned``, of a cgroup in no other, as ``plan_cgroup`` has it for another ``name``."""

    def moved(directory: str) -> str:
        return directory[: directory.rindex("/") + 1] + name

    return replace(
        planned,
        make=tuple(elsewhere(step, moved) for step in planned.make),
        directories={controller: moved(directory) for controller, directory in planned.directories.items()},
        born_in=planned.born_in and moved(planned.born_in),
        join=tuple((moved(directory), tree) for directory, tree in planned.join),
        missing=dict(planned.missing),
    )


def again(plan: Plan, planned: CgroupPlan, hostname: str) -> Plan:
    """``plan``, which is repeatable, for another container of the same spec: they differ in their cgroups
    and in their hostnames."""
    own = (SetHostname(hostname) if isinstance(step, SetHostname) else step for step in plan.inside)
    rest = (step for step in own if not isinstance(step, JoinCgroup))
    clone = replace(plan.clone, into_cgroup=planned.born_in)
    return replace(plan, before=planned.make, clone=clone, inside=(*joins(planned), *rest))
