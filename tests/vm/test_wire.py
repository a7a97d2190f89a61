"""The words between contlab and a guest's agent."""

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contlab.errors import UnavailableError
from contlab.vm import wire
from contlab.vm.wire import Decoder, Reply


def frame(number, status, content):
    return b"contlab1 %d %d %d\n%s" % (number, status, len(content), content)


def test_a_request_is_one_line_of_plain_words():
    assert wire.encode(7, "start", "run-1", "echo 'a b'\n") == b"7 start run-1 echo\\0040\\0047a\\0040b\\0047\\0012\n"


@pytest.mark.parametrize("argument", ["", "a\0b"])
def test_what_a_shell_cannot_be_given_is_refused(argument):
    with pytest.raises(ValueError, match="a shell can't be given"):
        wire.encode(1, "read", argument)


def test_a_shells_printf_gives_an_argument_back_to_the_byte():
    argument = "tab\t$HOME `x` \\n %s é \udcff * ' \"\n\n"
    word = wire.encode(1, "start", argument).split(b" ")[2].rstrip(b"\n")
    printed = subprocess.run(["/bin/sh", "-c", 'printf %b "$1"', "sh", word], capture_output=True, check=True).stdout
    assert printed == argument.encode(errors="surrogateescape")


replies = st.lists(st.builds(Reply, st.integers(0, 999), st.integers(0, 255), st.binary(max_size=80)), max_size=5)


@settings(deadline=None)
@given(replies, st.binary(max_size=30), st.integers(1, 40))
def test_replies_are_whole_however_the_bytes_come(expected, noise, step):
    stream = noise.replace(b"contlab", b"") + b"\r\n"
    stream += b"".join(frame(reply.number, reply.status, reply.content) for reply in expected)
    decoder = Decoder()
    found = [reply for at in range(0, len(stream), step) for reply in decoder.feed(stream[at : at + step])]
    assert found == expected


def test_content_that_looks_like_a_reply_is_content():
    inner = frame(9, 0, b"inner")
    assert Decoder().feed(frame(1, 0, inner) + frame(2, 0, b"")) == [Reply(1, 0, inner), Reply(2, 0, b"")]


def test_noise_between_replies_is_passed_over_and_not_kept():
    decoder = Decoder()
    assert decoder.feed(b"login: " * 100_000) == []
    assert len(decoder._held) < 100
    assert decoder.feed(b"contlab? contlab1 x\n" + frame(3, 0, b"ok")) == [Reply(3, 0, b"ok")]


def test_a_length_that_no_guest_would_send_is_noise():
    assert Decoder().feed(b"contlab1 1 0 99999999999\n" + frame(3, 0, b"ok")) == [Reply(3, 0, b"ok")]


def test_another_version_is_named():
    with pytest.raises(UnavailableError, match="version 2 of the protocol, contlab 1"):
        Decoder().feed(b"contlab2 1 0 0\n")
