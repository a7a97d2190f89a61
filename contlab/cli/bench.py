"""``contlab bench``: contlab's figures, measured here, with what they are to be compared with."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from contlab.lab.crowd import Crowd
    from contlab.lab.guest_bench import Boots
    from contlab.lab.spawn_bench import Spawns
    from contlab.review.bench import Result

JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead.")


@click.group()
def bench() -> None:
    """Measure contlab on this host, beside others doing the same work.

    All ways take turns within one run, so that what else this host does meets them alike.
    """


@bench.command()
@click.argument("vault", required=False, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--notes", type=click.IntRange(min=1), default=10_000, show_default=True, help="Size of a made vault.")
@click.option("--rounds", type=click.IntRange(min=1), default=5, show_default=True, help="The best of them counts.")
@click.option("--cold-disk", is_flag=True, help="Drop the kernel's page cache before each cold way (root).")
@JSON
def review(vault: Path | None, notes: int, rounds: int, cold_disk: bool, as_json: bool) -> None:
    """Find what is due in VAULT, or in a made one, beside reading the same bytes and beside python-frontmatter.

    cold: without contlab's index. warm: with it. by PageRank: in the plugin's order, for which the links are read too.
    VAULT is only read.
    """
    import os
    import tempfile

    from contlab.errors import NotPermittedError
    from contlab.review import bench as measuring

    if cold_disk and os.geteuid() != 0:
        raise NotPermittedError("only root may drop the page cache", "Run it with sudo, or without --cold-disk.")
    with tempfile.TemporaryDirectory(prefix="contlab-bench-") as made:
        if vault is None:
            vault = Path(made)
            click.echo(f"writing {notes} notes...", err=True)
            measuring.make_vault(vault, notes)
        result = measuring.run(vault, rounds, disk_cold=cold_disk, frontmatter=measuring.has_frontmatter())
    if as_json:
        _print_json(result)
    else:
        _print(result, rounds)


@bench.command()
@click.option("--runs", type=click.IntRange(1, 50), default=5, show_default=True, help="Boots each way.")
@JSON
def boot(runs: int, as_json: bool) -> int:
    """Boot a guest as contlab does, supervised and listened to, beside the same QEMU command run bare.

    A boot takes from the request until the guest's agent has spoken. In --json: conditions, accelerator (kvm or tcg),
    board, memory, release, why (why KVM was not used), contlab and bare (p50, low, high, runs; in seconds), ratio (the
    median over boots that were neighbours in time) and limit, the most that it is to be.
    """
    import asyncio

    return asyncio.run(_boot(runs, as_json))


async def _boot(runs: int, as_json: bool) -> int:
    from contlab.cli.stop import stoppable
    from contlab.lab.guest_bench import boots

    with stoppable() as stopped:
        result = await boots(runs)
        if as_json:
            _print_json(result)
        else:
            _print_boots(result)
    return stopped.status


@bench.command()
@click.option("--runs", type=click.IntRange(min=1), default=50, show_default=True, help="Of each way.")
@JSON
def spawn(runs: int, as_json: bool) -> int:
    """Make the default container with three limits, beside others that run the same command in the same root.

    contlab twice, each from nothing: for whoever only wants the container; and watched, as in the app, which is told
    each step with its time. Others: the plan's bare system calls in one fork, unshare, bwrap, runc and crun, as far as
    they are installed. Takes root. In --json: conditions, timings (name, ready and full as p50, low, high, runs in
    milliseconds, note), absent and failed.
    """
    import asyncio
    import os

    from contlab.errors import NotPermittedError

    if os.geteuid() != 0:
        raise NotPermittedError("only root can make the same container each way", "Run it with sudo.")
    return asyncio.run(_spawn(runs, as_json))


async def _spawn(runs: int, as_json: bool) -> int:
    from contlab.cli.stop import stoppable
    from contlab.lab.spawn_bench import spawns

    with stoppable() as stopped:
        result = await spawns(runs)
        if as_json:
            _print_json(result)
        else:
            _print_spawns(result)
    return stopped.status


def _print_spawns(result: Spawns) -> None:
    for name, words in conditions().items():
        click.echo(f"{name:10} {words}")
    ours, watched, bare = (result[name] for name in ("contlab", "contlab, watched", "bare system calls"))
    click.echo(f"{'runs':10} {ours.full.runs} of each, in turns; ms, median (lowest)\n")
    click.echo(f"{'':20}{'first byte':>16}{'all removed':>16}{'contlab is':>14}")
    for timing in result.timings:
        cells = "".join(f"{f'{s.p50:.2f} ({s.low:.2f})':>16}" for s in (timing.ready, timing.full))
        ratio = " " * 25 if timing is ours else f"{timing.full.p50 / ours.full.p50:>11.2f} x as fast"
        click.echo(f"{timing.name:20}{cells}{ratio}{f'   {timing.note}' if timing.note else ''}")
    first, second = (way.ready.p50 / bare.ready.p50 for way in (ours, watched))
    click.echo(f"\nready within {first:.2f} x the bare system calls; watched within {second:.2f} x")
    if result.absent:
        click.echo(f"not installed: {', '.join(result.absent)}", err=True)
    for name, words in result.failed.items():
        click.echo(f"{name} can't run here: {words}", err=True)


@bench.command()
@click.option("--containers", type=click.IntRange(1, 1000), default=100, show_default=True, help="How many at a time.")
@JSON
def crowd(containers: int, as_json: bool) -> int:
    """Start so many idle containers, look at all of them, remove them; and what each of them costs.

    In --json: conditions, containers, start_seconds, ready_ms, look_seconds, seen, remove_seconds, memory (bytes of
    each cgroup), pss (of each one's processes), supervisor_each and app_each (bytes and descriptors that one container
    adds there), supervisor_after (bytes and descriptors more than before). Spreads are p50, low, high, runs.
    """
    import asyncio

    return asyncio.run(_crowd(containers, as_json))


async def _crowd(containers: int, as_json: bool) -> int:
    from contlab.cli.stop import stoppable
    from contlab.lab.crowd import crowd

    with stoppable() as stopped:
        result = await crowd(containers)
        if as_json:
            _print_json(result)
        else:
            _print_crowd(result)
    return stopped.status


def _print_crowd(result: Crowd) -> None:
    from contlab.linux.sizes import format_duration, format_size
    from contlab.observe.snapshot import Unavailable

    for name, words in conditions().items():
        click.echo(f"{name:10} {words}")
    click.echo(f"{'containers':10} {result.containers} at a time, idle; {result.seen} seen alive\n")
    for name, seconds in (
        ("started", result.start_seconds), ("looked at", result.look_seconds.p50), ("removed", result.remove_seconds)
    ):  # fmt: skip
        each = format_duration(seconds * 1e6 / result.containers)
        click.echo(f"{name:20}{format_duration(seconds * 1e6):>10}{each:>10} each")
    click.echo(f"\n{'of each container':20}{'median':>10}{'lowest':>10}{'highest':>10}")
    for name, size in (("its cgroup", result.memory), ("PSS", result.pss)):
        if isinstance(size, Unavailable):
            click.echo(f"{name:20}{size.reason}")
        else:
            click.echo(f"{name:20}{format_size(size.p50):>10}{format_size(size.low):>10}{format_size(size.high):>10}")
    click.echo("")
    for name, (memory, fds) in (("supervisor", result.supervisor_each), ("contlab itself", result.app_each)):
        click.echo(f"{name:20}{format_size(memory):>10} and {fds:.1f} descriptors for each")
    left, open_ = result.supervisor_after
    click.echo(f"{'supervisor, after':20}{format_size(left):>10} and {open_} descriptors more than before")


def conditions() -> dict[str, str]:
    """What a figure depends on, in words."""
    import os
    import platform

    model = "?"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "processor": f"{model}, {os.cpu_count()} CPUs",
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": " ".join(f"{load:.1f}" for load in os.getloadavg()),
    }


def _print(result: Result, rounds: int) -> None:
    from contlab.review.bench import has_frontmatter

    for name, words in conditions().items():
        click.echo(f"{name:10} {words}")
    cache = "dropped before each cold way" if result.disk_cold else "warm: no way waits for the disk"
    click.echo(f"{'notes':10} {result.notes}, {result.bytes / 1e6:.1f} MB; page cache {cache}; best of {rounds}\n")
    read = next(timing for timing in result.timings if timing.name == "read the bytes")
    other = next((timing for timing in result.timings if timing.name == "python-frontmatter"), None)
    against = f"{'/ frontmatter':>14}" if other else ""
    click.echo(f"{'':20}{'ms':>9}{'/ reading':>11}{against}{'found':>8}")
    for timing in result.timings:
        share = timing.seconds / read.seconds
        times = f"{other.seconds / timing.seconds:>11.1f} x  " if other else ""
        click.echo(f"{timing.name:20}{timing.seconds * 1e3:>9.1f}{share:>11.2f}{times}{timing.notes:>8}")
    if not has_frontmatter():
        click.echo("python-frontmatter isn't installed; to compare: pip install 'contlab[test]'", err=True)


def _print_boots(result: Boots) -> None:
    from contlab.linux.sizes import format_size

    emulated = "" if result.accelerator == "kvm" else ": emulated, not a VM's real cost"
    guest = f"{format_size(result.memory)}, {result.board}, Linux {result.release}"
    told = {"guests by": f"{result.accelerator.upper()}{emulated}", "guest": guest}
    for name, words in (conditions() | told).items():
        click.echo(f"{name:10} {words}")
    for words in result.why:
        click.echo(f"{'note':10} {words}")
    click.echo(f"\n{'':20}{'median s':>9}{'lowest':>9}{'highest':>9}{'runs':>6}")
    for name, times in (("bare QEMU", result.bare), ("contlab's boot", result.contlab)):
        click.echo(f"{name:20}{times.p50:>9.3f}{times.low:>9.3f}{times.high:>9.3f}{times.runs:>6}")
    click.echo(f"{'contlab / bare QEMU':20}{result.ratio:>9.2f}   (neighbours in time; at most {result.limit:g})")


def _print_json(result: Result | Boots | Crowd | Spawns) -> None:
    import json

    import msgspec

    data: dict[str, Any] = {"conditions": conditions(), **msgspec.to_builtins(result)}
    click.echo(json.dumps(data, indent=2))
