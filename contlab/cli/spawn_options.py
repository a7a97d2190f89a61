"""``contlab spawn``'s options for limits, ids, clocks, the network and protections, as fields of a ContainerSpec."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from contlab.runtime.spec import IdMap, IoLimit, Limits

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

_RATES = ("rbps", "wbps", "riops", "wiops")

_OPTIONS = (
    click.option("--memory", metavar="SIZE|max",
                 help="Memory limit, e.g. 32M; beyond it the OOM killer acts. Not said: 512M."),
    click.option("--memory-high", metavar="SIZE", help="Beyond this it is slowed down and reclaimed from, not killed."),
    click.option("--memory-swap", metavar="SIZE",
                 help="Swap beside that memory (not the sum, as docker has it). With --memory alone: none."),
    click.option("--oom-group", is_flag=True, help="The OOM killer takes all of its processes, or none."),
    click.option("--cpus", type=click.FloatRange(min=0.01), help="Processors, e.g. 0.5 for half of one."),
    click.option("--cpu-weight", type=click.IntRange(1, 10_000), help="Share of contended processors; others' is 100."),
    click.option("--pids", metavar="N|max", help="Most tasks at a time. Not said: 512."),
    click.option("--io-max", multiple=True, metavar="DISK:KEY=N[,KEY=N]",
                 help="Most bytes (rbps, wbps) and operations (riops, wiops) a second: /dev/vda:rbps=1M,wiops=50."),
    click.option("--network", metavar="none|host|NAME", default="none", show_default=True,
                 help="lo alone; the host's interfaces; or a cable to the bridge NAME, apart from the host's."),
    click.option("--ip", metavar="ADDRESS[/LENGTH]", help="Its address on that network, e.g. 10.77.1.9/24."),
    click.option("--map-uids", multiple=True, metavar="INSIDE:OUTSIDE:LENGTH",
                 help="Who is who outside; may be repeated."),
    click.option("--map-gids", multiple=True, metavar="INSIDE:OUTSIDE:LENGTH",
                 help="The same for groups, where they differ."),
    click.option("--monotonic", type=int, default=0, metavar="SECONDS",
                 help="Set its monotonic clock off from the host's."),
    click.option("--boottime", type=int, default=0, metavar="SECONDS", help="The same for the time since boot."),
    click.option("--cap-add", multiple=True, metavar="CAP", help="Keep this capability, too, e.g. NET_ADMIN; or ALL."),
    click.option("--cap-drop", multiple=True, metavar="CAP", help="Don't keep this one; or ALL, but those added."),
    click.option("--new-privs", is_flag=True, help="Let setuid programs give privileges (no no_new_privs)."),
    click.option("--no-seccomp", is_flag=True, help="No filter of system calls."),
    click.option("--no-mask", is_flag=True, help="Hide nothing in /proc and /sys, and leave them writable."),
    click.option("--no-rlimits", is_flag=True, help="Your own resource limits (ulimit), not a container's."),
    click.option("--privileged", is_flag=True, help="All of these protections off. What is off, --explain tells."),
)  # fmt: skip


def further_options(command: CommandT) -> CommandT:
    """Give a command these options."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def fields(
    *,
    network: str,
    ip: str | None,
    map_uids: tuple[str, ...],
    map_gids: tuple[str, ...],
    monotonic: int,
    boottime: int,
    cap_add: tuple[str, ...],
    cap_drop: tuple[str, ...],
    new_privs: bool,
    no_seccomp: bool,
    no_mask: bool,
    no_rlimits: bool,
    privileged: bool,
    **limits: Any,
) -> dict[str, Any]:
    """The ContainerSpec's fields that these options set; click.UsageError where one makes no sense."""
    from contlab.runtime.spec import TimeOffsets

    found: dict[str, Any] = {
        "network": network,
        "address": ip,
        "limits": _limits(**limits),
        "no_new_privs": not (new_privs or privileged),
        "seccomp": not (no_seccomp or privileged),
        "mask_proc": not (no_mask or privileged),
        "rlimits": not (no_rlimits or privileged),
    }
    if privileged or cap_add or cap_drop:
        found |= _capabilities(network, (*cap_add, "ALL") if privileged else cap_add, cap_drop)
    if map_uids:
        found["id_map"] = tuple(_id_map("--map-uids", text) for text in map_uids)
    if map_gids:
        found["gid_map"] = tuple(_id_map("--map-gids", text) for text in map_gids)
    if monotonic or boottime:
        found["time_offsets"] = TimeOffsets(monotonic, boottime)
    return found


