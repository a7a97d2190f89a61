"""Where contlab keeps things: XDG for the user's, the runtime directory for what lives with a run."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

NAME = "contlab"
PREFIX = "contlab-"
"""Every cgroup, mount, link and directory of a run begins with this, so that leftovers are recognised."""


def runtime_root() -> Path:
    """The directory that holds one ``contlab-RUN`` folder for each live run: on a tmpfs, gone at boot."""
    if (base := os.environ.get("CONTLAB_RUNTIME_DIR")) or (base := os.environ.get("XDG_RUNTIME_DIR")):
        return Path(base) / NAME
    uid = os.getuid()
    return Path("/run") / NAME if uid == 0 else Path("/tmp") / f"{NAME}-{uid}"


def cache() -> Path:
    """What can be made again: built root filesystems, kernels, guest images."""
    return platformdirs.user_cache_path(NAME)


def data() -> Path:
    """What must not be lost: progress, cards, undo copies."""
    return platformdirs.user_data_path(NAME)


def state() -> Path:
    """What is kept between runs but may go: recordings, logs."""
    return platformdirs.user_state_path(NAME)


def shipped(folder: str) -> Path:
    """A folder that ships with contlab (``lessons``, ``rootfs-fixtures``): in the wheel, or beside the package."""
    package = Path(__file__).resolve().parent
    installed = package / "_shipped" / folder
    return installed if installed.is_dir() else package.parent / folder
