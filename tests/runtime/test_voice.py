"""What the supervisor says, and when."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from contlab.runtime import events, stage
from contlab.runtime.operation import Mount, SetHostname
from contlab.runtime.voice import FULL, LONGEST, Voice


class Heard:
    """A voice, and the ear at its other end."""

    def __init__(self) -> None:
        ours, self.ear = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ear.setblocking(False)
        self.unheard: list[None] = []
        self.voice = Voice(ours, "/run/contlab/contlab-1234/scratch/new", lambda: self.unheard.append(None))
        self.control = ours

    def messages(self) -> list[list[events.AnyEvent]]:
        found = []
        while True:
            try:
                message = self.ear.recv(1 << 20)
            except BlockingIOError:
                return found
            found.append([events.decode(line) for line in message.split(b"\n")])


@pytest.fixture
def heard() -> Iterator[Heard]:
    heard = Heard()
    yield heard
    heard.control.close()
    heard.ear.close()


def test_it_keeps_what_happens_until_it_speaks_and_then_tells_all_in_one_message(heard: Heard) -> None:
    heard.voice.operation("box", SetHostname("box"), stage.Report(0, 3.5))
    heard.voice.hostname("box", "box")
    assert [] == heard.messages()

    heard.voice.speak()
    ((done, answer),) = heard.messages()
    assert isinstance(done, events.OperationDone)
    assert (0, "SetHostname", 3.5) == (done.index, done.operation, done.microseconds)
    assert isinstance(answer, events.HostnameIs)
    assert done.at <= answer.at

    heard.voice.speak()
    assert [] == heard.messages(), "once is enough"


def test_a_time_is_that_of_the_event_and_not_of_the_telling(heard: Heard) -> None:
    heard.voice.operation("box", SetHostname("box"), stage.Report(0))
    heard.voice.operation("box", SetHostname("box"), stage.Report(1))
    heard.voice.link_read("x")
    heard.voice.speak()

    (told,) = heard.messages()
    assert sorted(event.at for event in told) == [event.at for event in told]
    assert told[0].at < told[2].at


def test_much_is_told_in_several_messages(heard: Heard) -> None:
    for index in range(15):
        heard.voice.operation("box", SetHostname("x" * LONGEST), stage.Report(index))
    heard.voice.speak()

    messages = heard.messages()
    assert len(messages) > 1
    told = [event.index for message in messages for event in message if isinstance(event, events.OperationDone)]
    assert list(range(15)) == told
    assert all(sum(len(events.encode(event)) for event in message) < FULL + 3 * LONGEST for message in messages)


def test_nobody_hears_of_the_steps_of_an_untold_container_but_of_those_that_were_refused(heard: Heard) -> None:
    heard.voice.untold.add("box")
    heard.voice.operation("box", SetHostname("box"), stage.Report(0))
    heard.voice.operation("other", SetHostname("other"), stage.Report(0))
    heard.voice.operation("box", SetHostname("box"), stage.Report(1, errno=1, error="EPERM"))
    heard.voice.speak()

    (told,) = heard.messages()
    assert [("other", 0), ("box", 1)] == [(event.container, event.errno) for event in told]  # type: ignore[union-attr]


def test_the_run_s_own_long_path_is_told_as_root_and_a_remark_comes_with_the_words(heard: Heard) -> None:
    mount = Mount("proc", "/run/contlab/contlab-1234/scratch/new/proc")
    heard.voice.operation("box", mount, stage.Report(0, remark="the host's instead"))
    heard.voice.operation("box", mount, stage.Report(1))
    heard.voice.speak()

    ((first, second),) = heard.messages()
    assert isinstance(first, events.OperationDone)
    assert isinstance(second, events.OperationDone)
    assert "mount proc on $ROOT/proc (the host's instead)" == first.describe
    assert "mount proc on $ROOT/proc" == second.describe


def test_who_speaks_to_nobody_says_so(heard: Heard) -> None:
    heard.ear.close()
    heard.voice.hostname("box", None)
    heard.voice.speak()

    assert [None] == heard.unheard


def test_it_knows_for_how_long_it_has_kept_something(heard: Heard) -> None:
    assert 0 == heard.voice.kept_for
    heard.voice.hostname("box", None)
    first = heard.voice.kept_for
    heard.voice.hostname("box", None)
    assert 0 < first < heard.voice.kept_for
    heard.voice.speak()
    assert 0 == heard.voice.kept_for
