"""Wiring: who is plugged into which network of the run, under which address and name.

A network is a bridge without an address of its own: a switch, no router. It joins the containers that name it, and
leads nowhere else.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from contlab.errors import LessonError, RuntimeFailure
from contlab.runtime.operation import InterfaceUp, MakeBridge, MakeSwitch, Operation, PlugIn, SetAddress
from contlab.runtime.spec import HOST_NETWORK, NO_NETWORK, Bind, ContainerSpec, Namespace, RootMethod

if TYPE_CHECKING:
    from contlab.runtime.network import Switch

INTERFACE = "eth0"
"""The container's end of its cable."""
PREFIX_LENGTH = 24
MOST_NETWORKS = 254
HOSTS = "/etc/hosts"

_NETWORK = re.compile(r"[a-z][a-z0-9-]{0,14}")
"""A bridge's name: IFNAMSIZ leaves 15 bytes."""
_PORT = "to-"
_LOOPBACK = ("127.0.0.1\tlocalhost", "::1\tlocalhost")


@dataclass(frozen=True, slots=True)
class Cable:
    """How one container is plugged in."""

    network: str
    address: str
    """With its prefix length, e.g. "10.77.1.2/24"."""
    port: str
    """The bridge's end of the cable."""
    switch: str
    """What the switch's net namespace would be called by hand."""
    hosts: str
    """The host's file that is the network's /etc/hosts; it changes as containers come and go."""
    names: str
    """Its text now."""
    new_switch: bool
    new_bridge: bool
    interface: str = INTERFACE

    @property
    def peer(self) -> str:
        """Where the other end is, in words."""
        return f"{self.port} at {self.network}"


def with_names(spec: ContainerSpec, cable: Cable) -> ContainerSpec:
    """The spec with an /etc/hosts, unless it brings its own: the network's file, which goes on changing; without
    mounts of its own a copy, which does not."""
    if HOSTS in spec.files or any(bind.target == HOSTS for bind in spec.binds):
        return spec
    if spec.own(Namespace.MNT):
        bind = Bind(cable.hosts, HOSTS, read_only=True)
        return msgspec.structs.replace(spec, binds=(*spec.binds, bind))
    if spec.root is RootMethod.HOST:
        return spec
    return msgspec.structs.replace(spec, files={**spec.files, HOSTS: cable.names})


def before(cable: Cable) -> list[Operation]:
    """On the host, before the process is born."""
    made: list[Operation] = [MakeSwitch(cable.switch)] if cable.new_switch else []
    return [*made, MakeBridge(cable.network, cable.switch)] if cable.new_bridge else made


def after(cable: Cable) -> PlugIn:
    """On the host, while the newborn waits."""
    return PlugIn(cable.port, cable.network, cable.interface, cable.switch)


def inside(cable: Cable) -> list[Operation]:
    """By the newborn."""
    return [SetAddress(cable.interface, cable.address), InterfaceUp(cable.interface)]


def refuse_nonsense(spec: ContainerSpec) -> None:
    """LessonError for a network or an address that can't be."""
    if spec.network in (NO_NETWORK, HOST_NETWORK):
        if spec.address is not None:
            raise LessonError("an address without a network", 'Name the network, e.g. network = "lan".')
        return
    if not _NETWORK.fullmatch(spec.network) or spec.network == "lo" or spec.network.startswith(_PORT):
        raise LessonError(
            f"{spec.network!r} can't be a network's name",
            f"Take up to 15 letters, digits and dashes, beginning with a letter, or {NO_NETWORK}, or host.",
        )
    if Namespace.NET not in spec.namespaces:
        raise LessonError(
            "a cable into the host's net namespace would change the host's interfaces",
            "Give it its own net namespace.",
        )
    if spec.address is not None:
        _address(spec.address)


