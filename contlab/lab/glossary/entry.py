"""Entry and Field: what the glossary says of a kind of field, and what that comes to for one of them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from contlab.linux.sizes import format_size
from contlab.observe.snapshot import NOT_READ, CgroupSample, PidView, Unavailable

_SHELL = set("|<>&;")
"""What a command may hold only where a shell reads it, or within quotes."""
_SPECIAL = set('"$`')
"""What a shell obeys within double quotes, which are easier to read."""


@dataclass(frozen=True, slots=True)
class Shown:
    """Whose fields they are."""

    processes: tuple[PidView, ...] | Unavailable = ()
    """Its first process leads."""
    cgroup: CgroupSample | Unavailable = NOT_READ
    guest: bool = False
    """The inside of a virtual machine."""
    recorded: bool = False

    @property
    def pid(self) -> str:
        """The first process as the observer counts; "PID" when there is none."""
        if isinstance(self.processes, Unavailable) or not self.processes:
            return "PID"
        return str(self.processes[0].pid)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of one row, explained. Kernel text may be in all of it: never markup."""

    name: str
    value: str
    """As it is now, whole: a row may have had no room for it."""
    means: str
    """One to three sentences, with the unit."""
    file: str = ""
    """The kernel file, or in words what it is from where it is from none."""
    where: str = ""
    """Which line or column of the file."""
    command: str = ""
    """Prints it in another terminal; "" when none does."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A field as such. All its texts may name places in braces: ``/proc/{pid}/status``."""

    name: str
    means: str
    value: Callable[[Any], str]
    file: str = ""
    where: str = ""
    command: str = ""
    guest: str | None = None
    """The command inside a guest, where it is another."""

    def of(self, subject: object, places: Mapping[str, str], guest: bool = False) -> Field:
        """What it comes to for ``subject``."""
        file = self.file.format_map(places)
        command = (self.command if self.guest is None or not guest else self.guest).format_map(places)
        return Field(
            name=self.name.format_map(places).rstrip(),
            value=self.value(subject),
            means=self.means.format_map(places),
            file=f"in the guest: {file}" if guest and file.startswith("/") else file,
            where=self.where.format_map(places),
            command=in_guest(command) if guest else command,
        )


def in_guest(command: str) -> str:
    """The same in a virtual machine of one's own: it is another one, of the same kernel and the same files."""
    if not command:
        return ""
    if any(set(word) <= _SHELL for word in shlex.shlex(command, punctuation_chars="|<>&;")):
        quoted = shlex.quote(command) if _SPECIAL & set(command) else f'"{command}"'
        command = f"sh -c {quoted}"
    return f"contlab vm run -- {command}"


def size(value: int | Unavailable | None) -> str:
    """Bytes in words, and in figures: that is what the kernel's file says."""
    if isinstance(value, Unavailable):
        return value.reason
    return "no limit" if value is None else f"{format_size(value)} ({value} bytes)"


def count(value: int | Unavailable | None) -> str:
    """A number; None is no limit."""
    if isinstance(value, Unavailable):
        return value.reason
    return "no limit" if value is None else str(value)
