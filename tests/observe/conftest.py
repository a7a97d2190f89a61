"""A host made of files: /proc and /sys/fs/cgroup as recorded, under a directory of the test's own."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from contlab.observe.source import HostSource

DATA = Path(__file__).resolve().parents[1] / "data"
FIRST = 400
"""The container's first process, as the host counts."""


class FakeHost:
    """Files that a ``HostSource`` reads in place of the kernel's."""

    def __init__(self, root: Path, recording: str) -> None:
        self.root = root
        self.recorded = DATA / recording
        self.hybrid = recording.endswith("hybrid")
        self.source = HostSource(str(root))
        proc = self.recorded / "proc"
        for name in ("mountinfo", "cgroup"):
            self.write(f"/proc/self/{name}", (proc / f"self_{name}").read_bytes())
        self.namespaces("self", proc / "self_ns")
        for name in ("cgroups", "meminfo"):
            self.write(f"/proc/{name}", (proc / name).read_bytes())
        self.write("/proc/sys/kernel/osrelease", b"6.18.44-fake\n")
        self.write("/proc/sys/kernel/hostname", b"lectern\n")
        unified = "/sys/fs/cgroup/unified" if self.hybrid else "/sys/fs/cgroup"
        self.write(f"{unified}/cgroup.controllers", (proc / "unified_cgroup.controllers").read_bytes())

    def path(self, name: str) -> Path:
        """Where the fake keeps ``name``."""
        return Path(f"{self.root}{name}")

    def write(self, name: str, content: bytes | str) -> None:
        """One file, with the directories above it."""
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    def namespaces(self, pid: int | str, recorded: Path) -> None:
        """The links of /proc/PID/ns."""
        folder = self.path(f"/proc/{pid}/ns")
        folder.mkdir(parents=True, exist_ok=True)
        for line in recorded.read_text().splitlines():
            name, target = line.split(" ")
            (folder / name).symlink_to(target)

    def process(
        self,
        pid: int,
        ppid: int = 1,
        inside: int | None = None,
        *,
        comm: str = "sleep",
        state: str = "S",
        argv: tuple[str, ...] = ("sleep", "60"),
        ticks: int = 0,
        start: int = 1000,
    ) -> None:
        """stat, status and cmdline of one process."""
        zeros = " ".join("0" * 7)
        stat = f"{pid} ({comm}) {state} {ppid} {pid} {pid} {zeros} {ticks} 0 0 0 20 0 1 0 {start} 4096 10 {zeros}\n"
        self.write(f"/proc/{pid}/stat", stat)
        status = (self.recorded / "contained/status").read_bytes()
        numbers = f"{pid}" if inside is None else f"{pid}\t{inside}"
        for key, value in (("Pid", pid), ("PPid", ppid), ("NSpid", numbers), ("NStgid", numbers)):
            status = re.sub(rb"(?m)^%s:.*$" % key.encode(), f"{key}:\t{value}".encode(), status)
        self.write(f"/proc/{pid}/status", status)
        self.write(f"/proc/{pid}/cmdline", "".join(f"{argument}\0" for argument in argv))

    def end(self, pid: int) -> None:
        """The process is gone."""
        shutil.rmtree(self.path(f"/proc/{pid}"))

    def contain(self, pid: int = FIRST) -> None:
        """What the recorded container's first process saw, as ``pid`` sees it."""
        contained = self.recorded / "contained"
        for name in ("mountinfo", "uid_map"):
            self.write(f"/proc/{pid}/{name}", (contained / name).read_bytes())
        for path in (contained / "net").iterdir():
            self.write(f"/proc/{pid}/net/{path.name}", path.read_bytes())
        self.namespaces(pid, contained / "ns")
        self.path(f"/proc/{pid}/root").symlink_to("/")

    def cgroup(self, stage: str, name: str = "contlab-rec") -> dict[str, str]:
        """The recorded cgroup at ``stage``, and its directories as ``Started.cgroups`` gives them."""
        recorded = self.recorded / "cgroup" / stage
        if not self.hybrid:
            directory = f"/sys/fs/cgroup/{name}"
            shutil.copytree(recorded, self.path(directory), dirs_exist_ok=True)
            return {"": directory, **dict.fromkeys(("memory", "cpu", "pids"), directory)}
        directories = {}
        for folder in recorded.iterdir():
            directory = f"/sys/fs/cgroup/{folder.name}/{name}"
            shutil.copytree(folder, self.path(directory), dirs_exist_ok=True)
            directories[folder.name.replace("unified", "")] = directory
        return directories

    def members(self, cgroups: dict[str, str], *pids: int) -> None:
        """Who is in the cgroup."""
        for directory in set(cgroups.values()):
            self.write(f"{directory}/cgroup.procs", "".join(f"{pid}\n" for pid in pids))


@pytest.fixture(params=["6.18-hybrid", "6.1-v2"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> FakeHost:
    """A host of each kind."""
    return FakeHost(tmp_path, request.param)


@pytest.fixture
def hybrid(tmp_path: Path) -> FakeHost:
    """The hybrid host alone."""
    return FakeHost(tmp_path, "6.18-hybrid")


@pytest.fixture
def v2(tmp_path: Path) -> FakeHost:
    """The v2 host alone."""
    return FakeHost(tmp_path, "6.1-v2")
