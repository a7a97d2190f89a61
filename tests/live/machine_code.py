"""Programs of a few system calls and nothing else, as ELF files for x86_64: what no shell can ask of the kernel.

A container has neither a compiler nor an interpreter; such a program runs in any root, and its exit status is the errno
of its last call, 0 when that was done.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from contlab.linux.seccomp import DENIED

NUMBERS = {name: pair[0] for name, pair in DENIED.items()} | {
    "ioctl": 16, "clone": 56, "execve": 59, "chdir": 80, "ptrace": 101, "chroot": 161, "openat": 257, "clone3": 435,
}  # fmt: skip
"""<asm/unistd_64.h>."""

Argument = int | bytes | Sequence[bytes]
"""A number, a text, or a vector of texts as execve(2) takes it."""

_BASE, _HEADERS = 0x40_0000, 64 + 56
_REGISTERS = (b"\x48\xbf", b"\x48\xbe", b"\x48\xba", b"\x49\xba", b"\x49\xb8", b"\x49\xb9")
"""mov rdi|rsi|rdx|r10|r8|r9, imm64."""
_CALL = b"\x0f\x05"
# mov rdi, rax; xor ecx, ecx; neg rdi; cmovs rdi, rcx; mov eax, 60 (exit); syscall
_EXIT = b"\x48\x89\xc7\x31\xc9\x48\xf7\xdf\x48\x0f\x48\xf9\xb8\x3c\x00\x00\x00" + _CALL


def program(*calls: tuple[str, *tuple[Argument, ...]]) -> bytes:
    """An ELF file that makes these calls, each a name and its arguments, one after the other."""
    size = sum(10 * len(call) + len(_CALL) for call in calls) + len(_EXIT)
    data = _Data(_BASE + _HEADERS + size)
    code = b""
    for name, *arguments in calls:
        code += b"\x48\xb8" + struct.pack("<Q", NUMBERS[name])  # mov rax, imm64
        for register, argument in zip(_REGISTERS, arguments, strict=False):
            code += register + struct.pack("<Q", data.place(argument) & (1 << 64) - 1)
        code += _CALL
    whole = code + _EXIT + data.bytes
    length = _HEADERS + len(whole)
    # elf(5): ET_EXEC for EM_X86_64 with one segment, PT_LOAD, to be read and executed.
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, _BASE + _HEADERS, 64, 0, 0, 64, 56, 1,
                         0, 0, 0)  # fmt: skip
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, _BASE, _BASE, length, length, 0x1000)
    return header + segment + whole


class _Data:
    """What arguments point to, behind the code."""

    def __init__(self, at: int) -> None:
        self._at = at
        self.bytes = b""

    def place(self, argument: Argument) -> int:
        """The number that stands for it in a register."""
        if isinstance(argument, int):
            return argument
        if isinstance(argument, bytes):
            return self._add(argument + b"\0")
        return self._add(b"".join(struct.pack("<Q", self.place(text)) for text in argument) + bytes(8))

    def _add(self, text: bytes) -> int:
        at = self._at + len(self.bytes)
        self.bytes += text
        return at
