"""``contlab spawn``'s options for limits, ids, clocks and the network, and what they become in a ContainerSpec."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from contlab.runtime.spec import IdMap, IoLimit, Limits

CommandT = TypeVar("CommandT", bound=Callable[..., Any])

_RATES = ("rbps", "wbps", "riops", "wiops")

_OPTIONS = (
    click.option("--memory", metavar="SIZE", help="Memory limit, e.g. 32M; beyond it the OOM killer acts."),
    click.option("--memory-high", metavar="SIZE", help="Beyond this it is slowed down and reclaimed from, not killed."),
    click.option("--memory-swap", metavar="SIZE",
                 help="Swap beside that memory (not the sum, as docker has it). With --memory alone: none."),
    click.option("--oom-group", is_flag=True, help="The OOM killer takes all of its processes, or none."),
    click.option("--cpus", type=click.FloatRange(min=0.01), help="Processors, e.g. 0.5 for half of one."),
    click.option("--cpu-weight", type=click.IntRange(1, 10_000), help="Share of contended processors; others' is 100."),
    click.option("--pids", type=click.IntRange(min=1), help="Most tasks at a time."),
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
    **limits: Any,
) -> dict[str, Any]:
    """The ContainerSpec's fields that these options set; click.UsageError where one makes no sense."""
    from contlab.runtime.spec import TimeOffsets

    found: dict[str, Any] = {"network": network, "address": ip, "limits": _limits(**limits)}
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
    pids: int | None,
    io_max: tuple[str, ...],
) -> Limits:
    from contlab.runtime.spec import Limits

    return Limits(
        memory=_size("--memory", memory),
        cpus=cpus,
        pids=pids,
        memory_high=_size("--memory-high", memory_high),
        swap=_size("--memory-swap", memory_swap),
        cpu_weight=cpu_weight,
        io=tuple(_io(text) for text in io_max),
        oom_group=oom_group,
    )


def _size(option: str, text: str | None) -> int | None:
    from contlab.linux.sizes import parse_size

    try:
        return parse_size(text) if text is not None else None
    except ValueError as error:
        raise click.UsageError(f"{option}: {error}") from None


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
