"""Arena: memory for batches, and the few instructions that make a batch's calls, in the child that is born for it.

posix_spawn(3) goes without a copy of memory (CLONE_VM), but knows few calls. This is its way for any call: the child
shares the memory until execve(2) and runs nothing but a loop, which needs no stack.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import platform

from contlab.linux import syscalls
from contlab.linux.batch import Batch
from contlab.linux.errno import SyscallError
from contlab.linux.flags import CLONE

_CODE = {
    "x86_64": bytes.fromhex(
        "b8b3010000"  # mov eax, 435 (clone3): rdi its arguments, rsi their size
        "0f05"  # syscall
        "4885c0"  # test rax, rax
        "7401"  # jz to the line after the next: the child
        "c3"  # ret
        "4889d3"  # mov rbx, rdx: the first entry
        "488b03"  # mov rax, [rbx]: for each entry
        "488b7b08"  # mov rdi, [rbx + 8]
        "488b7310"  # mov rsi, [rbx + 16]
        "488b5318"  # mov rdx, [rbx + 24]
        "4c8b5320"  # mov r10, [rbx + 32]
        "4c8b4328"  # mov r8, [rbx + 40]
        "4c8b4b30"  # mov r9, [rbx + 48]
        "0f05"  # syscall
        "488b4b38"  # mov rcx, [rbx + 56]
        "488901"  # mov [rcx], rax
        "488b4b40"  # mov rcx, [rbx + 64]
        "488901"  # mov [rcx], rax
        "488b4b48"  # mov rcx, [rbx + 72]
        "483d01f0ffff"  # cmp rax, -4095
        "720a"  # jb to the last but one
        "48034350"  # add rax, [rbx + 80]
        "7404"  # jz to the last but one
        "488b4b58"  # mov rcx, [rbx + 88]
        "4889cb"  # mov rbx, rcx
        "ebba"  # jmp to the next entry
    ),
    "aarch64": bytes.fromhex(
        "683680d2"  # mov x8, 435 (clone3): x0 its arguments, x1 their size
        "010000d4"  # svc 0
        "400000b4"  # cbz x0 to the line after the next: the child
        "c0035fd6"  # ret
        "e90302aa"  # mov x9, x2: the first entry
        "280140a9"  # ldp x8, x0, [x9]: for each entry
        "210941a9"  # ldp x1, x2, [x9, 16]
        "231142a9"  # ldp x3, x4, [x9, 32]
        "251940f9"  # ldr x5, [x9, 48]
        "010000d4"  # svc 0
        "2aad43a9"  # ldp x10, x11, [x9, 56]
        "400100f9"  # str x0, [x10]
        "600100f9"  # str x0, [x11]
        "2a2540f9"  # ldr x10, [x9, 72]
        "1ffc3fb1"  # cmn x0, 4095
        "a3000054"  # b.lo to the last but one
        "2b2940f9"  # ldr x11, [x9, 80]
        "00000bab"  # adds x0, x0, x11
        "40000054"  # b.eq to the last but one
        "2a2d40f9"  # ldr x10, [x9, 88]
        "e9030aaa"  # mov x9, x10
        "f0ffff17"  # b to the next entry
    ),
}

_ROOM, _BATCHES = 1 << 16, 16
"""Bytes of a batch; how many there are."""


class Arena:
    """Memory for batches that this process and those it forks have in common, at the same address."""

    def __init__(self) -> None:
        """SyscallError where memory may not hold machine code, or there is none for this machine."""
        machine = platform.machine()
        if machine not in _CODE:
            raise SyscallError("mprotect", errno.ENOSYS, machine)
        self._code = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self._code.write(_CODE[machine])
        address = ctypes.addressof(ctypes.c_char.from_buffer(self._code))
        syscalls.mprotect(address, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_EXEC)
        self._bear = ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)(address)
        self._memory = mmap.mmap(-1, _ROOM * _BATCHES)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))
        memory = memoryview(self._memory)
        self._batches = [
            Batch(memory[place : place + _ROOM], self.address + place) for place in range(0, _ROOM * _BATCHES, _ROOM)
        ]

    def free(self) -> Batch | None:
        """The first that is not taken; None when all are."""
        return next((batch for batch in self._batches if not batch.taken), None)

    def at(self, address: int) -> Batch:
        """The one that lies there."""
        return self._batches[(address - self.address) // _ROOM]

    def bear(self, first: int, flags: CLONE, cgroup: int | None = None) -> tuple[int, int]:
        """clone3(2): a child that makes the calls from entry ``first`` on. (pid, pidfd), as ``syscalls.clone3``.

        It comes with the caller's memory (CLONE_VM), and never comes back into its code. Signals find no handlers.
        """
        pidfd = ctypes.c_int(-1)
        arguments = syscalls.clone_arguments(flags | CLONE.VM | CLONE.CLEAR_SIGHAND, pidfd, cgroup)
        pid = self._bear(ctypes.byref(arguments), ctypes.sizeof(arguments), first)
        if pid < 0:
            raise SyscallError("clone3", -pid, flags)
        return pid, pidfd.value
