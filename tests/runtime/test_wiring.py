"""Who gets which address, port and name; that packets pass is tested in tests/live."""

from __future__ import annotations

from pathlib import Path

import pytest

from contlab.errors import LessonError, RuntimeFailure
from contlab.linux.errno import SyscallError
from contlab.runtime import wiring as module
from contlab.runtime.contradiction import refuse_contradictions
from contlab.runtime.spec import Bind, ContainerSpec, Namespace
from contlab.runtime.wiring import Cable, Wiring

LAN = ContainerSpec(network="lan")


class FakeSwitch:
    """Writes down; refuses what is in ``gone``."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.gone: set[str] = set()

    def add_bridge(self, name: str) -> None:
        self.calls.append(f"bridge {name}")

    def set_port(self, port: str, up: bool) -> None:
        if port in self.gone:
            raise SyscallError("ip link set", 19, port)
        self.calls.append(f"{port} {'up' if up else 'down'}")

    def remove_port(self, port: str) -> None:
        self.calls.append(f"remove {port}")


@pytest.fixture
def wiring(tmp_path: Path) -> Wiring:
    return Wiring(str(tmp_path), "contlab-run")


@pytest.fixture
def switch(wiring: Wiring, monkeypatch: pytest.MonkeyPatch) -> FakeSwitch:
    """The switch of ``wiring``, already made."""
    fake = FakeSwitch()
    monkeypatch.setattr("contlab.runtime.network.Switch", lambda: fake)
    wiring.make_switch()
    return fake


def plugged(wiring: Wiring, name: str, **spec: str) -> Cable:
    cable = wiring.plug_in(name, ContainerSpec(**{"network": "lan", **spec}))
    assert cable
    return cable


def test_each_network_has_addresses_of_its_own_and_the_next_free_one_is_given(wiring: Wiring) -> None:
    assert "10.77.1.2/24" == plugged(wiring, "a").address
    assert "10.77.1.3/24" == plugged(wiring, "b").address
    assert "10.77.2.2/24" == plugged(wiring, "c", network="other").address
    wiring.unplug("a")
    assert "10.77.1.2/24" == plugged(wiring, "d").address


@pytest.mark.parametrize(("asked", "given"), [("192.168.7.9", "192.168.7.9/24"), ("10.0.0.1/30", "10.0.0.1/30")])
def test_an_address_that_is_asked_for_is_given(wiring: Wiring, asked: str, given: str) -> None:
    assert given == plugged(wiring, "a", address=asked).address


def test_an_address_is_given_once_in_a_network(wiring: Wiring) -> None:
    plugged(wiring, "a", address="10.77.1.3")

    with pytest.raises(LessonError, match=r"10\.77\.1\.3 is a's address"):
        plugged(wiring, "b", address="10.77.1.3/16")
    assert "10.77.1.3/24" == plugged(wiring, "c", network="other", address="10.77.1.3").address
    assert "10.77.1.2/24" == plugged(wiring, "d").address
    assert "10.77.1.4/24" == plugged(wiring, "e").address


def test_a_network_holds_253_containers(wiring: Wiring) -> None:
    for number in range(253):
        plugged(wiring, f"c{number}")

    with pytest.raises(LessonError, match="the network is full"):
        plugged(wiring, "last")


def test_who_asks_for_no_network_gets_no_cable(wiring: Wiring) -> None:
    assert wiring.plug_in("a", ContainerSpec()) is None
    assert wiring.plug_in("a", ContainerSpec(network="host")) is None


def test_the_switch_and_a_bridge_are_made_by_the_first_who_needs_them(wiring: Wiring, switch: FakeSwitch) -> None:
    fresh = plugged(Wiring("", "contlab-run"), "a")
    assert (True, True) == (fresh.new_switch, fresh.new_bridge)

    first = plugged(wiring, "a")
    wiring.add_bridge(first.network)
    second = plugged(wiring, "b")

    assert [(False, True), (False, False)] == [(c.new_switch, c.new_bridge) for c in (first, second)]


def test_a_bridge_whose_making_failed_is_made_by_the_next(wiring: Wiring, switch: FakeSwitch) -> None:
    plugged(wiring, "a")
    wiring.unplug("a")

    assert plugged(wiring, "b").new_bridge


def test_a_port_is_named_after_its_container_and_fits_an_interface_s_15_bytes(wiring: Wiring) -> None:
    ports = [plugged(wiring, name).port for name in ("a", "exactly-12-c", "a-name-too-long", "a-name-too-long-2")]

    assert ["to-a", "to-exactly-12-c", "to-a-name~3", "to-a-name~4"] == ports


def test_the_members_know_each_other_by_name_and_hostname_as_they_come_and_go(wiring: Wiring, tmp_path: Path) -> None:
    first = plugged(wiring, "a")
    wiring.announce("lan")
    file = tmp_path / "hosts-lan"
    inode = file.stat().st_ino
    plugged(wiring, "b", hostname="bee")
    wiring.announce("lan")

    local = "127.0.0.1\tlocalhost\n::1\tlocalhost\n"
    assert str(file) == first.hosts
    assert f"{local}10.77.1.2\ta\n10.77.1.3\tb bee\n" == file.read_text()
    wiring.unplug("a")
    assert f"{local}10.77.1.3\tb bee\n" == file.read_text()
    assert inode == file.stat().st_ino  # the one that is bound in the containers


def test_a_cable_is_pulled_and_plugged_in_at_the_switch(wiring: Wiring, switch: FakeSwitch) -> None:
    plugged(wiring, "a")
    wiring.cut("a", up=False)
    wiring.cut("a", up=True)
    wiring.unplug("a")

    assert ["to-a down", "to-a up", "remove to-a"] == switch.calls


def test_who_has_no_cable_or_lost_it_is_told_so(wiring: Wiring, switch: FakeSwitch) -> None:
    with pytest.raises(RuntimeFailure, match="a is in no network"):
        wiring.cut("a", up=False)
    plugged(wiring, "b")
    switch.gone.add("to-b")
    with pytest.raises(RuntimeFailure, match="b has no cable any more"):
        wiring.cut("b", up=False)


@pytest.mark.parametrize("name", ["", "lo", "LAN", "1st", "a" * 16, "a/b", "to-a", "über", "a b"])
def test_a_network_is_called_as_an_interface_may_be(name: str) -> None:
    with pytest.raises(LessonError, match="can't be a network's name"):
        refuse_contradictions(ContainerSpec(network=name))


@pytest.mark.parametrize(
    "address",
    [
        "",
        "10.0.0",
        "10.0.0.256",
        "10.0.0.1/31",
        "10.0.0.1/7",
        "127.0.0.1",
        "0.0.0.1",
        "224.0.0.1",
        "::1",
        "x/24",
        "10.0.0.1/",
    ],
)
def test_an_address_that_no_container_can_have_is_refused(address: str) -> None:
    with pytest.raises(LessonError, match="is no address for a container"):
        refuse_contradictions(ContainerSpec(network="lan", address=address))


def test_an_address_takes_a_network_and_a_network_takes_a_namespace() -> None:
    with pytest.raises(LessonError, match="an address without a network"):
        refuse_contradictions(ContainerSpec(address="10.0.0.1"))
    with pytest.raises(LessonError, match="would change the host's interfaces"):
        refuse_contradictions(ContainerSpec(namespaces=frozenset({Namespace.MNT}), network="lan"))


def test_a_spec_that_brings_its_own_names_keeps_them(wiring: Wiring) -> None:
    cable = plugged(wiring, "a")
    for own in (ContainerSpec(files={"/etc/hosts": ""}), ContainerSpec(binds=(Bind("/h", "/etc/hosts"),))):
        assert own == module.with_names(own, cable)


def test_on_the_host_s_network_it_has_no_net_namespace_of_its_own_whatever_the_others_are() -> None:
    assert not ContainerSpec(network="host").own(Namespace.NET)
    assert ContainerSpec(network="host").own(Namespace.PID)
    assert LAN.own(Namespace.NET)
