"""Calls that a newborn process makes by itself: on this machine, and on the other one in QEMU's user mode."""

from __future__ import annotations

import errno
import mmap
import os
import platform
import shutil
import signal
import struct
import subprocess
from pathlib import Path

import pytest

from contlab.linux import arena, batch
from contlab.linux.arena import Arena
from contlab.linux.batch import REFUSED, Batch, Calls, Full, Words
from contlab.linux.flags import CLONE

AT_FDCWD = -100


def calls(*each: tuple[object, ...], **how: object) -> Calls:
    """Of one step."""
    made = Calls()
    for name, *arguments in each:
        made.add(name, *arguments, **how)  # type: ignore[arg-type]
    return made


def leave(status: int) -> Calls:
    """The last step."""
    return calls(("exit_group", status))


@pytest.fixture(scope="module")
def memory() -> Arena:
    """Shared with each child."""
    return Arena()


@pytest.fixture
def one(memory: Arena) -> Batch:
    """With nothing in it."""
    free = memory.free()
    assert free is not None
    free.put(0, "nothing", Calls())
    free.reset()
    return free


def born(memory: Arena, one: Batch) -> int:
    """Its exit status, or minus the signal."""
    pid, pidfd = memory.bear(one.first, CLONE(0))
    os.close(pidfd)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_newborn_makes_the_calls_in_order_and_becomes_a_program(memory: Arena, one: Batch, tmp_path: Path) -> None:
    made = tmp_path / "made"
    one.put(0, "mkdir", calls(("mkdirat", AT_FDCWD, bytes(made), 0o700), ("chdir", bytes(made))))
    one.put(
        1, "exec", calls(("execve", b"/bin/sh", Words((b"sh", b"-c", b"pwd > here; exit $N", 0)), Words((b"N=7", 0))))
    )
    one.put(2, "end", leave(1))

    assert 7 == born(memory, one)
    assert f"{made}\n" == (made / "here").read_text()


def test_what_a_call_returns_is_handed_to_two_later_ones(memory: Arena, one: Batch, tmp_path: Path) -> None:
    made = Calls()
    file = made.add("openat", AT_FDCWD, bytes(tmp_path / "file"), os.O_CREAT | os.O_WRONLY, 0o600)
    made.add("write", file, b"said", 4)
    made.add("close", file)
    made.add("write", 0, b"", 0, anyway=True)
    one.put(0, "file", made)
    one.put(1, "end", leave(0))

    assert 0 == born(memory, one)
    assert "said" == (tmp_path / "file").read_text()


def test_a_refusal_ends_it_unless_it_was_foreseen(memory: Arena, one: Batch, tmp_path: Path) -> None:
    there = ("mkdirat", AT_FDCWD, bytes(tmp_path), 0o700)
    one.put(0, "there already", calls(there, unless=errno.EEXIST))
    one.put(1, "end", leave(3))
    assert 3 == born(memory, one)

    one.put(0, "another errno", calls(there, unless=errno.ENOENT))
    assert REFUSED == born(memory, one)

    one.put(0, "whatever it is", calls(there, anyway=True))
    assert 3 == born(memory, one)


def test_it_tells_when_each_step_was_done_and_how_far_it_came(memory: Arena, one: Batch) -> None:
    one.put(0, "first", calls(("chdir", b"/")), "a remark")
    one.put(1, "second", calls(("chdir", b"/nowhere")))
    one.put(2, "end", leave(0))
    one.reset()

    assert REFUSED == born(memory, one)

    ((at, remark),) = one.done()
    assert at > 0
    assert "a remark" == remark
    one.reset()
    assert [] == one.done()


def test_it_waits_until_both_have_said_go(memory: Arena, one: Batch) -> None:
    waiting = Calls()
    one.wait(waiting, 0)
    one.wait(waiting, 1)
    one.put(0, "wait", waiting)
    one.put(1, "end", leave(4))
    pid, pidfd = memory.bear(one.first, CLONE(0))
    os.close(pidfd)

    one.go(1)
    assert (0, 0) == os.waitpid(pid, os.WNOHANG)
    one.go(0)
    assert 4 == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_signals_find_no_handler_of_the_parent_s(memory: Arena, one: Batch) -> None:
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        waiting = Calls()
        one.wait(waiting, 0)
        one.put(0, "wait", waiting)
        one.put(1, "end", leave(0))
        pid, pidfd = memory.bear(one.first, CLONE(0))
        signal.pidfd_send_signal(pidfd, signal.SIGTERM)
        os.close(pidfd)
        assert -signal.SIGTERM == os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_refused_birth_is_an_error(memory: Arena, one: Batch) -> None:
    with pytest.raises(OSError, match="clone3") as refusal:
        memory.bear(one.first, CLONE.FS | CLONE.NEWNS)
    assert errno.EINVAL == refusal.value.errno


