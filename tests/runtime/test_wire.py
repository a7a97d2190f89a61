"""The client's end of the socket, with another end that reads when the test says so."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator

import pytest

from contlab.errors import RuntimeFailure
from contlab.runtime.protocol import MESSAGE_SIZE
from contlab.runtime.wire import Wire


class Ends:
    """Both ends, and what the wire told."""

    def __init__(self) -> None:
        ours, self.theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.heard: list[bytes] = []
        self.ended = asyncio.Event()
        self.wire = Wire(ours, self.heard.append, self.ended.set)


@pytest.fixture
async def ends() -> Iterator[Ends]:
    ends = Ends()
    yield ends
    ends.wire.close()
    ends.theirs.close()


async def test_a_full_socket_holds_nobody_up_and_nothing_is_lost_or_reordered(ends: Ends) -> None:
    messages = [b"%d " % number + b"x" * 10_000 for number in range(100)]
    for message in messages:
        ends.wire.send(message)  # much more than a socket holds

    ends.theirs.setblocking(False)
    loop = asyncio.get_running_loop()
    assert messages == [await loop.sock_recv(ends.theirs, MESSAGE_SIZE) for _ in messages]


async def test_descriptors_that_wait_may_be_closed_by_their_owner(ends: Ends) -> None:
    for _ in range(50):
        ends.wire.send(b"x" * 10_000)
    read, write = os.pipe()
    ends.wire.send(b"last", (write,))
    os.close(write)

    ends.theirs.setblocking(False)
    for _ in range(50):
        await asyncio.get_running_loop().sock_recv(ends.theirs, MESSAGE_SIZE)
    while not (received := _receive(ends.theirs)):
        await asyncio.sleep(0)
    message, (fd,) = received
    os.write(fd, b"here")

    assert (b"last", b"here") == (message, os.read(read, 10))
    os.close(fd)
    os.close(read)


def _receive(sock: socket.socket) -> tuple[bytes, list[int]] | None:
    try:
        message, fds, _, _ = socket.recv_fds(sock, 100, 1)
    except BlockingIOError:
        return None
    return message, fds


async def test_a_request_that_the_supervisor_would_not_read_whole_is_refused_with_what_to_shorten(ends: Ends) -> None:
    with pytest.raises(RuntimeFailure, match="is larger than") as refusal:
        ends.wire.send(b"x" * (MESSAGE_SIZE + 1))

    assert "Shorten" in refusal.value.hint


async def test_the_other_s_end_is_told_once_after_its_last_words(ends: Ends) -> None:
    ends.theirs.send(b"last words")
    ends.theirs.close()
    ends.wire.send(b"too late")

    await ends.ended.wait()

    assert [b"last words"] == ends.heard
    ends.wire.send(b"much too late")


async def test_an_end_with_our_words_unread_is_an_end(ends: Ends) -> None:
    ends.wire.send(b"never read")
    ends.theirs.close()  # ECONNRESET here

    await ends.ended.wait()
    assert [] == ends.heard
