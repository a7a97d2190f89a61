"""A note's text on its way to the screen: Obsidian's Markdown as CommonMark, safe to draw, its answers covered."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote

from markdown_it import MarkdownIt
from markdown_it.rules_core import StateCore
from markdown_it.rules_inline import StateInline
from textual.content import Content

from contlab.tui.text import visible

LINES, LETTERS = 600, 60_000
"""Of a longer note the rest isn't drawn: each block is a widget."""
NESTED = 12
COVER = "· · ·"
MARK = "⟳"
"""Marks what can be run again."""

_WIKI = re.compile(r"(!?)\[\[([^\]|#\n]*)(#[^\]|\n]*)?(?:\|([^\]\n]*))?\]\]")
_HIGHLIGHT = re.compile(r"==(?=\S)([^=\n]+?)==")
_FENCE = re.compile(r"[ \t]{0,3}(```+|~~~+)")
_HIDDEN = re.compile(r"%%.*?(?:%%|\Z)|<!--.*?(?:-->|\Z)", re.DOTALL)
_CALLOUT = re.compile(r"([ \t>]*>[ \t]*)\[!([^\]|]+)[^\]]*\][-+]?[ \t]*(.*)")
_TASK = re.compile(r"([ \t>]*(?:[-*+]|\d+[.)])[ \t]+)\[(.)\][ \t]+")
_BLOCK_ID = re.compile(r"[ \t]+\^[\w-]+[ \t]*$")
_HEADING = re.compile(r"#{1,6}[ \t]+\S")
_ASKS = re.compile(r"(?:[-*>][ \t]+)?🤔.*\?[ \t]*$")
_ICONS = {"tip": "✦", "warning": "!", "danger": "✗", "bug": "✗", "question": "?", "success": "✓", "quote": "❝"}
_NO_WIDTH = re.compile("[\u200b\u2060\ufeff\u00ad\u200d]")
_EMOJI_STYLE = re.compile("(.)\ufe0f")


def steady(text: str) -> str:
    """One line, safe to draw, as wide on every terminal as Textual thinks.

    Terminals disagree on the width of joined emoji and of a narrow sign that U+FE0F asks to be an emoji (``⬅`` in
    ``⬅️``): those are drawn apart and narrow, so that borders stay where they are.
    """
    if text.isascii():
        return visible(text.replace("\t", "    "))
    text = _NO_WIDTH.sub("", text.replace("\u00a0", " ").replace("\t", "    "))
    return visible(_EMOJI_STYLE.sub(_narrow, text))


def _narrow(sign: re.Match[str]) -> str:
    return sign[1] if Content(sign[1]).cell_length == 1 else sign[0]


def markdown(text: str, marks: Mapping[int, tuple[tuple[str, int], ...]], *, covered: bool = False) -> str:
    """CommonMark for ``parser``. ``marks``: line of ``text`` from 0 -> what can be run again there, and its number.

    ``covered``: headings and questions alone, an answer being dots.
    """
    lines = text.split("\n")
    kept = [steady(_marked(line, marks.get(number, ()))) for number, line in enumerate(lines[:LINES])]
    shown = "\n".join(_lines("\n".join(kept)[:LETTERS].split("\n"), covered))
    rest = len(text) - sum(map(len, lines[:LINES])) - len(kept)
    if rest > 0 or len(lines) > LINES:
        shown += "\n\n*The rest of this note is not shown here.*"
    return shown


def asked_lines(text: str) -> frozenset[int]:
    """The lines, from 0, that stay in sight while a note is covered."""
    return frozenset(number for number, line, code in _coded(text.split("\n")) if not code and _asks(line))


def parser() -> MarkdownIt:
    """CommonMark and GitHub's tables, with wiki-links and highlights. HTML is text; a line ends where it ends."""
    made = MarkdownIt("gfm-like", {"html": False, "maxNesting": NESTED, "linkify": False})
    made.core.ruler.push("breaks", _breaks)
    made.inline.ruler.before("image", "wiki", _wiki)
    made.inline.ruler.before("emphasis", "highlight", _highlight)
    return made


