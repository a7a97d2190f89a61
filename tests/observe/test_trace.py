"""Recordings: what was written is read back, and what is damaged is said with its line."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from contlab.errors import ExitCode, TraceError
from contlab.observe.snapshot import PidView, Snapshot, Unavailable
from contlab.observe.trace import VERSION, TraceHeader, TraceWriter, read_header, read_trace


class Said(msgspec.Struct, frozen=True, tag="said"):
    text: str


class Looked(msgspec.Struct, frozen=True, tag="looked"):
    snapshot: Snapshot


DECODER = msgspec.json.Decoder(Said | Looked)
HEADER = TraceHeader(contlab="0.1", kernel="6.18.44", recorded="2026-11-24T10:00:00Z", subject="why-containers/01")
LINE = b'{"format":"contlab-trace","version":1}\n'


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lesson.jsonl"


def test_what_is_recorded_plays_back_the_same(path):
    odd = PidView(pid=1, inside=1, ppid=0, comm="[k] (x) \n\\xff) R\u2028", state="S")
    items = [
        Said("[kthreadd] [/] x\n"),
        Looked(Snapshot(target="t", at=1.5, processes=(odd,), mounts=Unavailable("gone"))),
        Said("end"),
    ]

    with TraceWriter(path, HEADER) as writer:
        for item in items:
            writer.write(item)

    assert read_header(path) == HEADER
    assert list(read_trace(path, DECODER)) == items


def test_an_item_is_in_the_file_as_soon_as_it_is_written(path):
    with TraceWriter(path, HEADER) as writer:
        writer.write(Said("now"))

        assert path.read_bytes().endswith(b'{"type":"said","text":"now"}\n')


def test_a_recorder_that_is_killed_loses_nothing_it_had_written(path):
    program = f"""
import os, signal, msgspec
from pathlib import Path
from contlab.observe.trace import TraceHeader, TraceWriter
class Said(msgspec.Struct, tag="said"):
    text: str
writer = TraceWriter(Path({str(path)!r}), TraceHeader())
for n in range(50): writer.write(Said(str(n)))
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", program], check=False)

    assert list(read_trace(path, DECODER)) == [Said(str(n)) for n in range(50)]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"", "it is empty"),
        (b"hello\n", "line 1"),
        (b'{"format":"asciicast","version":2}\n', "line 1 says format 'asciicast'"),
        (b'{"type":"said","text":"x"}\n', "line 1"),
        (b'{"format":"contlab-trace"}\n', "line 1"),
        (b"\x7fELF\x02\x01\n", "line 1"),
        (b'{"format":"contlab-tr', "line 1"),
    ],
)
def test_a_file_that_is_no_recording_is_refused(path, content, line):
    path.write_bytes(content)

    with pytest.raises(TraceError, match=r"is no recording: ") as refused:
        list(read_trace(path, DECODER))

    assert line in refused.value.message
    assert refused.value.hint
    assert refused.value.exit_code is ExitCode.TRACE


def test_a_recording_by_a_newer_contlab_is_refused_whatever_else_its_header_holds(path):
    path.write_bytes(b'{"format":"contlab-trace","version":%d,"kernel":{"name":"7.0"}}\n' % (VERSION + 1))

    with pytest.raises(TraceError, match=r"newer contlab: line 1 says version 2, this one reads 1"):
        read_header(path)


def test_a_cut_off_last_line_is_named_after_everything_whole_was_played(path):
    path.write_bytes(LINE + b'{"type":"said","text":"a"}\n{"type":"said","te')
    items = read_trace(path, DECODER)

    assert next(items) == Said("a")
    with pytest.raises(TraceError, match=r"is cut off: line 3 ends in the middle"):
        next(items)


@pytest.mark.parametrize(
    "garbage", [b"\x00\xff\n", b"{}\n", b'{"type":"other"}\n', b'{"type":"said","text":1}\n', b"\n"]
)
def test_garbage_in_the_middle_is_named_by_its_line(path, garbage):
    path.write_bytes(LINE + b'{"type":"said","text":"a"}\n' + garbage + b'{"type":"said","text":"b"}\n')
    items = read_trace(path, DECODER)

    assert next(items) == Said("a")
    with pytest.raises(TraceError, match=r"is damaged: line 3: "):
        next(items)


def test_a_file_that_can_not_be_read_or_written_is_said_with_its_reason(tmp_path):
    with pytest.raises(TraceError, match=r"can't be read: No such file"):
        read_header(tmp_path / "nothing")
    with pytest.raises(TraceError, match=r"can't be written: No such file"):
        TraceWriter(tmp_path / "no" / "folder", HEADER)


def test_a_full_disk_is_said_and_not_swallowed():
    with pytest.raises(TraceError, match=r"/dev/full can't be written: No space left"):
        TraceWriter(Path("/dev/full"), HEADER)


def test_no_descriptor_is_left_open_by_a_reader_that_stops_early(path):
    with TraceWriter(path, HEADER) as writer:
        writer.write(Said("a"))
    before = len(os.listdir("/proc/self/fd"))

    items = read_trace(path, DECODER)
    next(items)
    items.close()

    assert len(os.listdir("/proc/self/fd")) == before


def test_a_packed_recording_is_read_and_a_cut_one_named(tmp_path):
    packed = tmp_path / "lesson.jsonl.gz"
    whole = gzip.compress(LINE + b'{"type":"said","text":"a"}\n' * 999)
    packed.write_bytes(whole)
    assert [Said("a")] * 999 == list(read_trace(packed, DECODER))

    packed.write_bytes(whole[:-9])
    with pytest.raises(TraceError, match="is damaged"):
        list(read_trace(packed, DECODER))

    packed.write_bytes(b"not packed at all")
    with pytest.raises(TraceError, match="is damaged"):
        read_header(packed)
