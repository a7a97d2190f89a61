"""QEMU's monitor, played by a test that knows the protocol's few words."""

import asyncio
import json
import socket

import pytest

from contlab.errors import UnavailableError
from contlab.vm import monitor as monitors
from contlab.vm.monitor import Monitor, State

ANSWERS = {
    "qmp_capabilities": {},
    "query-status": {"status": "running", "running": True},
    "query-memory-size-summary": {"base-memory": 134217728, "plugged-memory": 0},
    "query-kvm": {"enabled": False, "present": True},
}


GREETING = {"QMP": {"version": {"qemu": {"major": 7, "minor": 2, "micro": 0}, "package": ""}, "capabilities": []}}


async def play(end, stop_at=""):
    """The client writes one object at a time and waits for its answer; it ends none with a newline."""
    loop = asyncio.get_running_loop()
    end.setblocking(False)
    with end:
        await loop.sock_sendall(end, json.dumps(GREETING).encode() + b"\n")
        while data := await loop.sock_recv(end, 1 << 16):
            request = json.loads(data)
            if request["execute"] == stop_at:
                return
            reply = {"return": ANSWERS[request["execute"]], "id": request.get("id")}
            await loop.sock_sendall(end, json.dumps(reply).encode() + b"\n")


async def test_the_state_is_what_qemu_says():
    ours, theirs = socket.socketpair()
    playing = asyncio.create_task(play(theirs))
    monitor = Monitor(ours)
    assert await monitor.state() == State("running", 134217728, False)
    assert await monitor.state() == State("running", 134217728, False)
    await monitor.close()
    await playing


async def test_a_qemu_that_goes_is_an_error_in_words():
    ours, theirs = socket.socketpair()
    playing = asyncio.create_task(play(theirs, stop_at="query-status"))
    monitor = Monitor(ours)
    with pytest.raises(UnavailableError, match="does not answer"):
        await monitor.state()
    await monitor.close()
    await playing


async def test_a_qemu_that_says_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(monitors, "ANSWER", 0.05)
    ours, theirs = socket.socketpair()
    with theirs:
        monitor = Monitor(ours)
        with pytest.raises(UnavailableError, match="does not answer"):
            await monitor.state()
        await monitor.close()


async def test_one_that_was_never_asked_is_just_closed():
    ours, theirs = socket.socketpair()
    with theirs:
        await Monitor(ours).close()
        assert theirs.recv(1) == b""
