"""Blocks: what a fenced ``toml KIND`` block holds, by kind. The list is closed: a lesson is data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import msgspec

from contlab.course.checks import checks
from contlab.course.decode import convert, unknown_keys
from contlab.course.lesson import Action, Block, Card, Check, Container, Expect, Hint, Note, Predict, Run, Vm
from contlab.course.mistake import Mistakes
from contlab.course.places import Path, Places
from contlab.linux.sizes import parse_size
from contlab.runtime.spec import ALL_NAMESPACES, ContainerSpec, Namespace

S = TypeVar("S", Card, Note, Run)
Table = dict[str, Any]

NAMESPACE_KEYS = ("namespaces", "unshare", "share")
"""Three ways to say which namespaces a container has; a block may use one of them."""


@dataclass(frozen=True, slots=True)
class Fence:
    """One block as it stands in the file, decoded from TOML but not yet judged."""

    kind: str
    line: int
    """Of the opening fence."""
    table: Table
    places: Places
    mistakes: Mistakes

    def wrong(self, message: str, *path: str | int) -> None:
        """A mistake at a key, or at the whole block."""
        self.mistakes.add(self.places.line(*path) if path else self.line, message)


@dataclass(slots=True)
class Earlier:
    """The tables of the blocks that came before, for ``like``."""

    containers: dict[str, Table] = field(default_factory=dict)
    runs: dict[str, Table] = field(default_factory=dict)


def blocks(fence: Fence, earlier: Earlier) -> tuple[Block, ...]:
    """The blocks of one fence: none when it has a mistake that leaves nothing to show."""
    return KINDS[fence.kind](fence, earlier)


def _container(fence: Fence, earlier: Earlier) -> tuple[Block, ...]:
    table = _like(fence, earlier.containers, merged=("limits", "environment", "files"))
    keys = {*ContainerSpec.__struct_fields__, "name", "like", *NAMESPACE_KEYS}
    table = unknown_keys(table, keys, fence.places, fence.mistakes)
    if not isinstance(name := table.get("name"), str):
        fence.wrong("a container needs a `name`")
        return ()
    earlier.containers[name] = table
    spec_table = {key: value for key, value in table.items() if key not in ("name", "like", *NAMESPACE_KEYS)}
    if isinstance(command := spec_table.get("command"), str):
        spec_table["command"] = ["/bin/sh", "-c", command]
    _sizes(fence, spec_table)
    if (namespaces := _namespaces(fence, table)) is not None:
        spec_table["namespaces"] = namespaces
    spec = convert(spec_table, ContainerSpec, fence.places, fence.mistakes)
    # With a mistake in it the container still exists by name: what refers to it is not a second mistake.
    return (Container(name, spec or ContainerSpec(), fence.line),)


def _namespaces(fence: Fence, table: Table) -> list[str] | None:
    given = [key for key in NAMESPACE_KEYS if key in table]
    if len(given) > 1:
        fence.wrong(f"`{given[0]}` and `{given[1]}` say the same thing twice: keep one", given[1])
    if not given:
        return None
    words, key = table[given[0]], given[0]
    if not isinstance(words, list):
        fence.wrong(f'`{key}` must be a list, such as {key} = ["pid", "net"]', key)
        return None
    valid = [word for word in words if word in ALL_NAMESPACES]
    for word in words:
        if word not in valid:
            fence.mistakes.unknown(fence.places.line(key), f"namespace in `{key}`", str(word), Namespace)
    if len(valid) < len(words):
        return None  # what would follow from the missing ones is not a second mistake
    return [kind for kind in Namespace if kind not in valid] if key == "share" else valid


def _sizes(fence: Fence, table: Table) -> None:
    """Limits in bytes and the ``size`` of each tmpfs may be words such as "32M"; bytes from here on."""
    if isinstance(limits := table.get("limits"), dict):
        limits = _in_bytes(fence, limits, ("memory", "memory_high", "swap"), ("limits",))
        if limits.get("pids") == "max":
            limits["pids"] = None
        if isinstance(disks := limits.get("io"), list):
            limits["io"] = [
                _in_bytes(fence, disk, ("rbps", "wbps"), ("limits", "io", at)) for at, disk in enumerate(disks)
            ]
        table["limits"] = limits
    if isinstance(mounts := table.get("tmpfs"), list):
        table["tmpfs"] = [_in_bytes(fence, mount, ("size",), ("tmpfs", at)) for at, mount in enumerate(mounts)]


def _in_bytes(fence: Fence, values: Any, keys: tuple[str, ...], path: Path) -> Any:
    """The table with ``keys`` as bytes; what is no table is left for the decoder to refuse."""
    if not isinstance(values, dict):
        return values
    return {key: _size(fence, value, (*path, key)) if key in keys else value for key, value in values.items()}


def _size(fence: Fence, value: Any, path: Path) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return parse_size(value)
    except ValueError as error:
        fence.wrong(str(error), *path)
        return 0


def _run(fence: Fence, earlier: Earlier) -> tuple[Block, ...]:
    table = _like(fence, earlier.runs)
    run = _plain(fence, _acted(fence, table) if "action" in table else table, Run)
    if run:
        earlier.runs[run.name] = table
    return (run,) if run else ()


def _acted(fence: Fence, table: Table) -> Table:
    """A run with an action has no command of its own: it shows the one that does the same by hand."""
    action = table["action"]
    if action not in list(Action):
        fence.mistakes.unknown(fence.places.line("action"), "action", str(action), Action)
        return {**table, "action": None, "command": table.get("command", ":")}
    if "command" in table:
        fence.wrong("`action` and `command` exclude each other: an action is contlab's to do", "command")
    command, why = ACTIONS[Action(action)]
    return {"why": why, **table, "command": command.replace("NAME", str(table.get("container")))}


def _like(fence: Fence, earlier: dict[str, Table], merged: tuple[str, ...] = ()) -> Table:
    """The block's keys over those of the earlier block that ``like`` names; ``merged`` tables key by key."""
    if "like" not in fence.table:
        return fence.table
    name = fence.table["like"]
    if not isinstance(name, str) or name not in earlier:
        fence.mistakes.unknown(fence.places.line("like"), f"earlier {fence.kind}", str(name), earlier)
        return fence.table
    old = {key: value for key, value in earlier[name].items() if key != "name"}
    new = fence.table
    if any(key in new for key in NAMESPACE_KEYS):
        old = {key: value for key, value in old.items() if key not in NAMESPACE_KEYS}
    both = {
        key: {**old[key], **new[key]}
        for key in merged
        if isinstance(old.get(key), dict) and isinstance(new.get(key), dict)
    }
    return {**old, **new, **both}


