"""``contlab compare``: a container and a virtual machine, side by side."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

import click

from contlab.vm.figures import DiskImage, GuestOs, Hypervisor

if TYPE_CHECKING:
    from contlab.lab.compare import Cell, Comparison, Fit, Row
    from contlab.lab.compare_measure import Extent
    from contlab.vm.model import ModelParameters

LABEL = 12
"""Characters before the figures."""


@click.command()
@click.option("--vm", type=click.Choice(["measured", "model"]), default="measured", show_default=True,
              help="Boot a real guest, or compute the VM's figures from cited measurements.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="One object on stdout.")
@click.option("--runs", type=click.IntRange(1, 50), default=5, show_default=True, help="Boots, and rounds of work.")
@click.option("--memory", metavar="SIZE", default="128M", show_default=True, help="The VM's RAM, measured or modelled.")
@click.option("--hypervisor", type=click.Choice([one.value for one in Hypervisor]), default=Hypervisor.QEMU_KVM.value,
              show_default=True, help="Model: whose figures.")  # fmt: skip
@click.option(
    "--guest-os",
    type=click.Choice([one.value for one in GuestOs]),
    help="Model: a kernel built for small guests, or a distribution's.  [default: the hypervisor's usual]",
)
@click.option(
    "--image",
    type=click.Choice([one.value for one in DiskImage]),
    help="Model: the container's files and a kernel, or a cloud image.  [default: the hypervisor's usual]",
)
def compare(
    vm: Literal["measured", "model"], as_json: bool, runs: int, memory: str, hypervisor: str, guest_os: str | None,
    image: str | None,
) -> int:  # fmt: skip
    """Measure a container beside a virtual machine on this host; the same root file system and the same commands.

    In a terminal the Compare screen opens; on a pipe, and with --json, it is printed. It takes a minute or two. What
    can't be measured here is the model's, computed from cited figures; each cell says where it is from. A memory hog, a
    fork bomb and a panic are tried, too: in guests, and the first two in containers, within limits.

    In --json: vm (measured or model), accelerator, conditions, why (what could not be measured, a sentence each), rows,
    each with key, label, container, vm, host, cited, ratio, note and explanation; and fit. A cell has text, tag
    ("measured here", "in the guest" or "model: SOURCE"), value, unit, spread (p50, low, high, runs) and steps.
    """
    import asyncio
    import sys

    from contlab.cli.vm import ram
    from contlab.lab.compare_measure import Extent
    from contlab.vm.model import ModelParameters

    extent = Extent(memory=ram(memory), boots=runs, rounds=runs)
    modelled = ModelParameters(
        hypervisor=Hypervisor(hypervisor),
        guest_os=GuestOs(guest_os) if guest_os else None,
        image=DiskImage(image) if image else None,
    )
    if not as_json and sys.stdin.isatty() and sys.stdout.isatty():
        return _screen(vm, extent, modelled)
    return asyncio.run(_print(vm, extent, modelled, as_json))


def _screen(vm: Literal["measured", "model"], extent: Extent, modelled: ModelParameters) -> int:
    from functools import partial

    from contlab.lab.compare_run import compare as comparing
    from contlab.tui.screens.compare import CompareApp

    app = CompareApp(partial(comparing, vm, extent, modelled))
    app.run()
    return app.return_code or 0


async def _print(vm: Literal["measured", "model"], extent: Extent, modelled: ModelParameters, as_json: bool) -> int:
    import contextlib

    import msgspec

    from contlab.cli.stop import stoppable
    from contlab.lab.compare import Comparison
    from contlab.lab.compare_run import compare as comparing

    with stoppable() as stopped:
        async with contextlib.aclosing(comparing(vm, extent, modelled)) as told:
            async for one in told:
                if not isinstance(one, Comparison):
                    click.echo(f"{one.done:>3}/{one.of} {one.words}", err=True)
                elif not one.complete:
                    continue
                elif as_json:
                    click.echo(msgspec.json.encode(one))
                else:
                    width = shutil.get_terminal_size((100, 0)).columns
                    click.echo("\n".join(_table(one, width)))
    return stopped.status


def _table(comparison: Comparison, width: int) -> Iterator[str]:
    for key, text in comparison.conditions.items():
        yield f"{key:<{LABEL}} {text}"
    for words in comparison.why:
        yield f"{'note':<{LABEL}} {words}"
    for row in comparison.rows:
        yield ""
        yield from _row(row)
    if comparison.fit is not None:
        yield ""
        yield from picture(comparison.fit, width)


def _row(row: Row) -> Iterator[str]:
    times = "" if row.ratio is None else f"   × {_times(row.ratio)}"
    yield f"{row.label}{times}" + (f"   {row.note}" if row.note else "")
    for name, cell in (("host", row.host), ("container", row.container), ("VM", row.vm), ("cited VM", row.cited)):
        if cell is not None:
            yield f"  {name:<{LABEL - 2}} {_figure(cell)}"


def _figure(cell: Cell) -> str:
    from contlab.lab.compare_rows import within

    return f"{cell.text}{within(cell)}  · {cell.tag}"


def _times(ratio: float) -> str:
    return f"{ratio:,.0f}" if ratio >= 9.95 else f"{ratio:.2g}"


def picture(fit: Fit, width: int) -> Iterator[str]:
    """How many fit, drawn: a square for each, or for several."""
    from contlab.lab.compare import squares
    from contlab.linux.sizes import format_size

    columns = max(20, min(width - LABEL - 2, 80))
    containers, vms, each = squares(fit, columns * 6)
    yield f"how many fit in {format_size(fit.room)} of this host's memory; ■ is {each}"
    for name, count, number in (("containers", containers, fit.containers), ("VMs", vms, fit.vms)):
        lines = [min(columns, count - at) for at in range(0, count, columns)] or [0]
        for place, squared in enumerate(lines):
            yield f"{f'{number:,}' if place == 1 else name if not place else '':<{LABEL}} {'■' * squared}"
        if len(lines) == 1:
            yield f"{f'{number:,}':<{LABEL}}"
