"""Pseudoterminals of this host's own devpts."""

from __future__ import annotations

import errno
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from contlab.linux import terminal
from contlab.linux.errno import SyscallError


def test_a_pair_is_joined_and_has_the_size_it_is_given() -> None:
    master, slave = terminal.open_pair("/dev/ptmx")
    try:
        terminal.set_size(master, 33, 101)
        os.write(slave, b"printed\n")

        assert (33, 101) == terminal.size(slave)
        assert b"printed\r\n" == os.read(master, 100)
        assert f"/dev/pts/{terminal.number(master)}" == os.ttyname(slave)
        assert not os.get_inheritable(master)
        assert not os.get_inheritable(slave)
    finally:
        os.close(master)
        os.close(slave)


@pytest.mark.parametrize("make", [Path.touch, os.mkfifo], ids=["file", "fifo"])
def test_what_is_no_multiplexer_is_refused_and_not_waited_for(tmp_path: Path, make: object) -> None:
    """Root inside a container may have put it there before a further command comes in."""
    fake = tmp_path / "ptmx"
    make(fake)  # type: ignore[operator]

    with pytest.raises(SyscallError) as refusal:
        terminal.open_pair(str(fake))

    assert errno.ENOTTY == refusal.value.errno


def test_a_missing_devpts_is_a_refusal() -> None:
    with pytest.raises(SyscallError) as refusal:
        terminal.open_pair("/dev/no/ptmx")

    assert errno.ENOENT == refusal.value.errno


TAKER = """
import os, sys
from contlab.linux import terminal
os.setsid()
terminal.take("/dev/ptmx", 5, 40, None)
one = os.ttyname(0) == os.ttyname(1) == os.ttyname(2)
print(one, os.tcgetpgrp(0) == os.getpid(), sorted(os.listdir("/proc/self/fd")))
"""


def test_who_takes_a_terminal_is_controlled_by_it_and_keeps_no_other_end() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        process = subprocess.Popen([sys.executable, "-c", TAKER], stdin=theirs)
        _, (master,), _, _ = socket.recv_fds(ours, 16, 1)
        os.set_blocking(master, True)
        seen = b""
        while not seen.endswith(b"\n"):
            seen += os.read(master, 1000)
        assert b"True True ['0', '1', '2', '3']\r\n" == seen  # 3 is the directory that is listed
        assert 0 == process.wait(60)
        assert (5, 40) == terminal.size(master)
        assert stat.S_ISCHR(os.fstat(master).st_mode)
        os.close(master)
