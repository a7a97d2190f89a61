"""Bytes and times for people: binary units in and out, three digits at most."""

from __future__ import annotations

import re

_UNITS = "KMGTPE"
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*(?:([KMGTPE])(?:i?B)?|B)?", re.IGNORECASE | re.ASCII)


def parse_size(words: str) -> int | None:
    """``32M``, ``1.5GiB``, ``512 kb``, ``4096``, ``max`` (None: no limit) as bytes.

    Every unit is a power of 1024, as in cgroup files and docker's options. ValueError says what is possible.
    """
    stripped = words.strip()
    if stripped.lower() == "max":
        return None
    match = _SIZE.fullmatch(stripped)
    if not match:
        raise ValueError(f"{words!r} is no size: write a number with K, M, G or T (32M, 1.5GiB), plain bytes, or max")
    power = _UNITS.index(match[2].upper()) + 1 if match[2] else 0
    if not power and "." in match[1]:
        raise ValueError(f"{words!r} is no size: there are no parts of a byte")
    unit = 1 << 10 * power
    size = round(float(match[1]) * unit) if "." in match[1] else int(match[1]) * unit
    if size >= 1 << 63:
        raise ValueError(f"{words!r} is more than the kernel can count")
    return size


def format_size(size: float | None) -> str:
    """Bytes as ``512 B``, ``3.1 MiB``, ``64 MiB``; None as ``max``."""
    if size is None:
        return "max"
    if abs(size) < 1024:
        return f"{size:.0f} B"
    for unit in _UNITS:
        size /= 1024
        if abs(size) < 1023.5 or unit == _UNITS[-1]:
            break
    return f"{_three_digits(size)} {unit}iB"


def format_duration(microseconds: float) -> str:
    """µs as ``840 µs``, ``1.4 ms``, ``2.0 s``, ``1 min 30 s``."""
    if microseconds < 999.5:
        return f"{microseconds:.0f} µs"
    if microseconds < 999_500:
        return f"{_one_decimal(microseconds / 1000)} ms"
    seconds = microseconds / 1_000_000
    if seconds < 59.95:
        return f"{_one_decimal(seconds)} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def _three_digits(value: float) -> str:
    """``3.1`` but ``64`` and ``640``: a decimal only where it tells something."""
    return f"{value:.1f}".removesuffix(".0") if abs(value) < 99.95 else f"{value:.0f}"


def _one_decimal(value: float) -> str:
    return f"{value:.1f}" if abs(value) < 99.95 else f"{value:.0f}"
