"""Other programs that run the same command in the same root filesystem: what ``contlab bench spawn`` measures beside.

Each is given as much of contlab's container as it can make: what it leaves out stands in its ``without``.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contlab.runtime.protection import DEFAULT_CAPABILITIES, MASKED_PROC, READ_ONLY_PROC
from contlab.runtime.spec import Limits

NAMESPACES = ("pid", "network", "ipc", "uts", "mount", "cgroup")
"""As the OCI runtime specification calls them (config-linux.md, "Namespaces")."""


@dataclass(frozen=True, slots=True)
class Rival:
    """One of them, as installed here."""

    name: str
    command: tuple[str, ...]
    """``{turn}`` in it stands for the number of the run."""
    without: str

    def turn(self, number: int) -> list[str]:
        """The command of one run."""
        return [word.replace("{turn}", str(number)) for word in self.command]


def rivals(
    tree: str, command: Sequence[str], limits: Limits, folder: Path, prefix: str
) -> tuple[list[Rival], list[str]]:
    """Those that are installed, and the names of those that are not.

    ``folder`` is for their files, and their cgroups' names begin with ``prefix``: of a run that is killed, both are
    swept away.
    """
    bundle = _bundle(tree, command, limits, folder)
    known = {
        "unshare": Rival(
            "unshare",
            ("unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--net", "--uts", "--ipc",
             "--cgroup", "--time", f"--root={tree}", *command),
            "no limits, no overlay, chroot and no pivot_root",
        ),
        "bwrap": Rival(
            "bwrap",
            ("bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", tree, "/", "--proc", "/proc", "--dev", "/dev",
             "--tmpfs", "/tmp", *command),
            "no limits, no overlay, no seccomp filter",
        ),
        "runc": Rival(
            "runc",
            ("runc", "--root", f"{folder}/runc", "run", "--bundle", bundle, f"{prefix}-{{turn}}"),
            "no overlay, no seccomp filter, no user and time namespace",
        ),
        "crun": Rival(
            "crun",
            ("crun", "--root", f"{folder}/crun", "run", "--bundle", bundle, f"{prefix}-{{turn}}"),
            "no overlay, no seccomp filter, no user and time namespace",
        ),
    }  # fmt: skip
    here = [rival for name, rival in known.items() if shutil.which(name)]
    return here, [name for name in known if not shutil.which(name)]


def _bundle(tree: str, command: Sequence[str], limits: Limits, folder: Path) -> str:
    bundle = folder / "bundle"
    bundle.mkdir()
    (bundle / "config.json").write_text(json.dumps(_config(tree, command, limits)))
    return str(bundle)


def _config(tree: str, command: Sequence[str], limits: Limits) -> dict[str, Any]:
    """config.json of the OCI runtime specification, for runc and crun."""
    kept = sorted(DEFAULT_CAPABILITIES)
    hidden = ["nosuid", "noexec", "nodev"]
    return {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False, "user": {"uid": 0, "gid": 0}, "args": list(command), "cwd": "/",
            "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"], "noNewPrivileges": True,
            "capabilities": dict.fromkeys(("bounding", "effective", "permitted"), kept),
            "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 4096}],
        },
        "root": {"path": tree, "readonly": True},
        "hostname": "runc",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc", "options": hidden},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755", "size=64k"]},
            {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["nosuid", "newinstance"]},
            {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": [*hidden, "size=16m"]},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": [*hidden, "ro"]},
        ],
        "linux": {
            "namespaces": [{"type": kind} for kind in NAMESPACES],
            "resources": {
                "memory": {"limit": limits.memory},
                "pids": {"limit": limits.pids},
                "cpu": {"period": 100_000, "quota": round((limits.cpus or 1) * 100_000)},
            },
            "maskedPaths": [f"/proc/{name}" for name in MASKED_PROC],
            "readonlyPaths": [f"/proc/{name}" for name in READ_ONLY_PROC],
        },
    }  # fmt: skip
