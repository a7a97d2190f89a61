"""A plain user: nobody, who runs contlab as a command, from a directory of their own.

As root the tests become that user in a mount namespace of their own, in which this Python can be reached (root's home
may be closed to others) and what a test wants is in place: masks over /proc, other files in /etc. The host stays as it
is.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from contlab.linux.hierarchies import Mode
from contlab.runtime.cgroup import read_hierarchies
from tests.live.containers import below

UID = 65_534 if os.geteuid() == 0 else os.geteuid()
DEADLINE = 300.0
"""Seconds within which even an emulated machine has done what a test waits for."""
V2 = read_hierarchies().mode is Mode.V2


class PlainUser:
    """Runs commands as this user."""

    def __init__(self, home: Path, cgroup: Path | None = None) -> None:
        self.home = home
        self.cgroup = cgroup
        """The cgroup, below one that is theirs, that their commands start in."""
        self.before: list[str] = []
        """Shell commands of root's, before they are the user."""
        self.environment = {
            "PATH": f"{home}/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(home),
            "CONTLAB_RUNTIME_DIR": str(home / "run"),
            **{f"XDG_{kind}_HOME": str(home / kind.lower()) for kind in ("CACHE", "DATA", "STATE", "CONFIG")},
        }  # fmt: skip

    def program(self, name: str, text: str) -> None:
        """A program that comes first in their PATH."""
        path = self.home / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)

    def contlab(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """``contlab ARGUMENTS``, to its end."""
        return subprocess.run(
            self._command(arguments), env=self.environment, cwd="/", stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=DEADLINE * 3, check=False,
        )  # fmt: skip

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """``contlab ARGUMENTS``; its pid is the app's."""
        return subprocess.Popen(
            self._command(arguments), env=self.environment, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip

    def _command(self, arguments: tuple[str, ...]) -> list[str]:
        contlab = [sys.executable, "-P", "-m", "contlab", *arguments]
        if os.geteuid() != 0:
            return contlab
        steps = [*_reachable(), *self.before]
        if self.cgroup:
            steps.append(f"echo $$ > {self.cgroup}/cgroup.procs")
        become = f"exec setpriv --reuid {UID} --regid {UID} --clear-groups -- {shlex.join(contlab)}"
        return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", "\n".join([*steps, become])]

    def left(self) -> list[str]:
        """What there still is of their runs: processes, cgroups, directories and sockets."""
        found = [path for path in below(self.home / "run", "*") if not path.endswith("/contlab")]
        found += [f"process {process.pid}" for process in self.processes()]
        return found + below(self.cgroup.parent, "contlab-*") if self.cgroup else found

    def processes(self) -> list[psutil.Process]:
        """All of this user that have to do with their runs: they name the home, or sleep as long as only ours do."""
        mine = []
        for process in psutil.process_iter():
            try:
                words = " ".join(process.cmdline())
                if "98765" in words or (str(self.home) in words and process.uids().real != 0):
                    mine.append(process)
            except psutil.Error:
                continue
        return mine


def _reachable() -> Iterator[str]:
    """Show the interpreter and the checkout to everyone, where a directory above them is closed."""
    checkout = Path(__file__).resolve().parents[2]
    needed = {Path(sys.base_prefix).resolve(), Path(sys.prefix).resolve(), checkout}
    for number, path in enumerate(sorted(needed)):
        closed = next((p for p in reversed(path.parents) if not p.stat().st_mode & 0o001), None)
        if closed is None:
            continue
        held = f"/tmp/contlab-held-{os.getpid()}-{number}"
        yield f"mkdir -p {held}; mount --bind {shlex.quote(str(path))} {held}"
        yield f"mountpoint -q {closed} || mount -t tmpfs -o mode=0755 tmpfs {closed}; mkdir -p {shlex.quote(str(path))}"
        yield f"mount --move {held} {shlex.quote(str(path))}; rmdir {held}"


@contextmanager
def plain_user(cgroup: str = "") -> Iterator[PlainUser]:
    """A user with an empty home; ``cgroup``: the name of a cgroup that root gives them, with a child to start in."""
    home = Path(tempfile.mkdtemp(prefix="contlab-plain-"))
    home.chmod(0o755)
    os.chown(home, UID, UID)
    tree = read_hierarchies().unified
    given = Path(tree.mount_point, cgroup) if cgroup and tree else None
    try:
        yield PlainUser(home, _delegate(given) if given else None)
    finally:
        for process in (user := PlainUser(home)).processes():
            process.send_signal(signal.SIGKILL)
        psutil.wait_procs(user.processes(), timeout=10)
        if given:
            for directory, _, _ in os.walk(given, topdown=False):
                os.rmdir(directory)
        shutil.rmtree(home)


def _delegate(given: Path) -> Path:
    """As a service manager does: the directory and its files that move processes and pass on controllers."""
    child = given / "shell"
    child.mkdir(parents=True)
    if V2:
        for parent in reversed([p for p in given.parents if (p / "cgroup.subtree_control").exists()]):
            (parent / "cgroup.subtree_control").write_text("+cpu +memory +pids")
    for directory in (given, child):
        for path in (directory, *(directory / f"cgroup.{name}" for name in ("procs", "subtree_control", "threads"))):
            if path.exists():
                os.chown(path, UID, UID)
    return child


def words(text: str) -> str:
    """One line, for messages that may be folded."""
    return re.sub(r"\s+", " ", text)
