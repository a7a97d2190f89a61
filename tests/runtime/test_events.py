"""Events and requests survive the socket: one JSON message each, whatever is in it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contlab.runtime import events, protocol
from contlab.runtime.spec import (
    Bind,
    ContainerSpec,
    IdMap,
    IoLimit,
    Limits,
    Namespace,
    RootMethod,
    TimeOffsets,
    Tmpfs,
)

HOSTILE = 'a "b" \\ \n\x1b[31m é 日本 \x7f'

EVENTS: list[events.AnyEvent] = [
    events.Ready(container="", at=1.5, pid=7),
    events.OperationDone(
        container="box", at=2.0, index=3, operation="Mount", describe=HOSTILE, shell=HOSTILE, side="container",
        microseconds=0.25, errno=1, error=HOSTILE,
    ),
    events.Started(container="box", at=3.0, pid=8, ready_us=1500.5, cgroups={"": "/a", "memory": "/b"},
                   missing={"pids": HOSTILE}, root="/r", peers={"eth0": HOSTILE}, unprotected=(HOSTILE,)),
    events.ExecStarted(container="box", at=4.0, exec_id=1, pid=9, ready_us=10.0),
    events.Exited(container="box", at=5.0, pid=8, exit_code=3),
    events.Exited(container="box", at=5.0, pid=8, signal=9, oom_killed=True),
    events.ExecExited(container="box", at=6.0, pid=9, exit_code=0, exec_id=1),
    events.Failed(container="box", at=7.0, message=HOSTILE, hint=HOSTILE, exit_code=127, exec_id=2),
    events.Removed(container="box", at=8.0, removed=("/a", HOSTILE)),
    events.GroupReady(container="machine", at=9.0, cgroups={"": "/a"}),
    events.HostnameIs(container="box", at=9.0, hostname=HOSTILE),
    events.HostnameIs(container="box", at=9.0, hostname=None),
    events.LinkRead(container="", at=9.0, text=HOSTILE, errno=13),
    events.FrozenIs(container="box", at=9.0, frozen=True),
    events.LinkIs(container="box", at=9.0, up=True, message=HOSTILE, hint=HOSTILE),
]  # fmt: skip

SPEC = ContainerSpec(
    command=("sh", "-c", HOSTILE),
    namespaces=frozenset({Namespace.PID, Namespace.TIME}),
    root=RootMethod.CHROOT,
    binds=(Bind("/a", "/b", True),),
    tmpfs=(Tmpfs("/t", 1),),
    files={"/f": HOSTILE},
    environment={"A": HOSTILE},
    limits=Limits(1 << 40, 0.5, 3, 1 << 39, 0, 7, (IoLimit("8:0", rbps=1), IoLimit("/dev/sdb", wiops=2)), True),
    group="machine",
    id_map=(IdMap(0, 2, 3), IdMap(3, 9, 1)),
    gid_map=IdMap(1, 2, 3),
    time_offsets=TimeOffsets(-1, 86_400),
    network="lan",
    address="10.77.1.9/24",
    user=5,
    capabilities=frozenset({"CAP_KILL"}),
)

REQUESTS: list[protocol.AnyRequest] = [
    protocol.CreateGroup(container="machine", limits=Limits(memory=5)),
    protocol.Spawn(container="box", spec=SPEC, rootfs="/r", requested_at=1.25),
    protocol.Exec(container="box", exec_id=4, command=("ls", HOSTILE), environment={"B": HOSTILE}, requested_at=2.5),
    protocol.Signal(container="box", number=15),
    protocol.Signal(container="box", number=2, exec_id=4, group=True),
    protocol.AskHostname(container="box"),
    protocol.ReadLink(container="", path=HOSTILE),
    protocol.Freeze(container="box", frozen=True),
    protocol.SetLink(container="box", up=False),
    protocol.Close(container="box"),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_comes_back_as_it_went_and_takes_one_line(event: events.AnyEvent) -> None:
    line = events.encode(event)

    assert b"\n" not in line
    assert event == events.decode(line)


def test_every_event_and_request_is_in_these_lists() -> None:
    assert set(events.AnyEvent.__args__) == {type(event) for event in EVENTS}
    assert set(protocol.AnyRequest.__args__) == {type(request) for request in REQUESTS}


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda request: type(request).__name__)
def test_a_request_comes_back_as_it_went(request_: protocol.AnyRequest) -> None:
    assert request_ == protocol.decode(protocol.encode(request_))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives(text: str) -> None:
    event = events.Failed(container=text, at=0.0, message=text)

    assert event == events.decode(events.encode(event))


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"{",
        b"null",
        b'{"event":"unknown"}',
        b'{"request":"spawn","container":"x"}',
        b'{"request":"close"}',
        b"\xff",
    ],
)
def test_what_is_no_message_is_refused(message: bytes) -> None:
    for decode in (events.decode, protocol.decode):
        with pytest.raises(msgspec.DecodeError):
            decode(message)


@pytest.mark.parametrize(
    ("exited", "status"),
    [({"exit_code": 0}, 0), ({"exit_code": 3}, 3), ({"signal": 9}, 137), ({}, 0)],
)
def test_the_status_is_a_shell_s(exited: dict[str, int], status: int) -> None:
    assert status == events.Exited(container="box", at=0.0, pid=1, **exited).status
