"""Trees: the directory that a container's root is made from."""

from __future__ import annotations

import os

from contlab.errors import RootfsError
from contlab.rootfs import build, recipe
from contlab.runtime import ids
from contlab.runtime.spec import ContainerSpec, Namespace, RootMethod


def rootfs_of(spec: ContainerSpec, admin: bool = True) -> str:
    """The tree that a spec's root is made from, built if need be; "" when it keeps the host's.

    ``admin``: with root's privileges it is owned by who is root inside; a plain user's own is (``rights``).
    """
    if spec.root is RootMethod.HOST:
        return ""
    if os.path.isabs(spec.rootfs):
        if not os.path.isdir(spec.rootfs):
            raise RootfsError(f"there is no directory {spec.rootfs}", "Name one, or a recipe, e.g. busybox.")
        return spec.rootfs
    return str(build(recipe(spec.rootfs), _owner(spec, admin)).path)


class Trees:
    """Those of one run: whether the host's programs are still what they were is looked up once for each."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], str] = {}

    def at_hand(self, spec: ContainerSpec, admin: bool) -> str | None:
        """As ``rootfs_of``, but None when that has to look first."""
        return "" if spec.root is RootMethod.HOST else self._known.get((spec.rootfs, _owner(spec, admin)))

    def look(self, spec: ContainerSpec, admin: bool) -> str:
        """``rootfs_of``; takes milliseconds, or seconds when the tree is to be built."""
        tree = rootfs_of(spec, admin)
        if tree and not os.path.isabs(spec.rootfs):
            self._known[spec.rootfs, _owner(spec, admin)] = tree
        return tree


def _owner(spec: ContainerSpec, admin: bool) -> int:
    return (ids.outside(spec.uid_lines, 0) or 0) if admin and spec.own(Namespace.USER) else 0
