"""The run's switch: bridges and cables in a net namespace of the supervisor's own. The only import of pyroute2.

The host's interfaces are never touched: the namespace has no name and no mount, it lives by the descriptors held here.
When the supervisor dies, however it dies, the kernel removes it with all bridges and cables, so no sweep has to.
"""

from __future__ import annotations

import errno
import os
from typing import Any

from pyroute2 import IPRoute
from pyroute2.netlink.exceptions import NetlinkError

from contlab.linux.errno import SyscallError
from contlab.linux.flags import CLONE
from contlab.linux.syscalls import setns, unshare


class Switch:
    """Where the bridges are; SyscallError when the kernel refuses."""

    def __init__(self) -> None:
        """Make the net namespace: the caller, who has one thread, is in it for a moment.

        A netlink socket belongs to the namespace it was made in, so from then on it reaches in from outside.
        """
        self._bridges: dict[str, int] = {}
        home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            unshare(CLONE.NEWNET)
            try:
                self._netlink = IPRoute()
            finally:
                setns(home, CLONE.NEWNET)
        finally:
            os.close(home)

    def add_bridge(self, name: str) -> None:
        """ip link add NAME type bridge, up."""
        self._link("add", ifname=name, kind="bridge", state="up")
        # Once a bridge: the kernel acknowledges what it answers, and pyroute2 keeps what it did not wait for.
        (self._bridges[name],) = self._netlink.link_lookup(ifname=name)

    def add_cable(self, port: str, bridge: str, interface: str, pid: int) -> None:
        """A veth pair: ``port`` at the bridge, and its other end, ``interface``, in the net namespace of ``pid``."""
        peer = {"ifname": interface, "net_ns_pid": pid}
        self._link("add", ifname=port, kind="veth", master=self._bridges[bridge], state="up", peer=peer)

    def set_port(self, port: str, up: bool) -> None:
        """Down: the other end loses its carrier, as if the cable were pulled."""
        self._link("set", ifname=port, state="up" if up else "down")

    def remove_port(self, port: str) -> None:
        """Take the cable away, both ends of it; silent when the container's namespace took it along."""
        # Not asked before whether it is there: a dead namespace is emptied in the background, at any moment.
        try:
            self._link("del", ifname=port)
        except SyscallError as refusal:
            if refusal.errno != errno.ENODEV:
                raise

    def close(self) -> None:
        """Let go of the namespace: the kernel removes it and what is in it."""
        self._netlink.close()

    def _link(self, command: str, **words: Any) -> None:
        try:
            self._netlink.link(command, **words)
        except NetlinkError as refusal:
            raise SyscallError(f"ip link {command}", refusal.code, words["ifname"]) from None
