"""Layout: what stands where in a tree, decided before anything is written.

Symbolic links are followed here, in a table, and as chroot(2) would: ``/`` and too many ``..`` are the tree's own
root. So nothing on the host can be reached while the tree is written, whatever a recipe says.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from contlab.errors import RootfsError

MAX_LINKS = 40
"""Links that one lookup may follow, as in the kernel (MAXSYMLINKS)."""

Parts = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Directory:
    """An empty directory."""

    mode: int = 0o755


@dataclass(frozen=True, slots=True)
class Written:
    """A file with this content."""

    content: bytes
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class Copied:
    """A file with the content of this host file."""

    source: str
    mode: int = 0o755


@dataclass(frozen=True, slots=True)
class Link:
    """A symbolic link."""

    target: str


Entry = Directory | Written | Copied | Link


@dataclass(slots=True)
class Layout:
    """Path -> entry, parents before what is in them. Keys are real: no part of one is a link."""

    entries: dict[Parts, Entry] = field(default_factory=dict)

    def add(self, path: str, entry: Entry) -> None:
        """Put ``entry`` at ``path``, making the directories above; what stands there already must be the same."""
        place = self._resolve(_split(path), path, last=not isinstance(entry, Link))
        if not place:
            return  # the root itself is always there
        self._make_parents(place, path)
        there = self.entries.get(place)
        if there is None or (isinstance(there, Directory) and isinstance(entry, Directory)):
            self.entries[place] = entry
        elif there != entry:
            raise RootfsError(
                f"{path!r} is to be two different things in the tree: {_words(there)} and {_words(entry)}",
                "Take one of them out of the recipe.",
            )

    def has(self, path: str) -> bool:
        """Whether something stands at ``path``, links followed."""
        place = self._resolve(_split(path), path)
        return not place or place in self.entries

    def real(self, path: str) -> str:
        """The path that a lookup of ``path`` ends at, links followed."""
        return "/" + "/".join(self._resolve(_split(path), path))

    def _make_parents(self, place: Parts, path: str) -> None:
        for end in range(1, len(place)):
            above = self.entries.setdefault(place[:end], Directory())
            if not isinstance(above, Directory):
                raise RootfsError(
                    f"{path!r} can't be in the tree: {'/' + '/'.join(place[:end])!r} is {_words(above)}",
                    "Take one of them out of the recipe.",
                )

    def _resolve(self, parts: Parts, path: str, last: bool = True) -> Parts:
        """Where a lookup ends; ``last`` says whether a link at the very end is followed too."""
        waiting = list(reversed(parts))
        at: Parts = ()
        followed = 0
        while waiting:
            part = waiting.pop()
            if part == "..":
                at = at[:-1]
                continue
            there = self.entries.get((*at, part))
            if not isinstance(there, Link) or (not waiting and not last):
                at = (*at, part)
                continue
            followed += 1
            if followed > MAX_LINKS:
                raise RootfsError(f"{path!r} goes round in symbolic links", "Break the circle in the recipe's links.")
            if there.target.startswith("/"):
                at = ()
            waiting.extend(reversed(_split(there.target)))
        return at


def _split(path: str) -> Parts:
    return tuple(part for part in path.split("/") if part not in ("", "."))


def _words(entry: Entry) -> str:
    match entry:
        case Directory():
            return "a directory"
        case Written():
            return "a file that the recipe writes"
        case Copied(source=source):
            return f"a copy of {source!r}"
        case Link(target=target):
            return f"a link to {target!r}"
