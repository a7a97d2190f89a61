"""/proc/PID: parsers of what the kernel tells about a process, each named after its file, taking the file's bytes.

Fields are spelled as in proc(5); the units stand beneath them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from contlab.linux.mountinfo import MountInfo, parse_mountinfo
from contlab.linux.parse import ParseError, number, rows, text

__all__ = [
    "IdMapping",
    "MountInfo",
    "NsLink",
    "ParseError",
    "ResourceLimit",
    "Stat",
    "Status",
    "parse_cmdline",
    "parse_id_map",
    "parse_limits",
    "parse_meminfo",
    "parse_mountinfo",
    "parse_ns_link",
    "parse_ns_links",
    "parse_stat",
    "parse_status",
]

_NS_LINK = re.compile(r"([a-z]+):\[([0-9]+)\]")
_LIMIT = re.compile(rb"(.+?) {2,}(\S+) +(\S+) *(\S*) *")
_STATUS_LINE = re.compile(rb"^(\w+):\t?(.*)$", re.MULTILINE)
_ESCAPED = re.compile(rb"\\(n|\\)")


@dataclass(frozen=True, slots=True)
class Stat:
    """/proc/PID/stat, proc_pid_stat(5): the fields that contlab shows or counts with."""

    pid: int
    comm: str
    """Up to 15 bytes that the process may set itself: brackets, spaces and newlines included."""
    state: str
    """One letter: R running, S sleeping, D waiting in the kernel, T stopped, t traced, Z zombie, X dead, I idle."""
    ppid: int
    pgrp: int
    session: int
    tty_nr: int
    utime: int
    """Clock ticks in user mode (sysconf(_SC_CLK_TCK) a second, 100 on Linux)."""
    stime: int
    """Clock ticks in kernel mode."""
    num_threads: int
    starttime: int
    """Clock ticks after boot; with ``pid``, it tells a process from a later one of the same number."""
    vsize: int
    """Bytes."""
    rss: int
    """Pages."""


def parse_stat(raw: bytes) -> Stat:
    """The comm ends at the last bracket of the line: after it, the kernel writes no brackets."""
    begin, end = raw.find(b" ("), raw.rfind(b") ")
    if begin < 0 or end < begin:
        raise ParseError("stat", f"no (comm) in {text(raw[:80])!r}")
    fields = raw[end + 2 :].split()
    if len(fields) < 22:
        raise ParseError("stat", f"expected 24 fields or more, found {len(fields) + 2}")
    ppid, pgrp, session, tty_nr = (number("stat", value) for value in fields[1:5])
    utime, stime = (number("stat", value) for value in fields[11:13])
    num_threads, _, starttime, vsize, rss = (number("stat", value) for value in fields[17:22])
    return Stat(
        pid=number("stat", raw[:begin]),
        comm=text(raw[begin + 2 : end]),
        state=text(fields[0]),
        ppid=ppid,
        pgrp=pgrp,
        session=session,
        tty_nr=tty_nr,
        utime=utime,
        stime=stime,
        num_threads=num_threads,
        starttime=starttime,
        vsize=vsize,
        rss=rss,
    )


@dataclass(frozen=True, slots=True)
class Status:
    """/proc/PID/status, proc_pid_status(5). IDs are as the reader's namespaces count, NS* as each nested one does."""

    Name: str
    State: str
    """The letter alone."""
    Tgid: int
    Pid: int
    PPid: int
    """0 when the parent is out of sight of the reader's PID namespace."""
    Uid: tuple[int, ...]
    """Real, effective, saved set, file system."""
    Gid: tuple[int, ...]
    NStgid: tuple[int, ...]
    NSpid: tuple[int, ...]
    """The process's number in the reader's PID namespace, then in each nested one; the last is its own."""
    Threads: int
    VmRSS: int | None
    """Resident bytes (the file's kB are KiB); None for kernel threads and zombies, which have no memory map."""
    CapInh: int
    """Capability sets as bit masks, capabilities(7)."""
    CapPrm: int
    CapEff: int
    CapBnd: int
    CapAmb: int
    NoNewPrivs: bool
    """execve(2) can't add rights any more."""
    Seccomp: int
    """0 off, 1 strict, 2 filter; 0 also on a kernel without seccomp."""


def parse_status(raw: bytes) -> Status:
    """``ParseError`` names the line that is missing."""
    lines = dict(_STATUS_LINE.findall(raw))
    try:
        return _status(lines)
    except (KeyError, IndexError) as missing:
        raise ParseError("status", f"no line {text(missing.args[0])!r}") from None


