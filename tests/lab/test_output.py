"""Reading what a command prints."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import tracemalloc

import pytest

from contlab.lab.output import KEPT, SHOWN, OutputReader

FLOOD = 100_000_000
LEFT_OUT = re.compile(r"\A\.\.\. (\d+) characters left out \.\.\.\n")


async def to_its_end(reader: OutputReader) -> None:
    async with asyncio.timeout(300):
        while reader.open:
            await asyncio.sleep(0.01)


async def flood(reader: OutputReader, size: int) -> int:
    """A child prints ``size`` bytes; returns the most memory that took."""
    with subprocess.Popen(["head", "-c", str(size), "/dev/zero"], stdout=reader.write_fd) as child:
        reader.child_has_it()
        tracemalloc.start()
        try:
            await to_its_end(reader)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert 0 == child.wait()
    return peak


async def test_a_flood_of_100_mb_takes_little_memory_and_every_character_is_shown_or_counted() -> None:
    pieces: list[str] = []
    reader = OutputReader(pieces.append)

    peak = await flood(reader, FLOOD)

    assert peak < 4 << 20
    assert KEPT == len(reader.kept)
    left_out = [int(found[1]) for piece in pieces if (found := LEFT_OUT.match(piece))]
    shown = [len(LEFT_OUT.sub("", piece)) for piece in pieces]
    assert left_out
    assert max(shown) == SHOWN
    assert FLOOD == sum(left_out) + sum(shown)


async def test_a_flood_does_not_keep_the_loop_from_its_other_work() -> None:
    reader = OutputReader(lambda _: None)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while reader.open:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(count())
    await flood(reader, FLOOD // 4)
    await counting

    assert turns > 10


async def test_a_reader_of_the_whole_leaves_nothing_out_and_makes_the_child_wait() -> None:
    sizes: list[int] = []
    reader = OutputReader(lambda piece: sizes.append(len(piece)), whole=True)

    peak = await flood(reader, FLOOD // 4)

    assert FLOOD // 4 == sum(sizes)
    assert peak < 4 << 20


async def test_a_character_split_over_two_reads_is_one_and_a_byte_that_is_none_is_shown_as_such() -> None:
    pieces: list[str] = []
    reader = OutputReader(pieces.append)

    for half in (b"caf\xc3", b"\xa9 \xff", b" \xe2\x82"):
        os.write(reader.write_fd, half)
        reader.drain()
    reader.child_has_it()
    await to_its_end(reader)

    assert "café \\xff \\xe2\\x82" == "".join(pieces) == reader.kept


async def test_what_is_left_of_a_character_is_told_when_reading_stops() -> None:
    pieces: list[str] = []
    reader = OutputReader(pieces.append)

    os.write(reader.write_fd, b"\xe2\x82")
    reader.drain()
    reader.child_has_it()
    reader.close()

    assert ["\\xe2\\x82"] == pieces


async def test_a_command_s_end_is_not_the_end_of_its_children_s_output() -> None:
    pieces: list[str] = []
    reader = OutputReader(pieces.append)
    command = "exec 3<&0; echo first; (read line <&3; echo second) & exec true"
    with subprocess.Popen(["sh", "-c", command], stdin=subprocess.PIPE, stdout=reader.write_fd) as child:
        reader.child_has_it()
        assert 0 == await asyncio.to_thread(child.wait)

        reader.drain()
        assert ["first\n"] == pieces
        assert reader.open

        assert child.stdin is not None
        child.stdin.write(b"go on\n")
        child.stdin.flush()
        await to_its_end(reader)

    assert ["first\n", "second\n"] == pieces


async def test_closing_stops_reading_and_may_be_done_twice() -> None:
    reader = OutputReader(lambda _: None)

    reader.close()
    reader.close()

    assert not reader.open
    with pytest.raises(BrokenPipeError):
        os.write(reader.write_fd, b"late")
    reader.child_has_it()


async def test_small_pieces_that_come_at_once_are_passed_on_together() -> None:
    pieces: list[str] = []
    reader = OutputReader(pieces.append)

    with subprocess.Popen(["seq", "1000"], stdout=reader.write_fd):
        reader.child_has_it()
        await to_its_end(reader)

    assert "".join(f"{n}\n" for n in range(1, 1001)) == "".join(pieces)
    assert len(pieces) < 10
