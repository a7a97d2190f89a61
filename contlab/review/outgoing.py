"""Outgoing: what a note links to, as written."""

from __future__ import annotations

import re

from contlab.review.prose import is_prose

_LINKS = ((b"[", re.compile(rb"\[\[([^\]|#^\r\n]+)")), (b"]", re.compile(rb"\]\(<?([^)>#\r\n]+?\.md)[)>#]")))
"""The byte a link begins with, which is fast to find, and the whole of it."""


def links(data: bytes) -> tuple[str, ...]:
    """Targets of wiki-links and of Markdown links to notes, in the order of the text."""
    found: list[tuple[int, str]] = []
    for begins, whole in _LINKS:
        at = data.find(begins)
        while at >= 0:
            if (link := whole.match(data, at)) and is_prose(data, at):
                found.append((at, link[1].decode(errors="replace").strip()))
            at = data.find(begins, at + 1)
    return tuple(name for _, name in sorted(found))
