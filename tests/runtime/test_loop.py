"""The supervisor's event loop."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

import pytest

from contlab.runtime.loop import Loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop._epoll.close()


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for fd in ends:
        try:
            os.close(fd)
        except OSError:
            continue  # the test has


def test_who_waits_for_an_end_is_not_woken_by_words(loop: Loop, pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    called: list[bytes] = []

    def end() -> None:
        called.append(os.read(reading, 100))
        loop.stop()

    def pause() -> None:
        called.append(b"a pause")
        os.close(writing)

    loop.quiet = 0.001
    loop.when_quiet(pause)
    loop.watch(reading, end, only_end=True)
    os.write(writing, b"words")

    loop.run()

    assert [b"a pause", b"words"] == called, "the words are read with the end"


def test_a_quiet_moment_is_told_once_until_something_happens(loop: Loop, pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    told: list[str] = []
    later: list[subprocess.Popen[bytes]] = []

    def quiet() -> None:
        told.append("quiet")
        if told.count("quiet") == 2:
            loop.stop()
        else:  # so much later that a second pause would have been told
            later.append(subprocess.Popen(["sh", "-c", "sleep 0.1; echo x"], stdout=writing))

    def read() -> None:
        os.read(reading, 100)
        told.append("read")

    loop.quiet = 0.005
    loop.when_quiet(quiet)
    loop.watch(reading, read)

    loop.run()
    later[0].wait(10)

    assert ["quiet", "read", "quiet"] == told


def test_before_each_wait_one_is_asked(loop: Loop, pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    order: list[str] = []

    def read() -> None:
        os.read(reading, 1)
        order.append("read")

    def wait() -> None:
        order.append("wait")
        if order.count("wait") == 3:
            loop.stop()
            os.write(writing, b"3")  # else it would wait for ever
        else:
            os.write(writing, b"x")

    loop.before_waiting(wait)
    loop.watch(reading, read)

    loop.run()

    assert ["wait", "read", "wait", "read", "wait", "read"] == order
