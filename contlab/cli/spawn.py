"""``contlab spawn``: one container, with unshare(1)'s and docker run's habits."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from contlab.cli import elevation, spawn_options
from contlab.cli.spawn_options import further_options

if TYPE_CHECKING:
    from contlab.runtime.events import OperationDone
    from contlab.runtime.spec import Bind, ContainerSpec, Namespace

NAME = "box"
"""What the container is called in events and cgroups; its hostname, unless one is given."""


@click.command(context_settings={"ignore_unknown_options": False, "allow_interspersed_args": False})
@click.option("--explain", is_flag=True, help="After the command: each kernel operation, its µs and the same by hand.")
@click.option("-t", "--tty", is_flag=True, help="A terminal of its own, tied to yours: job control, sizes, Ctrl-C.")
@click.option("--dry-run", is_flag=True, help="Print the plan and make nothing.")
@click.option("--json", "as_json", is_flag=True, help="One object a line on stdout: events, and the command's output.")
@further_options
@click.option("--unshare", metavar="KINDS", help="Only these namespaces of its own: mnt,pid,net,uts,ipc,user,...")
@click.option("--share", metavar="KINDS", help="All namespaces of its own but these, which it shares with the host.")
@click.option("--root", metavar="ROOT", default="busybox", show_default=True,
              help="A recipe's name, a directory, or “host” to keep the host's root.")  # fmt: skip
@click.option("--chroot", is_flag=True, help="Change root with chroot(2), which leaves the old root in reach.")
@click.option("--read-only", is_flag=True, help="No writable layer over the root.")
@click.option("--bind", multiple=True, metavar="SRC:DST[:ro]", help="Show a host path inside.")
@click.option("--hostname", metavar="NAME", help="Its hostname.")
@click.option("--env", multiple=True, metavar="KEY=VALUE", help="A variable of its environment.")
@click.option("--workdir", metavar="DIR", default="/", help="Where the command starts.")
@click.option("--sudo", is_flag=True, help=elevation.HELP)
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def spawn(
    explain: bool, tty: bool, dry_run: bool, as_json: bool, sudo: bool, command: tuple[str, ...], **options: Any
) -> int:
    """Run COMMAND (default: /bin/sh) in a container of its own; the exit code is the command's.

    125: the container could not be made; 126: the command could not be executed; 127: it was not found; 128 + N: it
    was killed by signal N. Ctrl-C goes to the command as in any terminal; what has no handler for it is killed.

    With --tty every key is the container's: pressing Ctrl-] three times within a second kills it. Your terminal is put
    back as it was at any end but contlab's by SIGKILL; after that, `reset` mends it.

    In --json, each line has "event": operation (index, operation, describe, shell, side, microseconds, errno, error),
    started (pid, ready_us, cgroups, unprotected), output (stream, text), exited (exit_code, signal, oom_killed),
    removed, failed (message, hint, exit_code). Times are CLOCK_MONOTONIC in µs.
    """
    if tty and as_json and not dry_run:
        raise click.UsageError("--tty and --json exclude each other: a terminal's output is for people")
    if tty and (terminal := os.environ.get("TERM")):
        options["env"] = (f"TERM={terminal}", *options["env"])
    spec = spec_of(command, **options)
    if dry_run:
        _print_plan(spec, as_json, sudo, tty)
        return 0
    import asyncio

    from contlab.cli.failure import tell
    from contlab.lab.once import run_once
    from contlab.runtime import events

    sudo = elevation.elevate(sudo)
    done: list[events.OperationDone] = []
    unprotected: list[str] = []

    def heard(event: events.AnyEvent) -> None:
        if as_json:
            click.echo(events.encode(event))
        if isinstance(event, events.OperationDone):
            done.append(event)
        if isinstance(event, events.Started):
            unprotected.extend(event.unprotected)
        if isinstance(event, events.Started) and not as_json:
            for what, reason in event.missing.items():
                tell(f"without {what}: {reason}")

    try:
        return asyncio.run(run_once(NAME, spec, heard, _print_output if as_json else None, tell, sudo, tty))
    finally:
        if explain:
            _explain(done, unprotected)


def spec_of(
    command: tuple[str, ...],
    *,
    unshare: str | None,
    share: str | None,
    root: str,
    chroot: bool,
    read_only: bool,
    bind: tuple[str, ...],
    hostname: str | None,
    env: tuple[str, ...],
    workdir: str,
    **further: Any,
) -> ContainerSpec:
    """The options as a ContainerSpec; click.UsageError where they make none."""
    from contlab.runtime.spec import ALL_NAMESPACES, ContainerSpec, Namespace, RootMethod

    if root in (".", "..") or "/" in root:
        root = str(Path(root).resolve())
        if not Path(root).is_dir():
            raise click.UsageError(f"--root: there is no directory {root}")
    if unshare is not None and share is not None:
        raise click.UsageError("--unshare and --share exclude each other: one lists its own, the other the host's")
    namespaces = ALL_NAMESPACES - _kinds(share) if unshare is None else _kinds(unshare)
    method = RootMethod.PIVOT_ROOT
    if root == "host":
        method = RootMethod.HOST
    elif chroot or Namespace.MNT not in namespaces:
        method = RootMethod.CHROOT  # pivot_root needs mounts of its own
    return ContainerSpec(
        command=command or ("/bin/sh",),
        namespaces=namespaces,
        root=method,
        rootfs=root,
        read_only=read_only,
        binds=tuple(_bind(text) for text in bind),
        hostname=hostname,
        environment=dict(_variable(text) for text in env),
        workdir=workdir,
        **spawn_options.fields(**further),
    )


def _kinds(text: str | None) -> frozenset[Namespace]:
    import difflib

    from contlab.runtime.spec import Namespace

    kinds = set()
    for word in (text or "").split(","):
        if not (name := word.strip()):
            continue
        if name not in list(Namespace):
            near = difflib.get_close_matches(name, list(Namespace), n=1, cutoff=0.4)
            meant = f"; did you mean {near[0]}?" if near else "."
            raise click.UsageError(f"{name!r} is no namespace{meant} There are {', '.join(Namespace)}.")
        kinds.add(Namespace(name))
    return frozenset(kinds)


def _bind(text: str) -> Bind:
    from contlab.runtime.spec import Bind

    source, _, rest = text.partition(":")
    target, _, mode = rest.partition(":")
    if not source or not target.startswith("/") or ".." in target.split("/") or mode not in ("", "ro", "rw"):
        raise click.UsageError(f"--bind {text!r}: write SRC:DST or SRC:DST:ro, DST beginning with / and without ..")
    path = Path(source).absolute()
    if not path.exists():
        raise click.UsageError(f"--bind {text!r}: there is no {path} on the host")
    return Bind(str(path), target, mode == "ro")


def _variable(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise click.UsageError(f"--env {text!r}: write KEY=VALUE")
    return key, value


def _print_output(stream: str, text: str) -> None:
    import json

    click.echo(json.dumps({"event": "output", "container": NAME, "stream": stream, "text": text}))


def _explain(done: list[OperationDone], unprotected: list[str]) -> None:
    from contlab.linux.sizes import format_duration

    for event in done:
        took = format_duration(event.microseconds) if event.microseconds else ""
        click.echo(f"{event.index:>3} {took:>9}  {event.side:<9}  {event.describe}", err=True)
        for mark, text in (("✗", event.error), ("$", event.shell)):
            if text:
                click.echo(f"{mark:>26} {text}", err=True)
    total = format_duration(sum(event.microseconds for event in done))
    click.echo(f"{len(done)} operations, {total} in the kernel", err=True)
    if unprotected:
        click.echo(f"protections off: {'; '.join(unprotected)}", err=True)


def _print_plan(spec: ContainerSpec, as_json: bool, sudo: bool, tty: bool) -> None:
    import json

    from contlab.lab.once import plan_of

    for index, operation in enumerate(plan_of(NAME, spec, sudo, tty).operations):
        side = "container" if operation.inside else "host"
        if as_json:
            row = {"index": index, "operation": type(operation).__name__, "side": side}
            click.echo(json.dumps(row | {"describe": operation.describe(), "shell": operation.shell()}))
        else:
            click.echo(f"{index:>3}  {side:<9}  {operation.describe()}")
            if shell := operation.shell():
                click.echo(f"{'':>16}$ {shell}")
