"""Folders: the settings' ``noteFoldersToIgnore``, matched as the plugin does: by beginning, or by glob (minimatch)."""

from __future__ import annotations

import re
from collections.abc import Callable

_PART = re.compile(
    r"(?P<any>(?:^|(?<=/))\*\*/)|(?P<end>(?:^|(?<=/))\*\*$)|(?P<star>\*+)|(?P<one>\?)|(?P<set>\[[^\]/]+\])"
)
_BRACES = re.compile(r"\{([^{}]*)\}")


def ignorer(entries: tuple[str, ...]) -> Callable[[str], bool]:
    """A function that says whether a note's path in its vault is ignored."""
    beginnings = tuple(entry for entry in entries if entry)
    globs = [glob for entry in beginnings for glob in _expanded(entry)]
    tails = tuple(re.split(r"[*?\]]", glob)[-1] for glob in globs)  # most paths end otherwise, and that is quickly seen
    whole = re.compile("|".join(map(_pattern, globs)))

    def is_ignored(path: str) -> bool:
        return path.startswith(beginnings) or (path.endswith(tails) and whole.fullmatch(path) is not None)

    return is_ignored


def _expanded(glob: str) -> list[str]:
    """``{a,b}`` written out."""
    if (braces := _BRACES.search(glob)) is None or "," not in braces[1]:
        return [glob]
    head, tail = glob[: braces.start()], glob[braces.end() :]
    return [whole for choice in braces[1].split(",") for whole in _expanded(head + choice + tail)]


def _pattern(glob: str) -> str:
    """A regular expression for a glob; wildcards don't take in a name's leading dot."""
    pattern, done = "", 0
    for part in _PART.finditer(glob):
        pattern += re.escape(glob[done : part.start()])
        dot = r"(?!\.)" if part.start() == 0 or glob[part.start() - 1] == "/" else ""
        match part.lastgroup:
            case "any":
                pattern += r"(?:(?!\.)[^/]+/)*"
            case "end":
                pattern += r"(?:(?!\.)[^/]+/)*(?!\.)[^/]+"
            case "star":
                pattern += dot + "[^/]*"
            case "one":
                pattern += dot + "[^/]"
            case _:
                inner = part[0][1:-1].replace("\\", r"\\")
                pattern += dot + (f"[^{inner[1:]}]" if inner[:1] in "!^" else f"[{inner}]")
        done = part.end()
    return pattern + re.escape(glob[done:])
