"""The fields of a network interface, all read from outside: /proc/PID/net is the net namespace of that process."""

from __future__ import annotations

import shlex

from contlab.lab.glossary.entry import Entry, Field, Shown
from contlab.linux.sizes import format_size
from contlab.observe.snapshot import Link

_SHOW = "nsenter -t {pid} -n ip addr show dev {name}"
_DEV = "grep {pattern} /proc/{pid}/net/dev"

ENTRIES = {
    "link.name": Entry(
        "interface",
        "Its name within this net namespace; another may have one of the same name. lo is the machine speaking to "
        "itself.",
        lambda link: link.name,
        "/proc/{pid}/net/dev",
        "before the colon",
        _DEV,
    ),
    "link.up": Entry(
        "up or down",
        "Whether it is switched on. No file of /proc says so plainly: the kernel lets each interface that is up join "
        "the multicast group 224.0.0.1 (010000E0 in the file), and one that has an address in use is up, too.",
        lambda link: "up" if link.up else "down",
        "/proc/{pid}/net/igmp",
        "a line 010000E0 below its name",
        "cat /proc/{pid}/net/igmp",
    ),
    "link.cut": Entry(
        "✂ cut",
        "Its cable is pulled out at the other end, which was set down: it is up but has no carrier. contlab pulled it, "
        "and remembers; ip says NO-CARRIER.",
        lambda link: "yes",
        "no file: contlab’s supervisor says it",
        "",
        "nsenter -t {pid} -n ip link show dev {name}",
    ),
    "link.addresses": Entry(
        "addresses",
        "Its IP addresses, and how many bits of each name the network. fib_trie has IPv4's (/32 host LOCAL) but no "
        "interface: route tells which network belongs to which. if_inet6 has IPv6's.",
        lambda link: ", ".join(link.addresses) or "none",
        "/proc/{pid}/net/fib_trie, route and if_inet6",
        "",
        _SHOW,
        guest="ip addr show dev {name}",
    ),
    "link.in": Entry(
        "in",
        "Bytes that it has received since it was made.",
        lambda link: f"{format_size(link.rx_bytes)} ({link.rx_bytes} bytes)",
        "/proc/{pid}/net/dev",
        "first number behind the name",
        _DEV,
    ),
    "link.out": Entry(
        "out",
        "Bytes that it has sent since it was made.",
        lambda link: f"{format_size(link.tx_bytes)} ({link.tx_bytes} bytes)",
        "/proc/{pid}/net/dev",
        "ninth number behind the name",
        _DEV,
    ),
    "link.peer": Entry(
        "⇄ other end",
        "It is one end of a cable, a veth pair; the other lies in another net namespace. contlab plugged it in, and "
        "remembers where. ip shows the other's number there, behind @if.",
        lambda link: link.peer,
        "no file: contlab made the cable",
        "",
        "nsenter -t {pid} -n ip link show dev {name}",
    ),
}


def of(key: str, link: Link, shown: Shown) -> Field:
    """One field of ``link``."""
    places = {"pid": shown.pid, "name": shlex.quote(link.name), "pattern": shlex.quote(f"{link.name}:")}
    return ENTRIES[key].of(link, places, shown.guest)
