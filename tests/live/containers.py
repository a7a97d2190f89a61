"""What the live tests of the runtime share: commands, their output at any time, and looks at the host."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import TypeVar

from contlab import paths
from contlab.linux.cgroup import LIMITS, Version, read_limit
from contlab.linux.mountinfo import parse_mountinfo
from contlab.runtime.client import Runtime
from contlab.runtime.events import Exited
from contlab.runtime.handle import Container, Execution, Stdio
from contlab.runtime.spec import ContainerSpec, Limits

SLOW = os.environ.get("CONTLAB_SLOW_KERNEL") == "1"
"""An emulated kernel, some ten times slower."""
PATIENCE = 120.0 if SLOW else 20.0
"""Seconds until what must happen soon counts as not happening."""

T = TypeVar("T")


class Output:
    """Stdin is empty; stdout and stderr go to a file that no process has to be waited for to read."""

    def __init__(self) -> None:
        self._file = os.memfd_create("output", os.MFD_CLOEXEC)
        self._null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    @property
    def stdio(self) -> Stdio:
        """For ``Runtime.spawn`` and ``Container.exec``."""
        return (self._null, self._file, self._file)

    @property
    def text(self) -> str:
        """All that was printed so far."""
        return os.pread(self._file, 1 << 20, 0).decode()

    @property
    def lines(self) -> list[str]:
        """Of ``text``."""
        return self.text.splitlines()

    def close(self) -> None:
        """Let go of both files."""
        os.close(self._file)
        os.close(self._null)

    def __enter__(self) -> Output:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def shell(script: str, **fields: object) -> ContainerSpec:
    """A container whose command is a shell script."""
    return ContainerSpec(command=("/bin/sh", "-c", script), **fields)  # type: ignore[arg-type]


async def run(runtime: Runtime, spec: ContainerSpec, name: str = "box") -> tuple[Exited, list[str]]:
    """Make a container, wait for its end, remove it: how it ended and what it printed."""
    with Output() as output:
        container = await runtime.spawn(name, spec, output.stdio)
        ended = await asyncio.wait_for(container.wait(), PATIENCE)
        await container.close()
        return ended, output.lines


async def run_in(container: Container, script: str) -> tuple[Exited, list[str]]:
    """A further command in a container: how it ended and what it printed."""
    with Output() as output:
        execution: Execution = await container.exec(("/bin/sh", "-c", script), output.stdio)
        return await asyncio.wait_for(execution.wait(), PATIENCE), output.lines


async def until(ready: Callable[[], T]) -> T:
    """Ask until the answer is true; TimeoutError when it takes too long."""
    end = time.monotonic() + PATIENCE
    while not (answer := ready()):
        if time.monotonic() > end:
            raise TimeoutError(f"it did not happen; the last answer was {answer!r}")
        await asyncio.sleep(0.01)
    return answer


def namespaces(pid: int | str) -> dict[str, str]:
    """Kind -> ``kind:[inode]`` of a process."""
    kinds = ("mnt", "pid", "net", "uts", "ipc", "user", "cgroup", "time")
    return {kind: os.readlink(f"/proc/{pid}/ns/{kind}") for kind in kinds}


def limits_of(cgroups: dict[str, str]) -> Limits:
    """What the kernel's files say."""
    found = {}
    for name in ("memory", "cpus", "pids"):
        directory = Path(cgroups[LIMITS[Version.V2][name].controller])
        version = Version.V2 if (directory / "memory.max").exists() else Version.V1
        files = {file: (directory / file).read_bytes() for file in LIMITS[version][name].files}
        found[name] = read_limit(version, name, files)
    return Limits(**found)  # type: ignore[arg-type]


def descriptors(pid: int | str) -> int:
    """How many a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def children(pid: int) -> list[int]:
    """Of a process with one thread; zombies are among them. A supervisor's nursery, and who waits there, are not."""
    pids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(pid) for pid in pids if _comm(pid) not in ("contlab:nursery", "contlab:waits")]


def _comm(pid: str) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""  # it ended meanwhile


def marked(mark: str) -> list[str]:
    """Processes that carry ``mark`` in their arguments or environment, as ``pid comm``; a stage carries its run's."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            texts = [Path(f"/proc/{pid}/{name}").read_bytes() for name in ("cmdline", "environ")]
            if any(mark.encode() in text for text in texts):
                found.append(f"{pid} {Path(f'/proc/{pid}/comm').read_text().strip()}")
        except OSError:
            continue  # it ended meanwhile
    return found


def below(top: Path | str, pattern: str) -> list[str]:
    """Paths of files and directories under ``top`` whose name matches; unlike ``Path.rglob``, it bears that some of
    them go while one looks."""
    found = ((at, name) for at, directories, files in os.walk(top) for name in (*directories, *files))
    return [f"{at}/{name}" for at, name in found if fnmatch(name, pattern)]


def cgroups_of(run: str) -> list[str]:
    """Cgroups that carry a run's name, on all hierarchies."""
    mounts = parse_mountinfo(Path("/proc/self/mountinfo").read_bytes())
    tops = [mount.mount_point for mount in mounts if mount.filesystem_type in ("cgroup", "cgroup2")]
    return [path for top in tops for path in below(top, f"*{run}*")]


def traces_of(run: str) -> list[str]:
    """What of a run is still on the host, its processes aside: cgroups, mounts, directory, lock."""
    mounts = parse_mountinfo(Path("/proc/self/mountinfo").read_bytes())
    found = [f"mount {mount.mount_point}" for mount in mounts if run in mount.mount_point]
    found += [f"file {path}" for path in paths.runtime_root().glob(f"*{run}*")]
    return found + [f"cgroup {path}" for path in cgroups_of(run)]


def left_of(run: str) -> list[str]:
    """Everything of a run that is still on the host."""
    found = [f"process {process}" for process in marked(run)]
    for path in cgroups_of(run):
        with contextlib.suppress(OSError):  # it went meanwhile
            found += [f"process {pid}" for pid in Path(path, "cgroup.procs").read_text().split()]
    return found + traces_of(run)
