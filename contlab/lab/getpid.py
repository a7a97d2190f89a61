"""A program of some hundred bytes that asks the kernel for its own number, again and again: getpid(2) and nothing else.

No shell calls getpid in a loop, and busybox has no program that does. So it is written here, byte by byte, by a line
that any shell runs: an ELF file of one segment (elf(5)), machine code, and at its end how often.
"""

from __future__ import annotations

import platform
import struct

_CODE = {
    "x86_64": bytes.fromhex(
        "8b1d14000000"  # mov ebx, [rip + 20]: the count
        "b827000000"  # mov eax, 39 (getpid)
        "0f05"  # syscall
        "ffcb"  # dec ebx
        "75f5"  # jnz to the second line
        "b83c000000"  # mov eax, 60 (exit)
        "31ff"  # xor edi, edi
        "0f05"  # syscall
    ),
    "aarch64": bytes.fromhex(
        "13010018"  # ldr w19, pc + 32: the count
        "881580d2"  # mov x8, 172 (getpid)
        "010000d4"  # svc 0
        "73060071"  # subs w19, w19, 1
        "a1ffff54"  # b.ne to the second line
        "000080d2"  # mov x0, 0
        "a80b80d2"  # mov x8, 93 (exit)
        "010000d4"  # svc 0
    ),
}
_MACHINES = {"x86_64": 62, "aarch64": 183}
"""e_machine of <linux/elf-em.h>."""

_BASE, _HEADERS = 0x400000, 64 + 56


def program(machine: str) -> bytes:
    """The file for ``machine`` (platform.machine()) but for its last four bytes: the count, little endian. KeyError."""
    code = _CODE[machine]
    size = _HEADERS + len(code) + 4
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, _MACHINES[machine], 1, _BASE + _HEADERS, 64, 0, 0, 64, 56, 1,
        0, 0, 0,
    )  # fmt: skip
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, 0x1000) + code


def line() -> str:
    """A shell line that makes the program in ``$disk`` and calls ``$n`` times; it fails where there is no code."""
    machine = platform.machine()
    if machine not in _CODE:
        return f"echo 'there is no code for {machine}'; false"
    octal = "".join(f"\\{byte:03o}" for byte in program(machine))
    count = "; ".join(f'printf "\\\\$(printf %03o $((n >> {shift} & 255)))"' for shift in (0, 8, 16, 24))
    write = f"f=$(mktemp $disk/getpid.XXXXXX); {{ printf '{octal}'; {count}; }} >$f && chmod 700 $f"
    return f"{write} && $f; s=$?; rm -f $f; (exit $s)"
