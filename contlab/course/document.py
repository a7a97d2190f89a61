"""Document: one Markdown file -> Lesson. Every ``##`` is a step, every ``toml KIND`` fence a block, the rest is prose.

Reading never stops at a mistake: what can be understood becomes the lesson, what can't is in ``Draft.mistakes``.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from pathlib import Path
from typing import Any

import msgspec
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.front_matter import front_matter_plugin

from contlab.course.blocks import KINDS, Earlier, Fence, blocks
from contlab.course.front import front_matter
from contlab.course.lesson import Block, Lesson, Prose, Step
from contlab.course.mistake import Mistake, Mistakes
from contlab.course.places import Places
from contlab.errors import LessonError


class Draft(msgspec.Struct, frozen=True):
    """A lesson as far as it could be read, and what is wrong with it."""

    lesson: Lesson
    mistakes: tuple[Mistake, ...]
    unread: dict[int, str] = {}
    """Blocks that are not in the lesson because they can't be read: line -> the block's name, "" where it has none."""


def read(path: Path) -> Draft:
    """The file's lesson; LessonError only when there is no readable file."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise LessonError(
            f"can't read {path}: {error.strerror}", "Name a lesson's file, or see: contlab lessons list"
        ) from None
    except UnicodeDecodeError as error:
        raise LessonError(f"{path} is not UTF-8 text (byte {error.start})", "Save it as UTF-8.") from None
    return parse(text, path)


def parse(text: str, path: Path) -> Draft:
    """The text's lesson; ``path`` is only what mistakes call it, and its folder is the track."""
    mistakes = Mistakes(path)
    reader = _Reader(text, mistakes)
    tokens = MarkdownIt("commonmark").use(front_matter_plugin).parse(text)
    values: dict[str, Any] = front_matter("", 1, mistakes) if not _front(tokens) else {}
    for place, token in enumerate(tokens):
        match token.type:
            case "front_matter":
                values = front_matter(token.content, 2, mistakes)
                reader.skip(token)
            case "heading_open" if token.level == 0 and token.markup in ("#", "##"):
                reader.heading(token, _plain_text(tokens[place + 1]))
            case "fence" if (words := token.info.split()) and words[0] == "toml" and len(words) > 1:
                reader.fence(token, " ".join(words[1:]))
            case _:
                pass
    intro, steps = reader.finish()
    if not steps:
        mistakes.add(0, "a lesson needs at least one step: a line that begins with `## `")
    lesson = Lesson(path=path, track=path.parent.name, steps=steps, intro=intro, **values)
    return Draft(lesson, mistakes.found, reader.unread)


class _Reader:
    """Goes through a document from top to bottom and cuts it into steps and blocks."""

    def __init__(self, text: str, mistakes: Mistakes) -> None:
        self.lines = text.splitlines()
        self.mistakes = mistakes
        self.earlier = Earlier()
        self.intro: tuple[Block, ...] = ()
        self.steps: list[Step] = []
        self.unread: dict[int, str] = {}
        self._blocks: list[Block] = []
        self._title: tuple[str, int] | None = None
        self._prose_from = 0

    def skip(self, token: Token) -> None:
        """What lies between the last block and this one is prose; this one is not."""
        start, end = token.map or (0, 0)
        self._prose(start)
        self._prose_from = end

    def heading(self, token: Token, title: str) -> None:
        """A step begins; a single ``#`` is the page's own title, which the front matter has already."""
        self.skip(token)
        if token.markup == "##":
            self._close()
            self._title = (title, (token.map or [0])[0] + 1)

    def fence(self, token: Token, kind: str) -> None:
        """A block: decoded, or its mistake noted."""
        line = (token.map or [0])[0] + 1
        if token.level:
            self.mistakes.add(line, f"the `toml {kind}` block must begin at the left margin, in no list or quote")
            return
        self.skip(token)
        found = self._blocks_of(token, kind, line)
        if not found:
            name = re.search(r"""^\s*name\s*=\s*["']([^"']*)["']""", token.content, re.MULTILINE)
            self.unread[line] = name[1] if name else ""
        self._blocks.extend(found)

    def _blocks_of(self, token: Token, kind: str, line: int) -> tuple[Block, ...]:
        if kind not in KINDS:
            self.mistakes.unknown(line, "kind of block", kind, KINDS)
            return ()
        try:
            table = tomllib.loads(token.content)
        except tomllib.TOMLDecodeError as error:
            self.mistakes.add(*_toml_mistake(error, token.content, line + 1))
            return ()
        places = Places(token.content, line + 1)
        return blocks(Fence(kind, line, table, places, self.mistakes), self.earlier)

    def finish(self) -> tuple[tuple[Block, ...], tuple[Step, ...]]:
        """What stood before the first step, and the steps."""
        self._prose(len(self.lines))
        self._close()
        return self.intro, tuple(self.steps)

    def _prose(self, end: int) -> None:
        start = self._prose_from
        while start < end and not self.lines[start].strip():
            start += 1
        text = "\n".join(self.lines[start:end]).strip()
        if text:
            self._blocks.append(Prose(text, start + 1))

    def _close(self) -> None:
        if self._title is None:
            self.intro = tuple(self._blocks)
        else:
            title, line = self._title
            self.steps.append(Step(title, slug(title), line, tuple(self._blocks)))
        self._blocks = []


def slug(title: str) -> str:
    """A title as progress keeps it: ``A new root (chroot)`` is ``a-new-root-chroot``."""
    ascii_text = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", ascii_text.lower()).strip("-") or "step"


def _front(tokens: list[Token]) -> bool:
    return any(token.type == "front_matter" for token in tokens)


def _plain_text(inline: Token) -> str:
    """A heading's words without its markup."""
    return "".join(child.content for child in inline.children or ()).strip()


def _toml_mistake(error: tomllib.TOMLDecodeError, text: str, first: int) -> tuple[int, str]:
    """The file's line, and what is wrong with the TOML there."""
    reason, _, place = str(error).partition(" (at ")
    found = re.match(r"line (\d+)", place)
    line = first + (int(found[1]) if found else max(text.count("\n"), 1)) - 1
    return line, f"this is not TOML: {reason[:1].lower()}{reason[1:]}"
