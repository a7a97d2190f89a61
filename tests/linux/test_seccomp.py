"""The filter, run as the kernel runs it: by a small machine for classic BPF."""

from __future__ import annotations

import errno
import struct

import pytest

from contlab.linux.flags import CLONE
from contlab.linux.seccomp import ARCHES, DENIED, deny

ALLOW, KILL, EPERM, ENOSYS = 0x7FFF_0000, 0x8000_0000, 0x5_0000 | errno.EPERM, 0x5_0000 | errno.ENOSYS
MACHINES = ("x86_64", "aarch64")
CLONE_CALL = {"x86_64": 56, "aarch64": 220}
IOCTL = {"x86_64": 16, "aarch64": 29}
TIOCSTI, TIOCLINUX, TIOCGWINSZ = 0x5412, 0x541C, 0x5413


def verdict(program: bytes, machine: str, number: int, *arguments: int, arch: int | None = None) -> int:
    """What the filter returns for a call: struct seccomp_data goes in."""
    return run(program, machine, number, *arguments, arch=arch)[0]


def steps(program: bytes, machine: str, number: int) -> int:
    """How many instructions that takes."""
    return run(program, machine, number)[1]


def run(program: bytes, machine: str, number: int, *arguments: int, arch: int | None = None) -> tuple[int, int]:
    padded = (*arguments, *(0,) * (6 - len(arguments)))
    data = struct.pack("<iIQ6Q", number, ARCHES[machine][1] if arch is None else arch, 0, *padded)
    accumulator, place, count = 0, 0, 0
    instructions = list(struct.iter_unpack("=HBBI", program))
    while True:
        code, if_true, if_false, value = instructions[place]
        place, count = place + 1, count + 1
        match code:
            case 0x20:  # BPF_LD | BPF_W | BPF_ABS
                (accumulator,) = struct.unpack_from("<I", data, value)
            case 0x15:  # BPF_JMP | BPF_JEQ | BPF_K
                place += if_true if accumulator == value else if_false
            case 0x35:  # BPF_JMP | BPF_JGE | BPF_K
                place += if_true if accumulator >= value else if_false
            case 0x45:  # BPF_JMP | BPF_JSET | BPF_K
                place += if_true if accumulator & value else if_false
            case 0x06:  # BPF_RET | BPF_K
                return value, count
            case _:
                raise AssertionError(f"no such instruction: {code:#x}")


@pytest.fixture(params=MACHINES)
def machine(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("call", DENIED)
def test_a_denied_call_is_refused_unless_it_is_allowed_by_name(machine: str, call: str) -> None:
    number = DENIED[call][MACHINES.index(machine)]

    assert EPERM == verdict(deny(machine), machine, number)
    assert ALLOW == verdict(deny(machine, frozenset({call})), machine, number)


def test_every_other_call_passes(machine: str) -> None:
    numbers = {pair[MACHINES.index(machine)] for pair in DENIED.values()} | {435}
    numbers |= {172, 173} if machine == "x86_64" else set()

    assert [] == [n for n in range(500) if n not in numbers and verdict(deny(machine), machine, n) != ALLOW]


def test_a_call_by_another_architecture_s_numbers_kills(machine: str) -> None:
    i386 = 0x40000003

    assert KILL == verdict(deny(machine), machine, 20, arch=i386)


def test_x32_numbers_do_not_exist() -> None:
    assert ENOSYS == verdict(deny("x86_64"), "x86_64", 0x4000_0000 | 165)


@pytest.mark.parametrize(
    "flag", [flag for name, flag in CLONE.__members__.items() if name.startswith("NEW") and name != "NEWTIME"]
)
def test_clone_makes_processes_and_threads_but_no_namespace(machine: str, flag: CLONE) -> None:
    number, threads = CLONE_CALL[machine], CLONE.VM | CLONE.FS | CLONE.FILES

    assert ALLOW == verdict(deny(machine), machine, number, 17)
    assert ALLOW == verdict(deny(machine), machine, number, threads)
    assert EPERM == verdict(deny(machine), machine, number, flag | 17)
    assert ALLOW == verdict(deny(machine, frozenset({"unshare"})), machine, number, flag | 17)


def test_clone3_whose_flags_no_filter_sees_does_not_exist_while_unshare_is_denied(machine: str) -> None:
    assert ENOSYS == verdict(deny(machine), machine, 435)
    assert ALLOW == verdict(deny(machine, frozenset({"unshare"})), machine, 435)


@pytest.mark.parametrize("upper", [0, 1 << 32], ids=["plain", "with the upper half set"])
def test_nobody_types_into_a_terminal_for_another_by_ioctl(machine: str, upper: int) -> None:
    """The kernel looks at the lower 32 bits of the request alone, and so must the filter (CVE-2019-10063)."""
    number = IOCTL[machine]

    assert EPERM == verdict(deny(machine), machine, number, 0, upper | TIOCSTI)
    assert EPERM == verdict(deny(machine), machine, number, 0, upper | TIOCLINUX)
    assert ALLOW == verdict(deny(machine), machine, number, 0, upper | TIOCGWINSZ)


def test_there_is_no_filter_for_another_machine() -> None:
    with pytest.raises(KeyError):
        deny("riscv64")


def test_a_verdict_takes_few_steps_for_any_call(machine: str) -> None:
    """The kernel tries a new filter on every number there is (seccomp_cache_prepare)."""
    program = deny(machine)

    assert max(steps(program, machine, number) for number in range(500)) <= 16 < len(program) // 8 // 2
