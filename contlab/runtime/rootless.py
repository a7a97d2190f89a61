"""Rootless: what becomes of a spec where its maker is a plain user.

The kernel lets anyone make a user namespace, and in it all the others (user_namespaces(7)): so whatever needs a
privilege gets one. What can't be had even so is told, by the name of what was asked for.
"""

from __future__ import annotations

import msgspec

from contlab.errors import CgroupError, UnavailableError
from contlab.runtime.cgroup import CgroupPlan
from contlab.runtime.operation import MapIds, MapOwnId, MapSubordinateIds, Operation
from contlab.runtime.rights import Rights
from contlab.runtime.spec import ContainerSpec, IdMap, Namespace, RootMethod

DEFAULT_MAP = IdMap()


def adapt(spec: ContainerSpec, rights: Rights) -> tuple[ContainerSpec, dict[str, str]]:
    """The spec that this user can have, and what differs: what was asked for -> why it is otherwise."""
    if rights.admin:
        return spec, {}
    if spec.joins:
        raise UnavailableError(
            f"the network {spec.joins} can't be made: a switch between containers takes root",
            "Make only contlab's supervisor root with --sudo, or leave the network out.",
        )
    told: dict[str, str] = {}
    own = {kind for kind in Namespace if spec.own(kind)}
    if (own or spec.root is not RootMethod.HOST) and Namespace.USER not in own:
        what = "namespaces and mounts" if own else "chroot's rights"
        told["the host's user namespace"] = f"to a plain user {what} are to be had only in one of its own"
        spec = msgspec.structs.replace(spec, namespaces=spec.namespaces | {Namespace.USER})
    if spec.own(Namespace.USER):
        spec = _map(spec, rights, told)
    if spec.user is not None and not (spec.own(Namespace.USER) and rights.ranges) and rights.uid != 0:
        told[f"user {spec.user}"] = "to a plain user without a range of subordinate ids there is only their own id" + (
            ", which is root inside, here without any capability" if spec.own(Namespace.USER) else ""
        )
        spec = msgspec.structs.replace(spec, user=None, capabilities=frozenset(), all_capabilities=False)
    return spec, told


def _map(spec: ContainerSpec, rights: Rights, told: dict[str, str]) -> ContainerSpec:
    asked = spec.id_map != DEFAULT_MAP or spec.gid_map is not None
    if asked and rights.ranges:
        return spec  # newuidmap(1) is the judge
    if asked:
        told["id map"] = "only the own id is mapped: more takes root, or newuidmap and a range in /etc/subuid"
    uids, gids = [IdMap(0, rights.uid, 1)], [IdMap(0, rights.gid, 1)]
    # What other ids make in a root that is a copy on the host's disk, the user could not remove.
    copied = spec.root is RootMethod.CHROOT and not spec.own(Namespace.MNT)
    if rights.uids is not None and rights.gids is not None and not copied:
        uids.append(IdMap(1, *rights.uids))
        gids.append(IdMap(1, *rights.gids))
    return msgspec.structs.replace(spec, id_map=tuple(uids), gid_map=tuple(gids))


def map_ids(spec: ContainerSpec, rights: Rights) -> Operation:
    """How the maps of an adapted spec come to be written."""
    if rights.admin:
        return MapIds(spec.uid_lines, spec.gid_lines)
    own = MapOwnId(rights.uid, rights.gid)
    if not rights.ranges or spec.uid_lines == (IdMap(0, rights.uid, 1),):
        return own
    fits = IdMap(0, rights.uid, 1) in spec.uid_lines
    return MapSubordinateIds(spec.uid_lines, spec.gid_lines, own if fits else None)


def refuse_unkillable(spec: ContainerSpec, cgroup: CgroupPlan, fix: str) -> None:
    """CgroupError for a container that could outlive us: only a PID namespace or a cgroup ends all that it starts."""
    if not cgroup.directories and not spec.own(Namespace.PID):
        why = cgroup.missing.get("cgroup") or next(iter(cgroup.missing.values()), "none is mounted")
        raise CgroupError(
            f"what shares the host's process list is ended for sure only through its cgroup, and there is none: {why}",
            f"{fix or 'Run `contlab doctor` to see why'}; or give it a pid namespace of its own.",
        )
