"""Ground: what one run stands on, made before its supervisor serves and given back at its end.

The run's directory, and a place in the cgroup tree whose children can have controllers.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
from collections.abc import Sequence

from contlab.errors import NotPermittedError
from contlab.linux.cgroup import Hierarchies
from contlab.linux.flags import PR
from contlab.linux.syscalls import prctl, set_name
from contlab.runtime import cgroup, delegation, sweep
from contlab.runtime.rights import Rights, read_rights

LAB_USER = 899_000
"""The uid and gid of containers without walls, and the owner of the run's "lab" folder, where root may choose: nobody's
on any host that we know of."""


def connect(where: str) -> tuple[socket.socket, bool]:
    """The socket to the client, from a descriptor's number or, when sudo started us, a path; and whether it did.

    NotPermittedError when it is not who called sudo that listens there.
    """
    if where.isdecimal():
        control = socket.socket(fileno=int(where))
        control.set_inheritable(False)
        return control, False
    control = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
    control.connect(where)
    if str(uid := peer_uid(control)) != os.environ.get("SUDO_UID"):
        raise NotPermittedError(f"uid {uid} listens on {where}, and it was not who called sudo")
    return control, True


def peer_uid(sock: socket.socket) -> int:
    """Who is at the other end of a connected socket (SO_PEERCRED of unix(7): struct ucred is pid, uid, gid)."""
    return int(struct.unpack("iII", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1])


def detach() -> None:
    """Containers inherit neither where contlab was started nor what its starter chose to ignore."""
    os.chdir("/")
    os.umask(0o022)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGPIPE}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    set_name("contlab:super")
    prctl(PR.SET_CHILD_SUBREAPER, 1)


class Ground:
    """One run's."""

    def __init__(self, root: str, run: str, elevated: bool = False) -> None:
        """``root`` holds one directory for each run. OSError, with its ``filename``, when it can't be.

        ``elevated``: the client is another user, so what it would do for root's runs is done here.
        """
        self.run = run
        self.elevated = elevated
        if elevated:
            sweep.sweep(root)
        self.directory = f"{root}/contlab-{run}"
        self.rights: Rights = read_rights()
        sweep.hold(root, run)
        for name in ("scratch", "lower", "lab"):
            os.makedirs(f"{self.directory}/{name}", mode=0o755)
        if self.rights.admin:
            os.chown(f"{self.directory}/lab", LAB_USER, LAB_USER)
        self.hierarchies: Hierarchies = cgroup.read_hierarchies()
        self._leaf = delegation.settle(self.hierarchies, self.rights, run)
        if self._leaf:
            self.hierarchies = cgroup.read_hierarchies()

    @property
    def remedy(self) -> str:
        """The command that gives this user limits; "" where there is none."""
        return delegation.remedy(self.hierarchies, self.rights)

    def give_back(self, containers: Sequence[object]) -> None:
        """At the end; the directory and the run's name stay for the sweep where a container could not be removed."""
        if not containers:
            sweep.release(self.directory)
        if self._leaf:
            self._leaf.leave()
