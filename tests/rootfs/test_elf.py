"""ELF headers and #! lines, whole and damaged."""

import random
import sys
from pathlib import Path

from contlab.rootfs import elf, host
from contlab.rootfs.elf import Header


def test_a_dynamic_program_names_its_loader_and_its_libraries():
    header = elf.read(host.program("ls") or "")
    assert header is not None
    assert (header.kind, header.needed[-1], Path(header.interpreter or "").is_file()) == ("elf", "libc.so.6", True)


def test_a_static_program_has_no_needs(tmp_path):
    """An ELF header with no program headers at all."""
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    rest = (
        b"\x02\x00\x3e\x00\x01\x00\x00\x00" + bytes(24) + bytes(4) + b"\x40\x00\x38\x00\x00\x00\x40\x00\x00\x00\x00\x00"
    )
    assert elf.parse_elf(ident + rest) == Header("elf", "64 EM_X86_64")


def test_a_script_line_is_split_into_one_program_and_one_argument():
    assert elf.parse_script(b"#! /usr/bin/env  -S a b \nrest") == Header(
        "script", interpreter="/usr/bin/env", argument="-S a b"
    )
    assert elf.parse_script(b"#!/bin/sh") == Header("script", interpreter="/bin/sh")
    assert elf.parse_script(b"#!\n") is None


def test_what_is_neither_elf_nor_script_has_no_header(tmp_path):
    (tmp_path / "text").write_text("hello")
    assert elf.read(str(tmp_path / "text")) is None
    assert elf.read(str(tmp_path / "gone")) is None
    assert elf.read(str(tmp_path)) is None


def test_damaged_elf_files_give_a_header_or_none_and_never_an_error():
    whole = bytearray(Path(sys.executable).resolve().read_bytes()[:4096])
    for seed in range(300):
        chance = random.Random(seed)
        damaged = whole[: chance.randrange(len(whole))]
        for _ in range(10):
            if damaged:
                damaged[chance.randrange(min(len(damaged), 900))] = chance.randrange(256)
        parsed = elf.parse_elf(bytes(damaged))
        assert parsed is None or parsed.kind == "elf"
