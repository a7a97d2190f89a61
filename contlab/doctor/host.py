"""Host: what the probes look at, so that tests can show them another one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from contlab.linux.flags import CAP
from contlab.linux.hierarchies import Hierarchies
from contlab.runtime import delegation
from contlab.runtime.cgroup import plan_cgroup, read_hierarchies
from contlab.runtime.rights import Rights
from contlab.runtime.spec import Limits

_INSTALL = {
    "debian": "sudo apt-get install {}",
    "fedora": "sudo dnf install {}",
    "suse": "sudo zypper install {}",
    "arch": "sudo pacman -S {}",
    "alpine": "sudo apk add {}",
}
_PACKAGES = {
    "busybox": {"debian": "busybox-static", "": "busybox"},
    "qemu": {
        "debian": "qemu-system-x86",
        "fedora": "qemu-system-x86-core",
        "arch": "qemu-base",
        "": "qemu-system-x86_64",
    },
    "newuidmap": {"debian": "uidmap", "alpine": "shadow-uidmap", "arch": "shadow", "": "shadow-utils"},
}


def try_all(timeout: float = 60.0) -> Mapping[str, str]:
    """Word -> why it doesn't work here, "" when it does. Takes some 0.1 s; waits ``timeout`` seconds at most."""
    search = [str(Path(__file__).resolve().parents[2]), os.environ.get("PYTHONPATH", "")]
    command = [sys.executable, "-P", "-m", "contlab.doctor.trial"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, search))}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout)
        if done.returncode == 0:
            return dict(json.loads(done.stdout))
        problem = (done.stderr.splitlines() or [f"exit status {done.returncode}"])[-1]
    except (OSError, subprocess.SubprocessError) as error:
        problem = str(error)
    return defaultdict(lambda: f"the trial did not end well: {problem}")


@dataclass(frozen=True)
class Host:
    """This machine, or, with other fields, one that a test describes."""

    root: Path = Path("/")
    uid: int = field(default_factory=os.geteuid)
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    which: Callable[[str], str | None] = shutil.which
    try_all: Callable[[], Mapping[str, str]] = try_all
    hierarchies: Callable[[], Hierarchies] = read_hierarchies

    def read(self, path: str) -> str:
        """A file's text; "" when it is not there or not ours to read."""
        try:
            return self.at(path).read_text(errors="backslashreplace")
        except OSError:
            return ""

    def at(self, path: str) -> Path:
        """An absolute path, on this host."""
        return self.root / path.lstrip("/")

    @cached_property
    def trials(self) -> Mapping[str, str]:
        """Word -> why it does not work, "" when it does."""
        return self.try_all()

    @cached_property
    def unlimitable(self) -> Mapping[str, str]:
        """Limit or controller -> why the runtime can't set it, from the plan it would make."""
        limits = Limits(memory=64 << 20, cpus=0.5, pids=64)
        return plan_cgroup(self.hierarchies(), "contlab-doctor", limits, {}).missing

    @property
    def rights(self) -> Rights:
        """What the supervisor's user may do, as far as cgroups are concerned."""
        return Rights(self.uid, self.uid, admin=self.uid == 0)

    @cached_property
    def by_scope(self) -> frozenset[str]:
        """Controllers that the supervisor will have by a scope which systemd delegates to it."""
        return delegation.controllers_of_scope(self.hierarchies(), self.rights, self.environment)

    def capabilities(self, kind: str) -> int:
        """A capability set of this process as bits; ``kind`` as /proc/PID/status spells it, e.g. "CapEff"."""
        sets = (line.split() for line in self.read("/proc/self/status").splitlines() if line.startswith(kind))
        return next((int(fields[1], 16) for fields in sets), 0)

    @property
    def engine(self) -> str:
        """The container engine that we are inside of without privileges, or ""."""
        # The mark alone proves nothing: machines are made from images too.
        if self.capabilities("CapBnd") >> CAP.CAP_SYS_ADMIN & 1:
            return ""
        marks = {"/.dockerenv": "Docker", "/run/.containerenv": "Podman"}
        return next((name for file, name in marks.items() if self.at(file).exists()), "")

    @property
    def wsl(self) -> bool:
        """Whether this is Windows' Linux."""
        return "microsoft" in self.read("/proc/sys/kernel/osrelease").lower()

    def install(self, tool: str) -> str:
        """The command that brings a tool, by this distribution's package manager."""
        release = dict(line.split("=", 1) for line in self.read("/etc/os-release").splitlines() if "=" in line)
        families = f"{release.get('ID', '')} {release.get('ID_LIKE', '')}".replace('"', "").split()
        family = next((known for known in _INSTALL for name in families if known in name), "debian")
        packages = _PACKAGES[tool]
        return _INSTALL[family].format(packages.get(family, packages[""]))

    @property
    def as_root(self) -> str:
        """The command that starts contlab again as root."""
        return f"sudo {sys.executable} -m contlab"
