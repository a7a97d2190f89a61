"""The mounts a container sees, as a tree, and which of them the host doesn't have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from typing import ClassVar

from textual.content import Content
from textual.reactive import var

from contlab.observe.snapshot import Mount, MountTree, Unavailable
from contlab.tui.text import cell
from contlab.tui.widgets.panel import Panel, Row, Told, unavailable


class Mounts(Panel):
    """Mount point (tree) | file system | propagation | options."""

    TITLE = "Mounts"
    HELP: ClassVar[str] = (
        "What is mounted where, as the container sees it. ● is in this mount namespace only, ○ the host has it too. "
        "A struck mount is covered by a later one on the same point. By hand: `findmnt -N PID`."
    )

    mounts: var[MountTree | Unavailable] = var(MountTree())

    def watch_mounts(self) -> None:
        """Another sample."""
        self.redraw()

    def rows(self, width: int) -> Sequence[Row]:
        """A heading, then one row a mount."""
        self.border_subtitle = None
        if isinstance(self.mounts, Unavailable):
            return unavailable(self.mounts.reason, width)
        if not self.mounts.mounts:
            return [Content.styled("no mount lies below its root directory", "$foreground-muted italic")]
        marks = self.marks("mounts")
        every = frozenset(mount.mount_id for mount in self.mounts.mounts)
        own = every if self.in_guest else self.mounts.not_on_host
        point = max(16, width - 2 - 10 - 10 - (20 if width >= 72 else 0))
        heading = f"  {'mount point':<{point}}{'type':<10}{'spread':<10}" + ("options" if width >= 72 else "")
        whose = f"● {len(own)} not on the host  ○ {len(every) - len(own)} shared"
        self.border_subtitle = Content(f"in the guest: {len(own)}, none of them the host's" if self.in_guest else whose)
        return [
            Content.styled(heading, "$foreground-muted"),
            *(
                Told(
                    partial(_row, mount, label, mount.mount_id in own, _mark(marks, mount), point, width >= 72),
                    mount,
                    _keys(mount),
                    mount.mount_id,
                )
                for mount, label in tree(self.mounts.mounts)
            ),
        ]


def tree(mounts: Sequence[Mount]) -> Iterator[tuple[Mount, str]]:
    """Each mount with its joined label, parents first, in the kernel's order."""
    known = {mount.mount_id: mount for mount in mounts}
    children: defaultdict[int, list[Mount]] = defaultdict(list)
    for mount in mounts:
        parent = mount.parent_id if mount.parent_id != mount.mount_id else -1
        children[parent if parent in known else -1].append(mount)
    pending = [(mount, "", "") for mount in reversed(children[-1])]
    while pending:
        mount, stem, below = pending.pop()
        yield mount, stem + _relative(mount, known.get(mount.parent_id))
        for place, child in enumerate(reversed(children[mount.mount_id])):
            last = place == 0
            pending.append((child, below + ("└ " if last else "├ "), below + ("  " if last else "│ ")))


def _relative(mount: Mount, parent: Mount | None) -> str:
    """The mount point, without what its parent's row already says."""
    if parent is None or parent.mount_id == mount.mount_id:
        return mount.mount_point
    base = parent.mount_point.rstrip("/") + "/"
    return mount.mount_point.removeprefix(base) or mount.mount_point


def _mark(marks: dict[str, str], mount: Mount) -> str:
    return marks.get(str(mount.mount_id)) or marks.get(mount.mount_point, " ")


def _keys(mount: Mount) -> tuple[str, ...]:
    """Of all its fields, for those that the row has no room for are part of it, too."""
    whole = "mount.layers" if mount.fs_type == "overlay" else "mount.file_system"
    return ("mount.own", *_LINE, whole, *(("mount.covered",) if mount.covered else ()))


_LINE = ("mount.point", "mount.type", "mount.source", "mount.options", "mount.spread")


def _row(mount: Mount, label: str, own: bool, mark: str, point: int, wide: bool) -> Content:
    style = "$foreground-muted strike" if mount.covered else "" if own else "$foreground-muted"
    return Content.assemble(
        ("●" if own else "○", "$success" if own else "$foreground-muted"),
        (mark, "$accent bold"),
        cell(label, point - 1, style),
        " ",
        cell(mount.fs_type, 9, "$secondary" if own else "$foreground-muted"),
        " ",
        cell("covered" if mount.covered else mount.propagation, 9, "$foreground-muted"),
        cell(" " + mount.options, 20, "$foreground-muted") if wide else "",
    )
