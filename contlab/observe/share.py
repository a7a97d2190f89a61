"""Sharing what two snapshots have in common, so that many of them can be kept in little memory."""

from __future__ import annotations

from collections.abc import Mapping
from operator import is_
from typing import Any

import msgspec

from contlab.observe.snapshot import EMPTY, PidView, Snapshot


def same(old: Mapping[str, Snapshot], new: Mapping[str, Snapshot]) -> bool:
    """Whether ``new`` shows nothing that ``old`` didn't; time alone is nothing."""
    return list(old) == list(new) and all(
        msgspec.structs.replace(new[name], at=snapshot.at) == snapshot for name, snapshot in old.items()
    )


def shared(old: Mapping[str, Snapshot], new: Mapping[str, Snapshot]) -> dict[str, Snapshot]:
    """``new``, made of ``old``'s own objects wherever they are equal."""
    return {name: _shared(old.get(name, EMPTY), snapshot) for name, snapshot in new.items()}


def _shared(old: Any, new: Any) -> Any:
    """A value equal to ``new``; parts of different types are never taken for equal (``1 == True``)."""
    if type(old) is not type(new):
        return new
    if isinstance(new, tuple):
        before = {_identity(place, each): each for place, each in enumerate(old)}
        parts = tuple(_shared(before.get(_identity(place, each)), each) for place, each in enumerate(new))
        return old if len(old) == len(parts) and all(map(is_, old, parts)) else parts
    if isinstance(new, msgspec.Struct):
        fields = new.__struct_fields__
        parts = tuple(_shared(getattr(old, field), getattr(new, field)) for field in fields)
        if all(is_(getattr(old, field), part) for field, part in zip(fields, parts, strict=True)):
            return old
        return msgspec.structs.replace(new, **dict(zip(fields, parts, strict=True)))
    return old if old == new else new


def _identity(place: int, each: object) -> int:
    """What a member of a tuple is known by: processes come and go between others."""
    return each.pid if isinstance(each, PidView) else place
