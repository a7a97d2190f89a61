"""/proc/PID/net on bytes recorded from real kernels."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from contlab.linux.net import (
    Inet6,
    NetDev,
    Route,
    interface_of,
    parse_dev,
    parse_fib_trie,
    parse_if_inet6,
    parse_igmp,
    parse_route,
)
from contlab.linux.parse import ParseError

NET = Path(__file__).resolve().parents[1] / "data" / "6.18-hybrid" / "contained" / "net"
FRESH = Path(__file__).resolve().parents[1] / "data" / "6.1-v2" / "contained" / "net"


def test_every_interface_is_listed_with_its_counters():
    names = [link.name for link in parse_dev((NET / "dev").read_bytes())]

    assert names == ["lo", "peer0", "eth0", "down1", "down0"]


def test_received_and_sent_are_not_mixed_up_and_a_number_may_touch_the_colon():
    heading = (FRESH / "dev").read_bytes().splitlines(keepends=True)[:2]
    line = b"  eth0:91284972    2179 1 2 3 4 5 6  135767    1207 7 8 9 10 11 12\n"

    assert parse_dev(b"".join([*heading, line])) == (NetDev("eth0", 91284972, 2179, 135767, 1207),)


def test_own_addresses_are_told_from_networks_and_broadcasts():
    found = [str(address) for address in parse_fib_trie((NET / "fib_trie").read_bytes())]

    assert found == ["10.1.2.3", "127.0.0.1", "192.0.2.77"]


def test_a_namespace_whose_loopback_is_down_has_no_address():
    assert parse_fib_trie((FRESH / "fib_trie").read_bytes()) == ()
    assert parse_if_inet6((FRESH / "if_inet6").read_bytes()) == ()


def test_only_interfaces_that_were_brought_up_are_up():
    assert parse_igmp((NET / "igmp").read_bytes()) == {"lo", "eth0"}


def test_ipv6_addresses_are_written_short():
    raw = b"fe8000000000000000fc00fffe000001 04 40 20 80     eth0\n" + (NET / "if_inet6").read_bytes()

    assert parse_if_inet6(raw) == (Inet6("fe80::fc:ff:fe00:1", 64, "eth0"), Inet6("::1", 128, "lo"))


def test_routes_are_in_reading_order_of_bytes():
    assert parse_route((NET / "route").read_bytes()) == (
        Route("eth0", IPv4Network("10.1.2.0/24")),
        Route("eth0", IPv4Network("192.0.2.76/30")),
    )


@pytest.mark.parametrize(
    ("address", "up", "expected"),
    [
        ("127.0.0.1", {"lo"}, ("lo", 8)),
        ("10.1.2.3", {"lo", "eth0", "eth1"}, ("eth1", 24)),
        ("10.9.9.9", {"lo", "eth0", "eth1"}, ("eth0", 8)),
        ("172.16.0.1", {"lo", "eth0"}, ("eth0", 32)),
        ("172.16.0.1", {"lo", "eth0", "eth1"}, ("", 32)),
    ],
)
def test_an_address_belongs_to_the_interface_whose_network_is_nearest(address, up, expected):
    routes = (
        Route("eth0", IPv4Network("0.0.0.0/0")),
        Route("eth0", IPv4Network("10.0.0.0/8")),
        Route("eth1", IPv4Network("10.1.2.0/24")),
    )

    assert interface_of(IPv4Address(address), routes, frozenset(up)) == expected


@pytest.mark.parametrize(
    ("parse", "raw"),
    [
        (parse_dev, b"h\nh\nlo: 1 2\n"),
        (parse_if_inet6, b"zz 01 80 10 80 lo\n"),
        (parse_route, b"h\neth0 0 0\n"),
        (parse_fib_trie, b"     |-- 1.2.3.400\n        /32 host LOCAL\n"),
    ],
    ids=["dev", "if_inet6", "route", "fib_trie"],
)
def test_a_damaged_file_is_refused_by_its_name(parse, raw):
    with pytest.raises(ParseError, match=r"^net/"):
        parse(raw)
