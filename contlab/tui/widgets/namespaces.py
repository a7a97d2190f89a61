"""Which of the eight namespaces a container has to itself, what they translate, and which protections are off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec
from textual.content import Content
from textual.reactive import var

from contlab.observe.snapshot import IdMapLine, NamespaceLink, NamespaceSet, Unavailable
from contlab.tui.text import hang, safe
from contlab.tui.widgets.panel import Panel, Row, unavailable

_ROOMY, _PLAIN = 48, 40


class Namespaces(Panel):
    """● own or ○ the host's, with the inode that proves it."""

    TITLE = "Namespaces"
    HELP: ClassVar[str] = (
        "● is a namespace of its own, ○ is the host's. The number is the namespace's inode: two processes with the "
        "same number share it. A guest has a first one of each kind, from its own kernel. uid_map says which user "
        "outside a user inside really is. Protections that are off are named: capabilities, no_new_privs, the seccomp "
        "filter, masked files of /proc, resource limits.\n\n"
        "From /proc/PID/ns and /proc/PID/uid_map. By hand: `lsns -p PID`, `readlink /proc/PID/ns/pid`."
    )

    namespaces: var[NamespaceSet | Unavailable] = var(NamespaceSet())
    unprotected: var[tuple[str, ...]] = var(())
    """As ``runtime.events.Started.unprotected``."""

    def watch_namespaces(self) -> None:
        """Another sample."""
        self.redraw()

    def watch_unprotected(self) -> None:
        """Another container."""
        self.redraw()

    def rows(self, width: int) -> Sequence[Row]:
        """The kinds in two columns, then hostname, root and id map."""
        spaces = self.namespaces
        self.border_subtitle = None
        if isinstance(spaces, Unavailable):
            return unavailable(spaces.reason, width)
        if not spaces.links:
            return [Content.styled("none is known: no process to ask", "$foreground-muted italic")]
        marks = self.marks("namespaces")
        self.border_subtitle = Content("in the guest: all its own kernel's" if self.in_guest else "● own  ○ the host's")
        half = (len(spaces.links) + 1) // 2
        links = [msgspec.structs.replace(link, own=True) for link in spaces.links] if self.in_guest else spaces.links
        cells = [_kind(link, marks.get(link.kind, " "), width) for link in links]
        rows: list[Row] = [
            Content("  ").join([cells[place], *cells[place + half : place + half + 1]]) for place in range(half)
        ]
        hostname = spaces.hostname
        rows.append(_named("hostname", "not known" if hostname is None else hostname, marks.get("hostname", " ")))
        rows.append(_named("root", spaces.root, marks.get("root", " ")))
        whose = "the guest's" if self.in_guest else "the host's"
        rows.append(_named("uid_map", id_map(spaces.uid_map, whose), marks.get("uid_map", " ")))
        if self.unprotected:
            name = Content.styled("  protections off: ", "$foreground-muted")
            rows += hang(name, safe("; ".join(self.unprotected), "$warning"), width)
        return rows


def id_map(lines: tuple[IdMapLine, ...], whose: str = "the host's") -> str:
    """uid_map in words."""
    if not lines:
        return "empty: no user is mapped"
    if lines == (IdMapLine(0, 0, 4_294_967_295),):
        return f"users are {whose} own"
    return ", ".join(f"{line.inside} is {line.outside} outside (+{line.length})" for line in lines)


def _kind(link: NamespaceLink, mark: str, width: int) -> Content:
    style = "$success" if link.own else "$foreground-muted"
    inode = f" {link.inode:>10}" if width >= _PLAIN else ""
    word = f" {'own' if link.own else 'host':<4}" if width >= _ROOMY or width < _PLAIN else ""
    return Content.assemble(
        ("●" if link.own else "○", style),
        (mark, "$accent bold"),
        (f"{link.kind:<6}", "bold" if link.own else ""),
        (inode, "$foreground-muted"),
        (word, style),
    )


def _named(name: str, value: str, mark: str) -> Content:
    return Content.assemble(" ", (mark, "$accent bold"), (f"{name:<9}", "$foreground-muted"), safe(value))
