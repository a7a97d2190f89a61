"""The network interfaces a container sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.content import Content
from textual.reactive import var

from contlab.observe.snapshot import Link, NetworkView, Unavailable
from contlab.tui.text import cell, safe
from contlab.tui.units import size
from contlab.tui.widgets.panel import Panel, Row, Told, unavailable


class Network(Panel):
    """Interface, up or down, addresses, bytes in and out."""

    TITLE = "Network"
    HELP: ClassVar[str] = (
        "The interfaces of its net namespace. One that it has to itself begins with `lo` alone, and down. An `eth0` is "
        "one end of a cable (a veth pair); ⇄ says where the other one is plugged in. By hand: `nsenter -t PID -n ip "
        "addr`."
    )

    network: var[NetworkView | Unavailable] = var(NetworkView())

    def watch_network(self) -> None:
        """Another sample."""
        self.redraw()

    def rows(self, width: int) -> Sequence[Row]:
        """One row an interface."""
        self.border_subtitle = Content("in the guest") if self.in_guest else None
        if isinstance(self.network, Unavailable):
            return unavailable(self.network.reason, width)
        if not self.network.links:
            return [Content.styled("no interface at all", "$foreground-muted italic")]
        marks = self.marks("network")
        return [
            Told(_row(link, marks.get(link.name, " "), width), link, _keys(link), link.name)
            for link in self.network.links
        ]


def _keys(link: Link) -> tuple[str, ...]:
    more = (("link.cut", link.cut), ("link.peer", bool(link.peer)))
    return ("link.name", "link.up", "link.addresses", "link.in", "link.out", *(key for key, there in more if there))


def _style(link: Link) -> str:
    if link.cut:
        return "$error"
    return "$success" if link.up else "$foreground-muted"


def _row(link: Link, mark: str, width: int) -> Content:
    traffic = f"  in {size(link.rx_bytes)}  out {size(link.tx_bytes)}" if width >= 60 else ""
    return Content.assemble(
        (mark, "$accent bold"),
        cell(link.name, 11, "bold"),
        ("✂ cut " if link.cut else "▲ up  " if link.up else "▼ down", _style(link)),
        "  ",
        safe(", ".join(link.addresses) or "no address", "" if link.addresses else "$foreground-muted"),
        safe(f"  ⇄ {link.peer}" if link.peer else "", "$foreground-muted"),
        (traffic, "$foreground-muted"),
    )
