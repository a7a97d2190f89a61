"""Copying a root file system, where overlay can't give a container its own layer."""

from __future__ import annotations

import errno
import os
import shutil


def copy_tree(source: str, target: str) -> None:
    """Copy ``source``'s contents into the existing directory ``target``: modes, owners and links as they are.

    What belongs to ids that a plain user can't give files to becomes their own.
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
            _give(to, status)
            if not entry.is_symlink():
                os.chmod(to, status.st_mode & 0o7777)


def _give(path: str, status: os.stat_result) -> None:
    try:
        os.chown(path, status.st_uid, status.st_gid, follow_symlinks=False)
    except OSError as refusal:
        if refusal.errno not in (errno.EPERM, errno.EINVAL):  # not ours to give; not mapped in the user namespace
            raise
