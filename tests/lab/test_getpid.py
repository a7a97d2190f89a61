"""The program that calls getpid(2): what a shell writes is the file, and it calls as often as it is told."""

from __future__ import annotations

import platform
import resource
import shutil
import signal
import struct
import subprocess
from pathlib import Path

import pytest

from contlab.lab import getpid

HERE = pytest.mark.skipif(platform.machine() not in ("x86_64", "aarch64"), reason="there is no code for this machine")


def shell(line: str, disk: Path, count: int) -> subprocess.CompletedProcess[bytes]:
    def a_second() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (1, 2))

    command = ["sh", "-c", f"n={count}; disk={disk}; {line}"]
    return subprocess.run(command, capture_output=True, check=False, preexec_fn=a_second)


@HERE
@pytest.mark.parametrize("count", [1, 0x01020304, 0xFF00FF00])
def test_the_shell_writes_the_program_and_the_count_byte_by_byte(count: int, tmp_path: Path) -> None:
    written = shell(getpid.line().replace("&& $f;", "&& cat $f;"), tmp_path, count)

    assert getpid.program(platform.machine()) + struct.pack("<I", count) == written.stdout


@HERE
def test_it_ends_after_so_many_calls_and_leaves_nothing(tmp_path: Path) -> None:
    assert 0 == shell(getpid.line(), tmp_path, 1000).returncode
    # Far more than a second's worth: it really calls.
    assert 128 + signal.SIGXCPU == shell(getpid.line(), tmp_path, 0xFFFF_FFFF).returncode
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(("machine", "elf_machine", "size"), [("x86_64", 62, 26), ("aarch64", 183, 32)])
def test_each_machine_s_file_is_an_executable_of_one_segment(machine: str, elf_machine: int, size: int) -> None:
    file = getpid.program(machine)

    assert b"\x7fELF\x02\x01\x01" == file[:7]
    assert (2, elf_machine) == struct.unpack_from("<HH", file, 16)
    entry, headers = struct.unpack_from("<QQ", file, 24)
    load, flags, offset, address = struct.unpack_from("<IIQQ", file, headers)
    assert (1, 5, 0, 120, size) == (load, flags, offset, entry - address, len(file) - 120)
    assert len(file) + 4 == struct.unpack_from("<Q", file, headers + 32)[0]


def test_another_machine_is_told_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")

    told = shell(getpid.line(), tmp_path, 1)

    assert (1, b"there is no code for riscv64\n") == (told.returncode, told.stdout)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_each_machine_s_file_calls_as_often_as_it_is_told(machine: str, tmp_path: Path) -> None:
    emulator = shutil.which(f"qemu-{machine}-static")
    if emulator is None:
        pytest.skip(f"needs qemu-{machine}-static; apt-get install qemu-user-static")
    file = tmp_path / "program"
    file.write_bytes(getpid.program(machine) + struct.pack("<I", 17))
    file.chmod(0o700)

    done = subprocess.run([emulator, "-strace", file], capture_output=True, text=True, timeout=60)

    assert 0 == done.returncode
    assert 17 == done.stderr.count("getpid()")
