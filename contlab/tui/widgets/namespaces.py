"""Which of the eight namespaces a container has to itself, what they translate, and which protections are off."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec
from textual.content import Content
from textual.reactive import var

from contlab.lab.glossary import protection
from contlab.observe.snapshot import IdMapLine, NamespaceLink, NamespaceSet, Unavailable
from contlab.tui.text import hang, safe
from contlab.tui.widgets.panel import Panel, Row, Told, unavailable
from contlab.tui.widgets.told import told

_ROOMY, _PLAIN = 48, 40


class Namespaces(Panel):
    """● own or ○ the host's, with the inode that proves it."""

    TITLE = "Namespaces"
    HELP: ClassVar[str] = (
        "● is a namespace of its own, ○ is the host's; the number proves it. A guest has a first one of each kind, "
        "from its own kernel. Protections that are off are named below. By hand: `lsns -p PID`."
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
        if self.in_guest:
            links = tuple(msgspec.structs.replace(link, own=True) for link in spaces.links)
            spaces = msgspec.structs.replace(spaces, links=links)
        rows: list[Row] = []
        for pair in ([*spaces.links[place : place + 1], *spaces.links[place + half :][:1]] for place in range(half)):
            cells = [_kind(link, marks.get(link.kind, " "), width) for link in pair]
            rows.append(Told(Content("  ").join(cells), spaces, tuple(f"namespace.{link.kind}" for link in pair)))
        whose = "the guest's" if self.in_guest else "the host's"
        for name, value in (
            ("hostname", "not known" if spaces.hostname is None else spaces.hostname),
            ("root", spaces.root),
            ("uid_map", id_map(spaces.uid_map, whose)),
        ):
            rows.append(Told(_named(name, value, marks.get(name, " ")), spaces, (f"namespace.{name}",)))
        return [*rows, *_unprotected(self.unprotected, width)]


def _unprotected(words: tuple[str, ...], width: int) -> list[Row]:
    if not words:
        return []
    name = Content.styled("  protections off: ", "$foreground-muted")
    keys = tuple(dict.fromkeys(protection(word) for word in words))
    return told(hang(name, safe("; ".join(words), "$warning"), width), words, keys)


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