class Wiring:
    """The networks of one run."""

    def __init__(self, directory: str, switch: str) -> None:
        """``directory``: where the networks' hosts files are kept; ``switch``: the namespace's name by hand."""
        self._directory = directory
        self._name = switch
        self._networks: dict[str, _Network] = {}
        self._switch: Switch | None = None
        self._bridges: set[str] = set()
        self._births = 0

    def plug_in(self, container: str, spec: ContainerSpec) -> Cable | None:
        """Give it an address and a port; None when it joins no network. LessonError when it can't have the address."""
        if not spec.joins:
            return None
        refuse_nonsense(spec)
        network = self._networks.get(spec.network) or _Network(self._free_number())
        self._births += 1
        names = (container, *((spec.hostname,) if spec.hostname and spec.hostname != container else ()))
        member = _Member(names, network.give(spec.address), self._port(container))
        self._networks[spec.network] = network
        network.members[container] = member
        return Cable(
            spec.network, member.address, member.port, self._name, self._hosts(spec.network), network.text(),
            self._switch is None, spec.network not in self._bridges,
        )  # fmt: skip

    def make_switch(self) -> None:
        """Once a run, when the first network is asked for: pyroute2 takes longer to load than all the rest of us."""
        from contlab.runtime.network import Switch

        self._switch = Switch()

    def add_bridge(self, name: str) -> None:
        """A network's bridge, on the switch."""
        self._made.add_bridge(name)
        self._bridges.add(name)

    def add_cable(self, port: str, bridge: str, interface: str, pid: int) -> None:
        """From a port at the bridge to an interface of a process's net namespace."""
        self._made.add_cable(port, bridge, interface, pid)

    @property
    def _made(self) -> Switch:
        assert self._switch is not None, "the plan makes the switch first"
        return self._switch

    def announce(self, network: str) -> None:
        """Let the members know each other by name: write the file that is /etc/hosts to all of them."""
        # In place, for the containers hold this very inode, and never shorter than it must be for a moment.
        fd = os.open(self._hosts(network), os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            text = self._networks[network].text().encode()
            os.write(fd, text)
            os.ftruncate(fd, len(text))
        finally:
            os.close(fd)

    def unplug(self, container: str) -> None:
        """Take its cable away; it is in no network any more."""
        for name, network in self._networks.items():
            if (member := network.members.pop(container, None)) is not None:
                try:
                    if self._switch is not None:
                        self._switch.remove_port(member.port)
                    self.announce(name)
                except OSError as refusal:
                    raise RuntimeFailure(f"the cable of {container} can't be taken away: {refusal}") from None

    def cut(self, container: str, up: bool) -> None:
        """Pull its cable out of the switch, or plug it in again; RuntimeFailure when it has none."""
        for network in self._networks.values():
            if (member := network.members.get(container)) is not None:
                try:
                    self._made.set_port(member.port, up)
                except OSError as refusal:
                    raise RuntimeFailure(f"{container} has no cable any more: {refusal}", "Start it again.") from None
                return
        raise RuntimeFailure(f"{container} is in no network", 'Give it one, e.g. network = "lan".')

    def close(self) -> None:
        """Let go of the switch, and all that is in it."""
        if self._switch is not None:
            self._switch.close()

    def _free_number(self) -> int:
        if len(self._networks) == MOST_NETWORKS:
            raise LessonError(f"more than {MOST_NETWORKS} networks", "Let containers share some.")
        return len(self._networks) + 1

    def _hosts(self, network: str) -> str:
        return f"{self._directory}/hosts-{network}"

    def _port(self, container: str) -> str:
        name = f"{_PORT}{container}"
        taken = {member.port for network in self._networks.values() for member in network.members.values()}
        return name if len(name) <= 15 and name not in taken else f"{name[:9]}~{self._births}"


@dataclass(slots=True)
class _Member:
    names: tuple[str, ...]
    address: str
    port: str


@dataclass(slots=True)
class _Network:
    number: int
    """Its addresses are 10.77.NUMBER.2 to .254, where nothing else is given."""
    members: dict[str, _Member] = field(default_factory=dict)

    def give(self, asked: str | None) -> str:
        taken = {member.address.partition("/")[0]: member.names[0] for member in self.members.values()}
        if asked is not None:
            address, length = _address(asked)
            if address in taken:
                raise LessonError(f"{address} is {taken[address]}'s address", "Give another one, or leave it out.")
            return f"{address}/{length}"
        for last in range(2, 255):
            if (address := f"10.77.{self.number}.{last}") not in taken:
                return f"{address}/{PREFIX_LENGTH}"
        raise LessonError("the network is full: 253 containers are in it", "Use a second network.")

    def text(self) -> str:
        return "".join(f"{line}\n" for line in (*_LOOPBACK, *self._lines()))

    def _lines(self) -> Iterable[str]:
        return (f"{member.address.partition('/')[0]}\t{' '.join(member.names)}" for member in self.members.values())


def _address(text: str) -> tuple[str, int]:
    """``10.0.0.1/24`` or ``10.0.0.1`` as address and prefix length."""
    address, slash, length = text.partition("/")
    try:
        first = socket.inet_pton(socket.AF_INET, address)[0]
        number = int(length) if slash else PREFIX_LENGTH
        if first in (0, 127) or first >= 224 or not 8 <= number <= 30:
            raise ValueError
    except (OSError, ValueError):
        raise LessonError(f"{text!r} is no address for a container", "Write one like 10.77.1.9/24.") from None
    return address, number
