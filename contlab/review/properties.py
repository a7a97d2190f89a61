"""Properties: a note's front matter as YAML sees it, for checking an edit and for reading tags. Never for writing."""

from __future__ import annotations

from dataclasses import dataclass

import yaml

from contlab.review.refusal import NoteRefusal, Reason

DEEPEST = 50


@dataclass(frozen=True, slots=True)
class Properties:
    """A note's properties as YAML sees them, every scalar as its text."""

    others: tuple[object, ...]
    schedule: dict[str, list[str | None]]
    """Each review key's values; None for a value that is no scalar."""


def read(frontmatter: bytes, keys: tuple[str, ...]) -> Properties:
    """Read what stands between the fences; ``keys`` are the review keys. ``NoteRefusal`` when it is no valid YAML."""
    try:
        text = frontmatter.decode()
        _check_depth(text)
        root = yaml.compose(text, Loader=yaml.CBaseLoader)
        others: list[tuple[object, object]] = []
        schedule: dict[str, list[str | None]] = {}
        seen: dict[int, int] = {}
        if root is not None and not isinstance(root, yaml.MappingNode):
            raise _invalid("they are not 'name: value' lines")
        for key, value in root.value if root else ():
            if isinstance(key, yaml.ScalarNode) and key.value in keys:
                schedule.setdefault(key.value, []).append(value.value if isinstance(value, yaml.ScalarNode) else None)
            else:
                others.append((_flat(key, seen), _flat(value, seen)))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 2}" if mark is not None else ""
        raise _invalid(f"{getattr(error, 'problem', None) or 'something YAML does not allow'}{line}") from error
    names = [key for key, _ in others if isinstance(key, str)]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise _invalid(f"{twice!r} stands twice")
    return Properties(tuple(others), schedule)


def _check_depth(text: str) -> None:
    """The composer recurses in C: a deep nest would end the process, where the parser only counts."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CBaseLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            raise _invalid(f"they are nested more than {DEEPEST} deep")


def _flat(node: yaml.Node, seen: dict[int, int]) -> object:
    """A node as text and tuples; a node met again is its number, so that a bomb of aliases stays small."""
    if id(node) in seen:
        return seen[id(node)]
    seen[id(node)] = len(seen)
    if isinstance(node, yaml.ScalarNode):
        return str(node.value)
    if isinstance(node, yaml.MappingNode):
        return ("mapping", *((_flat(key, seen), _flat(value, seen)) for key, value in node.value))
    return ("list", *(_flat(item, seen) for item in node.value))


def _invalid(why: str) -> NoteRefusal:
    return NoteRefusal(
        Reason.INVALID_YAML,
        f"the note's properties are not valid YAML, so Obsidian can't read them either: {why}",
        "Mend them in Obsidian's source mode.",
    )
