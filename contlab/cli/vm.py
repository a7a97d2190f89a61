"""``contlab vm``: real virtual machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from contlab.lab.guest import RunningGuest
    from contlab.vm.inventory import Inventory
    from contlab.vm.machine import Ending

NAME = "box"
"""What the guest is called in messages and cgroups."""

KEPT = 1 << 20
"""Bytes of a command's output that the guest keeps."""


@click.group()
def vm() -> None:
    """Boot a real guest beside the containers, or say why this host can't.

    A guest is QEMU's, with the distribution's own kernel and the root file system that containers have. It runs on the
    processor where KVM works, which its first boot finds out, and is emulated (TCG) elsewhere.
    """


@vm.command(context_settings={"allow_interspersed_args": False})
@click.option("--memory", metavar="SIZE", default="128M", show_default=True, help="The guest's RAM.")
@click.option("--timeout", metavar="SECONDS", type=click.FloatRange(min=0.1), help="Kill the command after so long.")
@click.option("--quiet", "-q", is_flag=True, help="Print the command's output and nothing else.")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def run(memory: str, timeout: float | None, quiet: bool, command: tuple[str, ...]) -> int:
    """Boot a guest, run COMMAND in it, print what it prints, and end the guest. The exit code is the command's.

    Without a COMMAND the guest just boots, and the boot is accounted for. 69: the guest could not be booted, or ended
    before the command did; 128 + N: signal N ended us both. How the boot went is told on stderr.
    """
    import asyncio

    return asyncio.run(_run(ram(memory), timeout, quiet, command))


def ram(memory: str) -> int:
    """Bytes of a ``--memory`` for a guest."""
    from contlab.linux.sizes import parse_size

    try:
        size = parse_size(memory)
    except ValueError as error:
        raise click.UsageError(f"--memory: {error}") from None
    if size is None or size < 1 << 20:
        raise click.UsageError("--memory: a guest needs 1 MiB to be made at all, and 128M to boot everywhere")
    return size


async def _run(memory: int, limit: float | None, quiet: bool, command: tuple[str, ...]) -> int:
    from contlab.cli.stop import stoppable
    from contlab.lab.guest_starter import open_guests

    status = 0
    with stoppable() as stopped:
        async with open_guests() as guests:
            guest = await guests.boot(NAME, memory)
            if not quiet:
                await _say_boot(guest)
            status = await _command(guest, limit, command) if command else 0
            _say_end(await guest.off(), quiet)
    return stopped.status or status


async def _command(guest: RunningGuest, limit: float | None, command: tuple[str, ...]) -> int:
    import sys

    def show(piece: bytes) -> None:
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()

    ran = await guest.run(command, limit or float("inf"), show)
    if len(ran.output) >= KEPT:
        _say("it printed more: the guest keeps the first MiB")
    if ran.timed_out:
        _say(f"killed after {limit:g} s")
    return ran.exit_code


async def _say_boot(guest: RunningGuest) -> None:
    from contlab.linux.sizes import format_duration, format_size

    for words in guest.failed:
        _say(words)
    boot = await guest.machine.waterfall()
    state = await guest.machine.monitor.state()
    how = "KVM" if state.kvm else "TCG: emulated, not a VM's real cost"
    took = ", ".join(f"{stage.name} {format_duration(stage.seconds * 1e6)}" for stage in boot.stages)
    _say(f"Linux {guest.machine.release} ({how}), {format_size(state.memory)}, up in {boot.agent:.2f} s: {took}")


def _say_end(ending: Ending, quiet: bool) -> None:
    from contlab.vm.machine import Reason

    if not quiet or ending.reason is not Reason.OFF:
        _say({Reason.OFF: "the guest is off"}.get(ending.reason, f"the guest ended: {ending.reason}, {ending.words}"))


def _say(words: str) -> None:
    from contlab.cli.failure import visible

    click.echo(visible(words), err=True)


@vm.command()
@click.option("--json", "as_json", is_flag=True, help="One object: parts, accelerator, bootable.")
def status(as_json: bool) -> int:
    """Say what this host has for guests: QEMU, a kernel image, KVM, memory; and what mends what it lacks.

    Exit code 69 when no guest could be booted. In --json: parts, each with name (qemu, kernel, kvm, memory), there,
    what and fix; accelerator (kvm or tcg: what the next guest would run by); bootable.
    """
    from contlab.errors import ExitCode
    from contlab.vm.inventory import look

    found = look()
    if as_json:
        import msgspec

        click.echo(msgspec.json.encode({**msgspec.to_builtins(found), "bootable": found.bootable}))
    else:
        for part in found.parts:
            click.echo(f"{'✓' if part.there else '✗'} {part.name:<7} {part.what}")
            for line in part.fix.splitlines():
                click.echo(f"{'':>10}→ {line}")
        click.echo(f"\n{_how(found)}")
    return ExitCode.OK if found.bootable else ExitCode.UNAVAILABLE


def _how(found: Inventory) -> str:
    from contlab.vm.power import remembered

    if not found.bootable:
        return "no guest can boot"
    if found.accelerator == "tcg":
        return "guests run by TCG: emulated, several times slower, and not a VM's real cost"
    return "guests run by KVM" if remembered() else "the next guest tries KVM, and is emulated (TCG) where it hangs"


@vm.command()
@click.option("--fetch", is_flag=True, help="Get the distribution's own kernel, without installing it.")
def kernel(fetch: bool) -> None:
    """Print the path of the kernel image that guests boot.

    Looked for in CONTLAB_KERNEL, in the cache, /boot and /usr/lib/modules. With --fetch, the distribution's package
    manager downloads its kernel package, and the image alone is taken out of it into the cache.
    """
    from contlab.vm import fetch as fetching
    from contlab.vm import kernel as images

    found = fetching.fetch(say=_say) if fetch else images.find()
    _say(f"Linux {found.release}, {found.bytes / 1e6:.1f} MB, from {found.found}")
    click.echo(found.path)
