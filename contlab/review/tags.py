"""Tags: which of a vault's review tags a note carries, as the plugin and Obsidian count them.

A tag counts in its properties and in its text, as saved and with its encoding repaired. Matching is the plugin's:
``#review`` takes in ``#review/book``, not ``#reviewed`` nor ``#Review``.
"""

from __future__ import annotations

import re

import yaml

from contlab.review.mojibake import damage, repair
from contlab.review.note import Note
from contlab.review.prose import is_prose

_TAG = re.compile(r"#[^\u2000-\u206F\u2E00-\u2E7F'!\"#$%&()*+,.:;<=>?@^`{|}~\[\]\\\s]+")
_USUAL = re.compile(
    rb"tags:[ \t]*(?:\r?\n[ \t]*- [^\s\"'#\[\]{},&*!|>%@`:?-][^\r\n\"'#\[\]{},:]*)+(?=\r?\n(?:[^\s-]|---))"
)
"""A property ``tags`` as Obsidian writes it: a list of plain words."""


def matches(entry: str, tag: str) -> bool:
    """Whether ``tag`` is the settings' ``entry`` or lies below it."""
    return tag == entry or tag.startswith(entry + "/")


class TagFinder:
    """Looks for some tags in many notes."""

    def __init__(self, entries: tuple[str, ...]) -> None:
        self.entries = entries
        names = [entry.removeprefix("#") for entry in entries]
        forms = {form.encode() for name in names for form in (name, damage(name), repair(name)) if name}
        any_name = b"|".join(re.escape(form) for form in sorted(forms)) or rb"(?!)"
        self._name = re.compile(any_name)
        self._seen: dict[bytes, tuple[str, ...]] = {}
        self._inline = re.compile(rb"#(?:" + any_name + rb")")

    def find(self, data: bytes, start: int, end: int) -> tuple[str, ...]:
        """The entries that a note carries whose properties stand from ``start`` to ``end``.

        In most notes of a large vault the bytes of a tag's name are nowhere, and that is quickly seen.
        """
        if not self.entries:
            return ()
        found = self._in_properties(data, start, end) if self._name.search(data, start, end) else ()
        if self._inline.search(data, end):
            tags = {text for tag in self._inline.finditer(data, end) for text in _inline_tag(data, tag.start(), end)}
            found = tuple(entry for entry in self.entries if entry in found or entry in self._entries(tags))
        return found

    def _in_properties(self, data: bytes, start: int, end: int) -> tuple[str, ...]:
        """Many notes of a vault have the same lines of tags: each such block is understood once."""
        at = data.find(b"tag", start, end)
        usual = _USUAL.match(data, at) if at >= 0 and data[at - 1] == 0x0A else None
        is_all = usual and data.find(b"tag", usual.end(), end) < 0
        block = usual[0] if usual and is_all else data[start:end]
        if (found := self._seen.get(block)) is None:
            found = self._seen[block] = self._entries(property_tags(block))
        return found

    def _entries(self, tags: set[str]) -> tuple[str, ...]:
        return tuple(entry for entry in self.entries if any(_matches_somehow(entry, tag) for tag in tags))


def _matches_somehow(entry: str, tag: str) -> bool:
    return matches(entry, tag) or matches(repair(entry), repair(tag))


def inline_tags(note: Note) -> set[str]:
    """The tags in a note's text, each with its ``#``."""
    data, at, tags = note.data, note.data.find(b"#", note.end), set[str]()
    while at >= 0:
        tags |= _inline_tag(data, at, note.end)
        at = data.find(b"#", at + 1)
    return tags


def _inline_tag(data: bytes, at: int, body: int) -> set[str]:
    """The tag whose ``#`` stands at ``at``, as saved and as repaired; none where Obsidian sees none."""
    line_start, line_end = data.rfind(b"\n", 0, at) + 1, data.find(b"\n", at)
    before = data[line_start:at].decode(errors="replace")
    if before and not before[-1].isspace():
        return set()
    text = data[at : line_end if line_end >= 0 else len(data)].decode(errors="replace")
    found = {tag[0] for form in (text, repair(text)) if (tag := _TAG.match(form)) and not tag[0][1:].isdigit()}
    return found if found and is_prose(data, at, body) else set()


def property_tags(frontmatter: bytes) -> set[str]:
    """The tags in a note's properties, each with its ``#``; none where they are no valid YAML."""
    try:
        root = yaml.compose(frontmatter.decode(errors="replace"), Loader=yaml.CBaseLoader)
    except yaml.YAMLError:
        return set()
    tags: set[str] = set()
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if isinstance(key, yaml.ScalarNode) and key.value.lower() in ("tag", "tags"):
            nodes = value.value if isinstance(value, yaml.SequenceNode) else [value]
            texts = [node.value for node in nodes if isinstance(node, yaml.ScalarNode)]
            tags.update("#" + tag.removeprefix("#") for text in texts for tag in re.split(r"[,\s]+", text) if tag)
    return tags