def _marked(line: str, marks: tuple[tuple[str, int], ...]) -> str:
    """The line with the numbers of what can be run again: a heading's at its end, a term's behind it."""
    for text, number in marks:
        mark = f" [{MARK}{number}](again:{number})"
        place = line.find(f"**{text}**")
        if _HEADING.match(line) or place < 0:
            line = line.rstrip() + mark
        else:
            end = place + len(text) + 4
            line = line[:end] + mark + line[end:]
    return line


def _lines(lines: list[str], covered: bool) -> Iterator[str]:
    text = "\n".join(lines)
    coded = list(_coded(lines))
    hidden = _hidden(text, coded)
    covering = False
    for (_, line, code), gone in zip(coded, hidden, strict=True):
        if gone:
            continue
        if covered and (code or not _asks(line)):
            if line.strip() and not covering:
                yield from ("", COVER, "")
                covering = True
            continue
        if covering or (covered and not _HEADING.match(line)):
            yield ""
        covering = False
        yield line if code else _plain(line)
    if covered and not any(_asks(line) for _, line, code in coded if not code):
        yield "\n*What do you remember of it?*"


def _asks(line: str) -> bool:
    line = line.rstrip("\u00a0 \t")
    return bool(
        _HEADING.match(line) or _ASKS.match(line) or (_WIKI.search(line) and len(line) < 60 and line[0] not in "-*")
    )


def _coded(lines: list[str]) -> Iterator[tuple[int, str, bool]]:
    """Each line, and whether it is in a fenced block."""
    fence = ""
    for number, line in enumerate(lines):
        found = _FENCE.match(line)
        yield number, line, bool(fence or found)
        if found and not fence:
            fence = found[1]
        elif fence and line.strip().startswith(fence) and not line.strip().strip(fence[0]):
            fence = ""


def _hidden(text: str, coded: list[tuple[int, str, bool]]) -> list[bool]:
    """Which lines are comments and nothing else: Obsidian shows none of them."""
    spans = [found.span() for found in _HIDDEN.finditer(text)]
    gone, at = [], 0
    for _, line, code in coded:
        end = at + len(line)
        inside = not code and line.strip() and any(start <= at and end <= stop for start, stop in spans)
        gone.append(bool(inside))
        at = end + 1
    return gone


def _plain(line: str) -> str:
    """One line outside of code."""
    line = _BLOCK_ID.sub("", _HIDDEN.sub("", line))
    if callout := _CALLOUT.fullmatch(line):
        kind = callout[2].strip().lower()
        title = callout[3].strip() or kind.capitalize()
        return f"{callout[1]}**{_ICONS.get(kind, '▸')} {title}**  "
    return _TASK.sub(lambda task: task[1] + ("☐ " if task[2] == " " else "☑ "), line)


def _breaks(state: StateCore) -> None:
    for token in state.tokens:
        for child in token.children or ():
            if child.type == "softbreak":
                child.type = "hardbreak"


def _wiki(state: StateInline, silent: bool) -> bool:
    if (found := _WIKI.match(state.src, state.pos)) is None:
        return False
    if not silent:
        embedded, target, part, label = found.groups()
        name = label or f"{target}{' › ' if target and part else ''}{(part or '').lstrip('#^')}"
        state.push("link_open", "a", 1).attrs = {"href": f"note:{quote(target)}"}
        state.push("text", "", 0).content = f"▣ {name}" if embedded else name
        state.push("link_close", "a", -1)
    state.pos = found.end()
    return True


def _highlight(state: StateInline, silent: bool) -> bool:
    if (found := _HIGHLIGHT.match(state.src, state.pos)) is None:
        return False
    if not silent:
        state.push("strong_open", "strong", 1)
        state.push("text", "", 0).content = found[1]
        state.push("strong_close", "strong", -1)
    state.pos = found.end()
    return True
