"""/proc/PID/net: the interfaces and addresses of a network namespace, readable without entering it, proc_pid_net(5)."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address

from contlab.linux.parse import ParseError, number, rows, text

_LOCAL = re.compile(rb"\|-- (\S+)\n(?: +/\S+ .*\n)*? +/32 host LOCAL")
_ALL_HOSTS = b"010000E0" if sys.byteorder == "little" else b"E0000001"
_LOOPBACK = IPv4Network("127.0.0.0/8")


@dataclass(frozen=True, slots=True)
class NetDev:
    """One interface of net/dev. Counts since it was made."""

    name: str
    rx_bytes: int
    rx_packets: int
    tx_bytes: int
    tx_packets: int


@dataclass(frozen=True, slots=True)
class Inet6:
    """One line of net/if_inet6."""

    address: str
    prefix_len: int
    name: str


@dataclass(frozen=True, slots=True)
class Route:
    """One line of net/route: the interface that a network is reached by."""

    Iface: str
    network: IPv4Network


def parse_dev(raw: bytes) -> tuple[NetDev, ...]:
    """net/dev, in the kernel's order; 16 counters an interface, 8 received and 8 sent."""
    found = []
    for line in list(rows(raw))[2:]:
        name, _, counters = line.partition(b":")
        values = counters.split()
        if len(values) < 10:
            raise ParseError("net/dev", f"expected NAME: and 16 counters, found {text(line)!r}")
        rx_bytes, rx_packets, tx_bytes, tx_packets = (number("net/dev", values[i]) for i in (0, 1, 8, 9))
        found.append(NetDev(text(name.strip()), rx_bytes, rx_packets, tx_bytes, tx_packets))
    return tuple(found)


def parse_fib_trie(raw: bytes) -> tuple[IPv4Address, ...]:
    """net/fib_trie: this namespace's own IPv4 addresses: each /32 of type LOCAL. A down interface has none."""
    found = dict.fromkeys(match[1] for match in _LOCAL.finditer(raw))  # the main and the local trie may be one
    try:
        return tuple(IPv4Address(text(address)) for address in found)
    except ValueError as error:
        raise ParseError("net/fib_trie", str(error)) from None


def parse_if_inet6(raw: bytes) -> tuple[Inet6, ...]:
    """net/if_inet6: address, index, prefix length, scope, flags, name. Missing when IPv6 is off."""
    found = []
    for line in rows(raw):
        try:
            address, _, prefix_len, _, _, name = line.split()
            packed = bytes.fromhex(text(address))
            found.append(Inet6(str(IPv6Address(packed)), number("net/if_inet6", prefix_len, 16), text(name)))
        except ValueError as error:
            raise ParseError("net/if_inet6", f"line {text(line)!r}: {error}") from None
    return tuple(found)


def parse_route(raw: bytes) -> tuple[Route, ...]:
    """net/route: the main table's IPv4 routes. Numbers are the kernel's big-endian ones printed as native integers."""
    found = []
    for line in list(rows(raw))[1:]:
        fields = line.split()
        if len(fields) < 8:
            raise ParseError("net/route", f"expected 8 fields or more, found {text(line)!r}")
        destination, mask = (_native(value) for value in (fields[1], fields[7]))
        found.append(Route(text(fields[0]), IPv4Network((destination, mask.bit_count()))))
    return tuple(found)


def parse_igmp(raw: bytes) -> frozenset[str]:
    """net/igmp: the interfaces that are up. The kernel lets each join 224.0.0.1 as it comes up, and leave as it goes
    down; net/dev lists both kinds and the flags in /sys belong to the reader's own namespace."""
    up: set[str] = set()
    name = ""
    for line in list(rows(raw))[1:]:
        words = line.split()
        if line[:1].isdigit() and len(words) > 1:
            name = text(words[1].removesuffix(b":"))
        elif words[0] == _ALL_HOSTS:
            up.add(name)
    return frozenset(up)


def interface_of(address: IPv4Address, routes: tuple[Route, ...], up: frozenset[str]) -> tuple[str, int]:
    """The interface that has ``address`` and its prefix length; "" when the files of /proc/PID/net don't tell.

    fib_trie names no interface, so it's the one whose connected network holds the address, ``lo`` for 127.0.0.0/8,
    or the only one that is up.
    """
    if address in _LOOPBACK:
        return "lo", _LOOPBACK.prefixlen
    near = [route for route in routes if route.network.prefixlen and address in route.network]
    if near:
        best = max(near, key=lambda route: route.network.prefixlen)
        return best.Iface, best.network.prefixlen
    others = up - {"lo"}
    return (next(iter(others)) if len(others) == 1 else ""), 32


def _native(value: bytes) -> int:
    return int.from_bytes(number("net/route", value, 16).to_bytes(4, sys.byteorder), "big")