def _plain(fence: Fence, table: Table, struct: type[S]) -> S | None:
    """A block whose keys are the struct's own."""
    fields = {field.name for field in msgspec.structs.fields(struct)} - {"line"}
    known = unknown_keys(table, fields | {"like"} if struct is Run else fields, fence.places, fence.mistakes)
    known.pop("like", None)
    return convert({**known, "line": fence.line}, struct, fence.places, fence.mistakes)


def _card(fence: Fence, _: Earlier) -> tuple[Block, ...]:
    card = _plain(fence, fence.table, Card)
    return (card,) if card else ()


def _note(fence: Fence, _: Earlier) -> tuple[Block, ...]:
    note = _plain(fence, fence.table, Note)
    return (note,) if note else ()


def _vm(fence: Fence, _: Earlier) -> tuple[Block, ...]:
    table = dict(fence.table)
    name, action = table.get("name"), table.pop("action", "boot")
    if not isinstance(name, str) or not isinstance(action, str):
        fence.wrong('a vm block needs a `name`, and an `action` such as "boot"')
        return ()
    if action == "boot":
        table = _in_bytes(fence, table, ("memory",), ())
        known = unknown_keys(table, ("name", "memory"), fence.places, fence.mistakes)
        vm = convert({**known, "line": fence.line}, Vm, fence.places, fence.mistakes)
        return (vm or Vm(name, fence.line),)
    if action not in MISCHIEF and action != "run":
        fence.mistakes.unknown(fence.line, "action", action, ("boot", "run", *MISCHIEF))
        return ()
    return _in_guest(fence, name, action, table)


def _in_guest(fence: Fence, guest: str, action: str, table: Table) -> tuple[Block, ...]:
    """What is done to a guest, as the shell line in it that does it; ``run`` says what facts call its result."""
    if action in MISCHIEF:
        command, why, limit = MISCHIEF[action]
        table = {"command": command, "why": why, "timeout": limit, **table}
    keys = ("name", "run", "command", "why", "timeout")
    known = unknown_keys(table, keys, fence.places, fence.mistakes)
    values = {**known, "name": known.pop("run", f"{guest}-{action}"), "container": guest, "line": fence.line}
    values.pop("run", None)
    run = convert(values, Run, fence.places, fence.mistakes)
    return (run,) if run else ()