def _limits(
    *,
    memory: str | None,
    memory_high: str | None,
    memory_swap: str | None,
    oom_group: bool,
    cpus: float | None,
    cpu_weight: int | None,
    pids: str | None,
    io_max: tuple[str, ...],
) -> Limits:
    from msgspec import UNSET

    from contlab.runtime.spec import Limits

    return Limits(
        memory=UNSET if memory is None else _size("--memory", memory),
        cpus=cpus,
        pids=UNSET if pids is None else _pids(pids),
        memory_high=_size("--memory-high", memory_high),
        swap=_size("--memory-swap", memory_swap),
        cpu_weight=cpu_weight,
        io=tuple(_io(text) for text in io_max),
        oom_group=oom_group,
    )


def _capabilities(network: str, added: tuple[str, ...], dropped: tuple[str, ...]) -> dict[str, Any]:
    from contlab.linux.flags import CAP
    from contlab.runtime.protection import default_capabilities
    from contlab.runtime.spec import ContainerSpec

    more, less = _names("--cap-add", added), _names("--cap-drop", dropped)
    every, default = frozenset(CAP.__members__), default_capabilities(bool(ContainerSpec(network=network).joins))
    # ALL first, so that the others are exceptions to it.
    kept = every if "CAP_ALL" in more else frozenset() if "CAP_ALL" in less else default
    kept = (kept | more) - less - {"CAP_ALL"}
    return {"all_capabilities": True} if kept == every else {"capabilities": kept}


def _names(option: str, texts: tuple[str, ...]) -> set[str]:
    """Capabilities as people write them: with or without CAP_, in any case."""
    import difflib

    from contlab.linux.flags import CAP

    names = {f"CAP_{text.upper().removeprefix('CAP_')}" for text in texts}
    for name in sorted(names - CAP.__members__.keys() - {"CAP_ALL"}):
        near = difflib.get_close_matches(name, CAP.__members__, n=1)
        raise click.UsageError(
            f"{option}: {name} is not a capability{f'; did you mean {near[0]}?' if near else ', see capabilities(7)'}"
        )
    return names


def _size(option: str, text: str | None) -> int | None:
    from contlab.linux.sizes import parse_size

    try:
        return parse_size(text) if text is not None else None
    except ValueError as error:
        raise click.UsageError(f"{option}: {error}") from None


def _pids(text: str) -> int | None:
    if text == "max":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise click.UsageError(f"--pids {text!r}: write a number of 1 or more, or max")
    return int(text)


def _io(text: str) -> IoLimit:
    from contlab.runtime.spec import IoLimit

    device, _, words = text.rpartition(":")
    pairs = [word.partition("=") for word in words.split(",")]
    if not device or any(key not in _RATES or not value for key, _, value in pairs):
        raise click.UsageError(f"--io-max {text!r}: write DISK:KEY=N, KEY being {', '.join(_RATES)}")
    return IoLimit(device, **{key: _size("--io-max", value) for key, _, value in pairs})


def _id_map(option: str, text: str) -> IdMap:
    from contlab.runtime.spec import IdMap

    try:
        inside, outside, length = (int(word) for word in text.split(":"))
    except ValueError:
        raise click.UsageError(f"{option} {text!r}: write INSIDE:OUTSIDE:LENGTH, e.g. 0:100000:65536") from None
    return IdMap(inside, outside, length)
