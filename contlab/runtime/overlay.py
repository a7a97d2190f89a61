"""Copying a root file system, where overlay can't give a container its own layer."""

from __future__ import annotations

import os
import shutil


def copy_tree(source: str, target: str) -> None:
    """Copy ``source``'s contents into the existing directory ``target``: modes, owners and links as they are.

    Device files and sockets are left out: a rootfs from a recipe has none.
    """
    with os.scandir(source) as entries:
        for entry in entries:
            to = os.path.join(target, entry.name)
            status = entry.stat(follow_symlinks=False)
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), to)
            elif entry.is_dir():
                os.mkdir(to)
                copy_tree(entry.path, to)
            elif entry.is_file():
                shutil.copyfile(entry.path, to)
            else:
                continue
            os.chown(to, status.st_uid, status.st_gid, follow_symlinks=False)
            if not entry.is_symlink():
                os.chmod(to, status.st_mode & 0o7777)
