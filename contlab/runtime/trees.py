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
    owner = ids.outside(spec.uid_lines, 0) if admin and spec.own(Namespace.USER) else 0
    return str(build(recipe(spec.rootfs), owner or 0).path)
