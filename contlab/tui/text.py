"""Text from the kernel and from programs, made safe to draw: never markup, never a control code."""

from __future__ import annotations

import textwrap

from textual.content import Content

_ESCAPE = 0x1B
_DELETE = 0x7F


def visible(text: str) -> str:
    """The text with every character a terminal would obey made visible.

    C0 controls become their Unicode pictures (ESC ``␛``, newline ``␊``), all else that doesn't print (C1 controls,
    bidirectional overrides, zero-width characters) its escape, e.g. ``\\u202e``.
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _picture(letter) for letter in text)


def visible_lines(text: str) -> str:
    """``visible``, line by line."""
    return "\n".join(visible(line) for line in text.splitlines())


def _picture(letter: str) -> str:
    code = ord(letter)
    if code <= _ESCAPE + 4:
        return chr(0x2400 + code)
    if code == _DELETE:
        return "␡"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def safe(text: str, style: str = "") -> Content:
    """Kernel or program text as ``Content``: ``[kthreadd] [/] x`` is drawn as it is."""
    return Content.styled(visible(text), style) if style else Content(visible(text))


def script(command: str) -> list[str]:
    """A shell command's lines, without the indentation that all of them share."""
    return textwrap.dedent(command).strip("\n").splitlines()


def cell(value: str | Content, width: int, style: str = "", *, right: bool = False) -> Content:
    """One column of a row: cut with an ellipsis or padded to ``width`` terminal cells."""
    content = safe(value, style) if isinstance(value, str) else value
    if right and content.cell_length < width:
        return content.pad_left(width - content.cell_length)
    return content.truncate(width, ellipsis=True, pad=True)


def clip(value: str, width: int) -> str:
    """``value`` made visible and cut to ``width`` cells, without padding."""
    return Content(visible(value)).truncate(max(0, width), ellipsis=True).plain


def wrap(content: Content, width: int) -> list[Content]:
    """Rows of at most ``width`` cells, broken between words where that is possible."""
    return [content] if content.cell_length <= width else content.wrap(max(8, width))


def hang(prefix: Content, body: Content, width: int) -> list[Content]:
    """``prefix`` and the rows of ``body`` beside it, all but the first indented by the prefix's width."""
    indent = prefix.cell_length
    first, *rest = wrap(body, width - indent)
    return [Content.assemble(prefix, first), *(line.pad_left(indent) for line in rest)]
