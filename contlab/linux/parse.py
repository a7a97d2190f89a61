"""What the parsers of kernel files share: their error, and numbers read from bytes."""

from __future__ import annotations

from collections.abc import Iterator


class ParseError(ValueError):
    """A kernel file does not read as its man page says."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(f"{kind}: {reason}")
        self.kind = kind
        """Which file, e.g. ``stat`` or ``memory.events``."""
        self.reason = reason


def text(raw: bytes) -> str:
    """Kernel text as a string: UTF-8 where it is, every other byte as ``\\xNN``."""
    return raw.decode("utf-8", "backslashreplace")


def number(kind: str, raw: bytes, base: int = 10) -> int:
    """An integer, or a ``ParseError`` that shows what stood in its place."""
    try:
        return int(raw, base)
    except ValueError:
        raise ParseError(kind, f"expected a number, found {text(raw)!r}") from None


def decimal(kind: str, raw: bytes) -> float:
    """A decimal fraction such as ``0.15``, or a ``ParseError``."""
    try:
        return float(raw)
    except ValueError:
        raise ParseError(kind, f"expected a decimal number, found {text(raw)!r}") from None


def rows(raw: bytes) -> Iterator[bytes]:
    """The lines that are not blank, without their newline.

    Only ``\\n`` ends a line: ``bytes.splitlines`` would also cut at a carriage return, which names may hold.
    """
    return (line for line in raw.split(b"\n") if line.strip())
