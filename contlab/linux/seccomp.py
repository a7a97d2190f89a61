"""A seccomp filter: classic BPF that refuses some system calls and lets all others pass.

Sources: seccomp_filter.rst and <linux/{seccomp,filter,audit}.h>; numbers from <asm/unistd.h> of both machines. A
program of our own, of some eighty instructions: libseccomp's Python bindings come without the library.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Sequence
from functools import lru_cache

from contlab.linux.flags import CLONE

DENIED: dict[str, tuple[int, int]] = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "move_pages": (279, 239),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "open_tree_attr": (467, 467),
    "perf_event_open": (298, 241),
    "pivot_root": (155, 41),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
}
"""Call -> its number on (x86_64, aarch64). What speaks to the whole machine, or makes namespaces and mounts."""

_X86_ONLY = {172, 173}  # iopl, ioperm
_CLONE, _IOCTL, _CLONE3 = (56, 220), (16, 29), 435

ARCHES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
"""Machine -> (place in the pairs above, AUDIT_ARCH_* of <linux/audit.h>)."""

_NEW = CLONE.NEWNS | CLONE.NEWCGROUP | CLONE.NEWUTS | CLONE.NEWIPC | CLONE.NEWUSER | CLONE.NEWPID | CLONE.NEWNET
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C
"""ioctl_tty(2): type into the terminal that one shares with others."""

# struct seccomp_data: int nr; __u32 arch; __u64 instruction_pointer; __u64 args[6] (little endian on both machines).
_NR, _ARCH, _ARG0, _ARG1 = 0, 4, 16, 24
_LD, _JEQ, _JGE, _JSET, _RET = 0x20, 0x15, 0x35, 0x45, 0x06

_RETURNS = {
    "allow": 0x7FFF_0000,
    "refuse": 0x0005_0000 | errno.EPERM,
    "absent": 0x0005_0000 | errno.ENOSYS,
    "kill": 0x8000_0000,
}
"""Label of a last instruction -> SECCOMP_RET_*."""

_Row = tuple[str, int, int, str, str]
"""Label ("" for none), code, operand, and where to go when it holds and when not ("": to the next row)."""


@lru_cache
def deny(machine: str, allowed: frozenset[str] = frozenset()) -> bytes:
    """The filter for ``machine`` (platform.machine()) as an array of struct sock_filter.

    ``allowed``: names of ``DENIED`` that are let through. KeyError for another machine.
    """
    place, arch = ARCHES[machine]
    denied = {number[place] for name, number in DENIED.items() if name not in allowed}
    # Another architecture's calls have other numbers (32-bit on x86): the filter would look at the wrong ones.
    rows: list[_Row] = [("", _LD, _ARCH, "", ""), ("", _JEQ, arch, "", "kill"), ("", _LD, _NR, "", "")]
    if machine == "x86_64":
        denied |= _X86_ONLY
        rows.append(("", _JGE, 0x4000_0000, "absent", ""))  # the x32 numbers begin here
    places = dict.fromkeys(denied, "refuse") | {_IOCTL[place]: "ioctl"}
    if "unshare" not in allowed:
        # clone3's flags lie in memory, where a filter can't look: ENOSYS makes libc use clone, whose flags it can.
        places |= {_CLONE3: "absent", _CLONE[place]: "clone"}
    rows += _search(sorted(places.items()))
    rows += [
        ("clone", _LD, _ARG0, "", ""),
        ("", _JSET, int(_NEW), "refuse", "allow"),
        ("ioctl", _LD, _ARG1, "", ""),
        ("", _JEQ, _TIOCSTI, "refuse", ""),
        ("", _JEQ, _TIOCLINUX, "refuse", "allow"),
        *((label, _RET, value, "", "") for label, value in _RETURNS.items()),
    ]
    return _assemble(rows)


def _search(places: Sequence[tuple[int, str]], label: str = "") -> list[_Row]:
    """To a number's label, by halves: the kernel tries a new filter on each number there is (seccomp_cache_prepare)."""
    if len(places) <= 3:
        rows = [("", _JEQ, number, found, "allow" if number == places[-1][0] else "") for number, found in places]
        return [(label, *rows[0][1:]), *rows[1:]]
    middle = len(places) // 2
    first = places[middle][0]
    return [
        (label, _JGE, first, f"from {first}", ""),
        *_search(places[:middle]),
        *_search(places[middle:], f"from {first}"),
    ]


def _assemble(rows: Sequence[_Row]) -> bytes:
    """struct sock_filter each: code, how many instructions the jumps skip, operand."""
    places = {label: place for place, (label, *_) in enumerate(rows) if label}
    return b"".join(
        struct.pack("=HBBI", code, *(places[to] - place - 1 if to else 0 for to in (yes, no)), value)
        for place, (_, code, value, yes, no) in enumerate(rows)
    )
