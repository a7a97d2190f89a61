"""Small root filesystems, built in milliseconds from what the host has: recipe -> tree, cached by content.

``build(recipe("busybox"))`` gives a directory that containers and guests alike are rooted in.
"""

from contlab.rootfs.recipes import Recipe, names, recipe
from contlab.rootfs.tree import Rootfs, build

__all__ = ["Recipe", "Rootfs", "build", "names", "recipe"]