def _hint(fence: Fence, _: Earlier) -> tuple[Block, ...]:
    rungs = ("nudge", "command") if fence.kind == "hint" else ("solution",)
    table = unknown_keys(fence.table, rungs, fence.places, fence.mistakes)
    if not table:
        fence.wrong(f"a {fence.kind} block needs {' or '.join(f'`{rung}`' for rung in rungs)}")
    texts = {rung: convert(table[rung], str, fence.places, fence.mistakes, (rung,)) for rung in rungs if rung in table}
    return tuple(Hint(rung, text, fence.places.line(rung)) for rung, text in texts.items() if text is not None)


def _expect(fence: Fence, _: Earlier) -> tuple[Block, ...]:
    table = dict(fence.table)
    before = table.pop("before", "false")
    if before not in ("false", "any"):
        fence.wrong('`before` is "false" (did not hold before the step) or "any"', "before")
        before = "any"
    found = checks(table, fence.places)
    if not found:
        fence.wrong("an expect block needs at least one fact, such as tenant.alive = true")
    return (Expect(found, fence.line, before),)


def _predict(fence: Fence, _: Earlier) -> tuple[Block, ...]:
    table = unknown_keys(fence.table, ("question", "choices", "because"), fence.places, fence.mistakes)
    for key in ("question", "because"):
        if not isinstance(table.get(key), str) or not table[key].strip():
            fence.wrong(f"a predict block needs a `{key}`, text in quotes", key)
    choices = table.get("choices")
    if not isinstance(choices, list) or len(choices) < 2:
        fence.wrong("a predict block needs two `[[choices]]` or more", "choices")
        return ()
    says: list[str] = []
    decides: list[Check] = []
    for place, choice in enumerate(choices):
        at: Path = ("choices", place)
        if not isinstance(choice, dict):
            fence.wrong("a choice is a table with `say` and `when`", *at)
            continue
        known = unknown_keys(choice, ("say", "when"), fence.places, fence.mistakes, at)
        if not isinstance(known.get("say"), str) or not known["say"].strip():
            fence.wrong("a choice needs `say`, the words that the learner picks", *at)
        when = known.get("when")
        found = checks(when, fence.places, (*at, "when")) if isinstance(when, dict) else ()
        if len(found) != 1:
            fence.wrong("a choice needs `when` with exactly one fact, the one that makes it right", *at, "when")
        says.append(_one_line(known.get("say", "")))
        decides.extend(found[:1])
    question, because = (_one_line(table.get(key, "")) for key in ("question", "because"))
    return (Predict(question, tuple(says), tuple(decides), because, fence.line),)


def _one_line(text: Any) -> str:
    """Text without the line breaks that only the file needs; screens wrap it themselves."""
    return " ".join(str(text).split())


MISCHIEF: dict[str, tuple[str, str, float]] = {
    "exhaust": ("tail /dev/zero", "Take all of the guest's memory", 90.0),
    "bomb": ("bomb() { bomb | bomb & }; bomb", "A fork bomb in the guest", 10.0),
    "panic": (
        "echo 1 >/proc/sys/kernel/sysrq\necho c >/proc/sysrq-trigger",
        "Crash the guest's kernel",
        60.0,
    ),
    "off": ("reboot -f", "Switch the guest off", 60.0),
}
"""What a vm block may do to a guest: the shell line, what it is for, and seconds."""

ACTIONS = {
    Action.CUT: ("# on the host: ip -n contlab-RUN link set to-NAME down", "Pull its cable out of the switch"),
    Action.MEND: ("# on the host: ip -n contlab-RUN link set to-NAME up", "Plug its cable in again"),
    Action.FREEZE: ("# on the host: echo 1 > cgroup.freeze", "Stop all its processes where they are"),
    Action.THAW: ("# on the host: echo 0 > cgroup.freeze", "Let its processes go on"),
}
"""What a run may do to a container from outside: the same by hand, on the host, and what it is for."""

KINDS: dict[str, Callable[[Fence, Earlier], tuple[Block, ...]]] = {
    "container": _container,
    "vm": _vm,
    "run": _run,
    "predict": _predict,
    "expect": _expect,
    "hint": _hint,
    "solution": _hint,
    "card": _card,
    "note": _note,
}
"""The kinds there are."""
