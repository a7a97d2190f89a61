"""What a program's own header says it needs before it can run: ELF's dynamic section, or a script's ``#!`` line."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

SCRIPT_LINE = 256
"""Bytes of the first line that execve(2) reads (BINPRM_BUF_SIZE)."""


@dataclass(frozen=True, slots=True)
class Header:
    """One file's needs. All tuples are empty, and ``interpreter`` is None, for a static program."""

    kind: str
    """"elf" or "script"."""
    machine: str = ""
    """ELF class and e_machine ("64 EM_X86_64"): a library serves only a program of the same."""
    interpreter: str | None = None
    """PT_INTERP: the program that the kernel starts instead, to load the libraries; of a script, the ``#!`` program."""
    argument: str | None = None
    """A script's second word (``python3`` in ``#!/usr/bin/env python3``)."""
    needed: tuple[str, ...] = ()
    """DT_NEEDED, in order."""
    rpath: tuple[str, ...] = ()
    """DT_RPATH's directories: searched for this file's libraries and for theirs."""
    runpath: tuple[str, ...] = ()
    """DT_RUNPATH's directories: searched for this file's own libraries only."""


def read(path: str) -> Header | None:
    """The header of the file at ``path``; None when it is neither ELF nor a script, or is gone."""
    try:
        with Path(path).open("rb") as file:
            start = file.read(SCRIPT_LINE)
            if start.startswith(b"\x7fELF"):
                return parse_elf(start + file.read())
    except OSError:
        return None
    return parse_script(start) if start.startswith(b"#!") else None


def parse_script(start: bytes) -> Header | None:
    """The ``#!`` line, split as the kernel does: one program, and at most one argument."""
    words = start[2:].split(b"\n", 1)[0].strip(b" \t").split(None, 1)
    if not words:
        return None
    argument = words[1].decode(errors="surrogateescape").strip() if len(words) > 1 else None
    return Header("script", interpreter=words[0].decode(errors="surrogateescape"), argument=argument)


def parse_elf(content: bytes) -> Header | None:
    """The dynamic section of an ELF file; None when it is damaged."""
    from elftools.common.exceptions import ELFError  # slow to import, and not needed when the tree is cached
    from elftools.construct import ConstructError
    from elftools.elf.dynamic import DynamicSegment
    from elftools.elf.elffile import ELFFile
    from elftools.elf.segments import InterpSegment

    interpreter: str | None = None
    found: dict[str, list[str]] = {"DT_NEEDED": [], "DT_RPATH": [], "DT_RUNPATH": []}
    try:
        elf = ELFFile(io.BytesIO(content))
        machine = f"{elf.elfclass} {elf['e_machine']}"
        for segment in elf.iter_segments():
            if isinstance(segment, InterpSegment):
                interpreter = segment.get_interp_name()
            elif isinstance(segment, DynamicSegment):
                for tag in segment.iter_tags():
                    if tag.entry.d_tag in found:
                        found[tag.entry.d_tag].append(getattr(tag, tag.entry.d_tag[3:].lower()))
    except (ELFError, ConstructError, ValueError, KeyError, AttributeError, TypeError, OverflowError):
        return None  # pyelftools trusts offsets and types, so a damaged file ends in any of these
    return Header(
        "elf",
        machine,
        interpreter,
        needed=tuple(found["DT_NEEDED"]),
        rpath=_directories(found["DT_RPATH"]),
        runpath=_directories(found["DT_RUNPATH"]),
    )


def _directories(values: list[str]) -> tuple[str, ...]:
    return tuple(part for value in values for part in value.split(":") if part)