def _status(lines: Mapping[bytes, bytes]) -> Status:
    def integer(key: bytes, base: int = 10) -> int:
        return number("status", lines[key], base)

    def integers(key: bytes) -> tuple[int, ...]:
        return tuple(number("status", value) for value in lines[key].split())

    rss = lines.get(b"VmRSS")
    pid = integer(b"Pid")
    return Status(
        # Unlike stat, this file writes newline and backslash as \n and \\.
        Name=text(_ESCAPED.sub(lambda m: b"\n" if m[1] == b"n" else b"\\", lines[b"Name"])),
        State=text(lines[b"State"].strip()[:1]),
        Tgid=integer(b"Tgid"),
        Pid=pid,
        PPid=integer(b"PPid"),
        Uid=integers(b"Uid"),
        Gid=integers(b"Gid"),
        NStgid=integers(b"NStgid") if b"NStgid" in lines else (pid,),  # without CONFIG_PID_NS there is one count
        NSpid=integers(b"NSpid") if b"NSpid" in lines else (pid,),
        Threads=integer(b"Threads"),
        VmRSS=None if rss is None else number("status", rss.split()[0]) * 1024,
        CapInh=integer(b"CapInh", 16),
        CapPrm=integer(b"CapPrm", 16),
        CapEff=integer(b"CapEff", 16),
        CapBnd=integer(b"CapBnd", 16),
        CapAmb=integer(b"CapAmb", 16),
        NoNewPrivs=lines.get(b"NoNewPrivs", b"0").strip() == b"1",
        Seccomp=number("status", lines.get(b"Seccomp", b"0")),
    )


@dataclass(frozen=True, slots=True)
class NsLink:
    """One link of /proc/PID/ns, namespaces(7)."""

    name: str
    """The link: a kind, or ``pid_for_children`` and ``time_for_children``: where unshare(2) puts the next child."""
    kind: str
    inode: int
    """Two processes with the same inode share the namespace."""


def parse_ns_link(name: str, target: str) -> NsLink:
    """A link and the text it points to, such as ``pid:[4026531836]``."""
    match = _NS_LINK.fullmatch(target)
    if not match:
        raise ParseError(f"ns/{name}", f"expected kind:[inode], found {target!r}")
    return NsLink(name, match[1], int(match[2]))


def parse_ns_links(targets: Mapping[str, str]) -> dict[str, int]:
    """Kind -> inode of the namespaces a process is in; the ``_for_children`` links are left out."""
    links = (parse_ns_link(name, target) for name, target in targets.items())
    return {link.kind: link.inode for link in links if link.name == link.kind}


@dataclass(frozen=True, slots=True)
class IdMapping:
    """One line of /proc/PID/uid_map or gid_map, user_namespaces(7)."""

    ID_inside_ns: int
    ID_outside_ns: int
    """As the reader's user namespace counts."""
    length: int


def parse_id_map(raw: bytes) -> tuple[IdMapping, ...]:
    """Empty for a user namespace whose map was not written yet: there every ID shows as 65534."""
    found = []
    for line in rows(raw):
        values = [number("uid_map", value) for value in line.split()]
        if len(values) != 3:
            raise ParseError("uid_map", f"expected inside outside length, found {text(line)!r}")
        found.append(IdMapping(*values))
    return tuple(found)


def parse_cmdline(raw: bytes) -> tuple[str, ...]:
    """argv, proc_pid_cmdline(5); empty for a zombie and for a kernel thread."""
    return tuple(text(argument) for argument in raw.removesuffix(b"\0").split(b"\0")) if raw else ()


@dataclass(frozen=True, slots=True)
class ResourceLimit:
    """One line of /proc/PID/limits, getrlimit(2)."""

    name: str
    """In the file's words, e.g. ``Max open files``."""
    soft: int | None
    """None: unlimited."""
    hard: int | None
    units: str
    """``bytes``, ``files``, ...; empty for priorities."""


def parse_limits(raw: bytes) -> tuple[ResourceLimit, ...]:
    """/proc/PID/limits, without its heading."""
    found = []
    for line in list(rows(raw))[1:]:
        match = _LIMIT.fullmatch(line)
        if not match:
            raise ParseError("limits", f"expected name soft hard units, found {text(line)!r}")
        soft, hard = (None if value == b"unlimited" else number("limits", value) for value in match.group(2, 3))
        found.append(ResourceLimit(text(match[1]), soft, hard, text(match[4])))
    return tuple(found)


def parse_meminfo(raw: bytes) -> dict[str, int]:
    """/proc/meminfo, proc_meminfo(5), in bytes; HugePages_* are counts."""
    found = {}
    for line in rows(raw):
        key, _, value = line.partition(b":")
        words = value.split()
        if not words:
            raise ParseError("meminfo", f"no value in {text(line)!r}")
        found[text(key)] = number("meminfo", words[0]) * (1024 if words[1:] == [b"kB"] else 1)
    return found