def test_a_step_is_written_again_in_its_place_and_the_others_stay(memory: Arena, one: Batch, tmp_path: Path) -> None:
    one.put(0, "short", calls(("chdir", b"/")))
    one.put(1, "end", leave(5))
    assert one.holds(1, "end")

    one.put(0, "as long", calls(("chdir", b"/tmp")))
    assert one.holds(1, "end")
    assert 5 == born(memory, one)

    one.put(0, "longer", calls(("chdir", b"/" * 4000)))
    assert not one.holds(1, "end")
    assert 1 == one.steps


def test_more_than_there_is_room_for_is_not_written(one: Batch) -> None:
    with pytest.raises(Full):
        one.put(1, "much", calls(("chdir", b"/" * (1 << 16))))


def test_a_batch_that_is_taken_is_not_given_twice(memory: Arena, one: Batch) -> None:
    one.taken = True
    try:
        other = memory.free()
        assert other is not None
        assert other is not one
        assert other is memory.at(other.address)
    finally:
        one.taken = False


def test_both_machines_have_the_same_calls() -> None:
    assert batch._NUMBERS["x86_64"].keys() == batch._NUMBERS["aarch64"].keys()


@pytest.mark.parametrize("name", sorted(batch._NUMBERS["x86_64"]))
def test_a_number_is_what_the_kernel_s_headers_say(name: str) -> None:
    header = Path(f"/usr/include/{platform.machine()}-linux-gnu/asm/unistd_64.h")
    if not header.exists():
        header = Path("/usr/include/asm-generic/unistd.h")
    words = header.read_text().split()
    assert batch._NUMBERS[platform.machine()][name] == int(words[words.index(f"__NR_{name}") + 1])


# --- the other machine ------------------------------------------------------------------------------------------------

BASE, TABLE = 0x40_0000, 0x50_0000
MACHINES = {"x86_64": (62, 13, "qemu-x86_64-static"), "aarch64": (183, 16, "qemu-aarch64-static")}
"""e_machine; where the child's part of the code begins; who runs it."""


def program(monkeypatch: pytest.MonkeyPatch, machine: str, steps: list[Calls]) -> bytes:
    """An ELF file (elf(5)) of two segments: the child's part of the code, and a batch."""
    monkeypatch.setattr(platform, "machine", lambda: machine)
    room = memoryview(bytearray(1 << 16))
    one = Batch(room, TABLE)
    for place, step in enumerate(steps):
        one.put(place, place, step)
    number, begins, _ = MACHINES[machine]
    # Table into the register that clone3's third argument is in: movabs rdx, TABLE; or movz x2, TABLE >> 16, lsl 16.
    first = one.first
    load = (
        b"\x48\xba" + struct.pack("<Q", first)
        if machine == "x86_64"
        else struct.pack("<II", 0xD2A00002 | (first >> 16) << 5, 0xF2800002 | (first & 0xFFFF) << 5)
    )
    code = load + arena._CODE[machine][begins:]
    header = struct.pack(
        "<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, number, 1, BASE + mmap.PAGESIZE, 64, 0, 0, 64, 56, 2, 0, 0, 0
    )
    segments = b"".join(
        struct.pack("<IIQQQQQQ", 1, flags, offset, address, address, size, size, 0x1000)
        for flags, offset, address, size in ((5, 0x1000, BASE + 0x1000, len(code)), (6, 0x2000, TABLE, len(room)))
    )
    return (header + segments).ljust(0x1000, b"\0") + code.ljust(0x1000, b"\0") + bytes(room)


@pytest.mark.parametrize("machine", MACHINES)
def test_the_code_of_each_machine_goes_through_a_batch(
    monkeypatch: pytest.MonkeyPatch, machine: str, tmp_path: Path
) -> None:
    emulator = shutil.which(MACHINES[machine][2])
    if emulator is None:
        pytest.skip(f"needs {MACHINES[machine][2]}; apt-get install qemu-user-static")
    made = Calls()
    file = made.add("openat", AT_FDCWD, b"here", os.O_CREAT | os.O_WRONLY, 0o600)
    made.add("write", file, b"said", 4)
    made.add("close", file)
    steps = [
        made,
        calls(("mkdirat", AT_FDCWD, b".", 0o700), unless=errno.EEXIST),
        calls(("chdir", b"nowhere"), anyway=True),
        calls(("write", 1, b"out\n", 4)),
        calls(("chdir", b"nowhere")),
        leave(1),
    ]
    file_name = tmp_path / "program"
    file_name.write_bytes(program(monkeypatch, machine, steps))
    file_name.chmod(0o700)

    done = subprocess.run([emulator, file_name], cwd=tmp_path, capture_output=True, text=True, timeout=60)

    assert (REFUSED, "out\n", "") == (done.returncode, done.stdout, done.stderr)
    assert "said" == (tmp_path / "here").read_text()
