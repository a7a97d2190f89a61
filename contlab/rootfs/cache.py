"""Cache: directories that are whole or not there, however many build them at once and whoever dies meanwhile."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

BUILDING = ".building-"
"""Begins the name of a directory that is being filled; its builder holds a flock(2) on it, which dies with it."""

STALE = 60.0
"""Seconds after which an unlocked one is a leftover: before that, its builder may be about to lock it."""


def publish(place: Path, fill: Callable[[Path], None]) -> None:
    """Have ``fill`` write a new directory, and rename it to ``place``; when another was faster, theirs stays."""
    place.parent.mkdir(parents=True, exist_ok=True)
    sweep(place.parent)
    building = Path(tempfile.mkdtemp(prefix=BUILDING, dir=place.parent))
    lock = os.open(building, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        fill(building)
        building.chmod(0o755)
        try:
            building.rename(place)
        except OSError:
            if not place.is_dir():
                raise
    finally:
        remove(building)
        os.close(lock)


def sweep(store: Path) -> None:
    """Remove what builders that died have left in ``store``."""
    for left in store.glob(f"{BUILDING}*"):
        try:
            lock = os.open(left, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError:
            continue  # another sweeper was faster
        try:
            if time.time() - os.fstat(lock).st_mtime > STALE:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove(left)
        except BlockingIOError:
            pass  # its builder lives
        finally:
            os.close(lock)


def remove(directory: Path) -> None:
    """Remove a directory and all in it, also what its modes would keep a plain user from; gone already is fine."""
    if not directory.exists():
        return
    for path, inside, _ in os.walk(directory):
        for child in (Path(path, name) for name in inside):
            if not child.is_symlink():
                child.chmod(0o700)  # before os.walk goes into it
    shutil.rmtree(directory, ignore_errors=True)
