"""Wire: the words between contlab and the agent in a guest (guest/agent), over a serial line. Pure.

::

    to the guest      12 poll a 4096\\n                    one line, arguments written for printf %b
    from the guest    contlab1 12 0 8\\nrunning\\n          version, request, status, length; then so many bytes

The guest's bytes are taken by length, so they may be anything. What stands between replies is noise of the line (a
terminal's echo before it is raw) and passed over.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from contlab.errors import UnavailableError

VERSION = 1
HELLO = 0
"""The number of the reply that no request asked for: the agent is there. Its content is ``uname -r``."""

LONGEST = 64 << 20
"""Bytes of a reply; a longer one is noise that looks like a header."""

_HEADER = re.compile(rb"contlab(\d+) (\d+) (\d+) (\d+)\n")
_HEADER_MAX = 64
_SAFE = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_.:=+,-")


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer."""

    number: int
    status: int
    """0, or the exit status of what failed in the guest; then ``content`` is its words."""
    content: bytes


def encode(number: int, verb: str, *arguments: str) -> bytes:
    """One request. An argument may hold any character but NUL, and may not be empty."""
    return " ".join((str(number), verb, *map(_escape, arguments))).encode("ascii") + b"\n"


def _escape(argument: str) -> str:
    raw = argument.encode(errors="surrogateescape")
    if not raw or 0 in raw:
        raise ValueError(f"a shell can't be given {argument!r}")
    return "".join(chr(byte) if byte in _SAFE else f"\\0{byte:03o}" for byte in raw)


class Decoder:
    """Bytes as they come -> replies."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> list[Reply]:
        """Take what has come; returns the replies that are whole now. Another version is an error."""
        self._held += data
        replies = []
        while (reply := self._next()) is not None:
            replies.append(reply)
        return replies

    def _next(self) -> Reply | None:
        while (header := _HEADER.search(self._held)) is not None:
            version, number, status, length = map(int, header.groups())
            if length > LONGEST:
                del self._held[: header.end()]
                continue
            if version != VERSION:
                raise UnavailableError(
                    f"the guest's agent speaks version {version} of the protocol, contlab {VERSION}",
                    "Remove the cached guest images (contlab doctor --clean) and boot it again.",
                )
            del self._held[: header.start()]
            start = header.end() - header.start()
            if len(self._held) < start + length:
                return None
            content = bytes(self._held[start : start + length])
            del self._held[: start + length]
            return Reply(number, status, content)
        if len(self._held) > _HEADER_MAX:
            del self._held[:-_HEADER_MAX]  # noise, but its end may be a header's beginning
        return None
