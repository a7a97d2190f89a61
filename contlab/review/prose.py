"""Prose: whether a place in a note is text, or code or a comment, where Obsidian sees neither tags nor links."""

from __future__ import annotations

import re

_BLOCK = re.compile(
    rb"^(?P<fence>```+|~~~+).*?(?:^(?P=fence)|\Z)|%%.*?(?:%%|\Z)|<!--.*?(?:-->|\Z)", re.MULTILINE | re.DOTALL
)


def is_prose(data: bytes, at: int, body: int = 0) -> bool:
    """Whether ``data[at]`` is read as text; ``body`` is where the note's text begins."""
    line = data.rfind(b"\n", 0, at) + 1
    if data.count(b"`", line, at) % 2:
        return False
    if data.rfind(b"[[", line, at) > data.rfind(b"]]", line, at) or data.rfind(b"](", line, at) > data.rfind(
        b")", line, at
    ):
        return False
    for mark in (b"```", b"~~~", b"%%", b"<!--"):
        # One byte is found many times faster than three; most notes have none of these marks.
        if data.find(mark[:1], body, at) >= 0 and data.find(mark, body, at) >= 0:
            return not any(block.start() <= at < block.end() for block in _BLOCK.finditer(data, body))
    return True
