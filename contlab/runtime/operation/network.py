"""Operations that join net namespaces: a switch (bridge) in one of the run's own, and a cable (veth pair) to each."""

from __future__ import annotations

from dataclasses import dataclass

from contlab.runtime.kernel import Kernel
from contlab.runtime.operation.base import Operation, quote


@dataclass(frozen=True, slots=True)
class MakeSwitch(Operation):
    """A net namespace for the run's bridges, so that the host's interfaces stay as they are."""

    inside = False
    name: str
    """What it would be called by hand; here a descriptor holds it, and it is gone with its holder."""

    def describe(self) -> str:
        return "make a net namespace for the run's bridges, apart from the host's interfaces"

    def shell(self) -> str:
        return f"ip netns add {quote(self.name)}"

    def run(self, kernel: Kernel) -> None:
        kernel.add_switch()


@dataclass(frozen=True, slots=True)
class MakeBridge(Operation):
    """A bridge: what comes in at one port goes out to where its receiver is plugged in."""

    inside = False
    name: str
    switch: str

    def describe(self) -> str:
        return f"make the bridge {self.name}: the network"

    def shell(self) -> str:
        ip = f"ip -n {quote(self.switch)} link"
        return f"{ip} add {self.name} type bridge && {ip} set {self.name} up"

    def run(self, kernel: Kernel) -> None:
        kernel.add_bridge(self.name)


@dataclass(frozen=True, slots=True)
class PlugIn(Operation):
    """A veth pair: what goes in at one end comes out at the other, across net namespaces."""

    inside = False
    port: str
    bridge: str
    interface: str
    switch: str

    def describe(self) -> str:
        return f"lay a cable (veth pair) from {self.interface} inside to the bridge {self.bridge}, port {self.port}"

    def shell(self) -> str:
        ip = f"ip -n {quote(self.switch)} link"
        pair = f"{ip} add {self.port} type veth peer name {self.interface} netns $PID"
        return f"{pair} && {ip} set {self.port} master {self.bridge} up"

    def run(self, kernel: Kernel) -> None:
        kernel.add_cable(self.port, self.bridge, self.interface)


@dataclass(frozen=True, slots=True)
class SetAddress(Operation):
    """An interface's IPv4 address, and with it the route to its network."""

    interface: str
    address: str
    """With its prefix length."""

    def describe(self) -> str:
        return f"give {self.interface} the address {self.address}"

    def shell(self) -> str:
        return f"ip addr add {self.address} dev {self.interface}"

    def run(self, kernel: Kernel) -> None:
        address, _, length = self.address.partition("/")
        kernel.set_address(self.interface, address, int(length))


@dataclass(frozen=True, slots=True)
class InterfaceUp(Operation):
    """A new interface is down."""

    name: str

    def describe(self) -> str:
        return f"bring {self.name} up"

    def shell(self) -> str:
        return f"ip link set {self.name} up"

    def run(self, kernel: Kernel) -> None:
        kernel.interface_up(self.name)
