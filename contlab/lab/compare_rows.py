"""Rows: what was measured, and the model where nothing was, as the lines of one comparison."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import msgspec

from contlab.lab.compare import EMULATED, INSIDE, MEASURED, TRANSLATED, Cell, Fit, Row, Step, spread
from contlab.lab.compare_measure import LOAD, Measured
from contlab.lab.compare_mischief import bomb, tried
from contlab.lab.compare_work import Work
from contlab.linux.sizes import format_duration, format_size
from contlab.observe.snapshot import PidView, Snapshot, Unavailable
from contlab.vm.equations import fit, room
from contlab.vm.qemu import MIB
from contlab.vm.row import Row as ModelRow

Model = dict[str, ModelRow]
"""The model's rows by key."""

WALLS = ("network.latency", "surface", "surface.code", "crash", "memory.hog", "neighbour")
"""Rows that are the model's where nothing was tried, in their order."""
MODEL_ONLY = ("boot.crowd", "memory.reserved", "syscall", "memory.random", "density.hope", "density.kata")
"""Rows that are shown where no guest was measured."""
CITED = {"work.cpu": "cpu", "work.read": "io.random"}
"""Work -> the model's row that has a figure for it."""


class Sizes:
    """Bytes on disk of what both begin with."""

    def __init__(self, rootfs: int, image: int, kernel: int) -> None:
        self.rootfs, self.image, self.kernel = rootfs, image, kernel


def rows(measured: Measured, model: Model, works: Sequence[Work], host_kernel: str, sizes: Sizes) -> Iterator[Row]:
    """All lines, in the order in which they are shown."""
    guest = bool(measured.boots)
    yield _kernel(measured, model, host_kernel)
    yield _boot(measured, model)
    yield from _memory(measured, model)
    yield from _inside(measured)
    yield _image(model, sizes, guest)
    yield from (_work(work, measured, model) for work in works)
    yield from (_modelled(model[key]) for key in (() if guest else MODEL_ONLY) if key in model)
    yield from (tried(_modelled(model[key]), measured.mischief) for key in WALLS if key in model)
    if (bombed := bomb(measured.mischief)) is not None:
        yield bombed


def fits(measured: Measured, host_bytes: int) -> Fit | None:
    """How many of each fit in this host's memory, by what each took under the load."""
    if measured.container_memory is None or measured.guest_memory is None:
        return None
    container, vm = measured.container_memory.loaded, measured.guest_memory.loaded
    space = room(host_bytes / MIB)
    return Fit(int(space * MIB), fit(space, container / MIB), fit(space, vm / MIB), container, vm, MEASURED)


def density(found: Fit | None, model: Model, *, emulated: bool) -> Row | None:
    """The same as a line. ``emulated``: the guest that was measured was."""
    modelled = model.get("density")
    if found is None:
        return None if modelled is None else _modelled(modelled)
    return Row(
        key="density",
        label="how many fit in this host",
        container=Cell(text=f"{found.containers:,}", tag=MEASURED, value=float(found.containers)),
        vm=Cell(text=f"{found.vms:,}", tag=MEASURED, value=float(found.vms)),
        cited=_cited(modelled) if emulated else None,
        ratio=found.containers / max(1, found.vms),
        note=TRANSLATED if emulated else "",
        explanation=f"Computed: {format_size(found.room)} are left when the host keeps 1 GiB; a container took "
        f"{format_size(found.container_bytes)} of it with {LOAD} MiB in use, a guest {format_size(found.vm_bytes)}. "
        "QEMU's program counts once and is shared by all, so the next guest costs a little less than the first.",
    )


def stamp(row: ModelRow) -> str:
    """A model's tag: "model: NSDI'20 data, 2020"."""
    return f"model: {row.source}, {row.year}"


def _modelled(row: ModelRow, container: Cell | None = None, host: Cell | None = None) -> Row:
    """A line whose VM is the model's, and whose container is, too, unless one was measured."""
    said = None if row.container is None else Cell(text=row.container, tag=stamp(row))
    vm = Cell(text=row.vm, tag=stamp(row), value=row.value, unit=row.unit)
    return Row(
        key=row.key, label=row.label, container=container or said, vm=vm, host=host,
        explanation=f"{row.explanation} ({row.conditions})",
    )  # fmt: skip


def _line(
    measured: Measured, modelled: ModelRow | None, key: str, label: str, container: Cell | None, vm: Cell,
    explanation: str, *, emulated: str,
) -> Row:  # fmt: skip
    """A line whose VM was measured. ``emulated``: what to say of it where it was; the cited figure stands beside it."""
    tcg = measured.accelerator == "tcg"
    if container is None and modelled is not None and modelled.container is not None:
        container = Cell(text=modelled.container, tag=stamp(modelled))
    ratio = None
    if container is not None and container.value and container.measured and vm.value is not None:
        ratio = vm.value / container.value
    return Row(
        key=key, label=label, container=container, vm=vm, cited=_cited(modelled) if tcg else None, ratio=ratio,
        note=emulated if tcg else "", explanation=explanation,
    )  # fmt: skip


def _cited(modelled: ModelRow | None) -> Cell | None:
    """What was measured elsewhere on a processor that helps; None where no source has a number."""
    if modelled is None or modelled.value is None:
        return None
    return Cell(text=modelled.vm, tag=stamp(modelled), value=modelled.value, unit=modelled.unit)


def _kernel(measured: Measured, model: Model, host_kernel: str) -> Row:
    container = Cell(text=f"{host_kernel}, the host's", tag=MEASURED)
    modelled = model["kernel"]
    if not measured.boots:
        return _modelled(modelled, container)
    vm = Cell(text=f"{measured.guest_kernel}, its own", tag=INSIDE)
    return Row(key="kernel", label="kernel", container=container, vm=vm, explanation=modelled.explanation)


def _boot(measured: Measured, model: Model) -> Row:
    modelled = model["boot"]
    container = _births(measured)
    if not measured.boots:
        return _modelled(modelled, container)
    boots = sorted(measured.boots, key=lambda boot: boot.first_process)
    middle, times = boots[len(boots) // 2], spread([boot.first_process * 1e6 for boot in boots])
    steps = tuple(Step(stage.name, stage.seconds * 1e6, stage.explanation) for stage in middle.stages)
    vm = Cell(text=format_duration(times.p50), tag=MEASURED, value=times.p50, unit="µs", spread=times, steps=steps)
    return _line(
        measured, modelled, "boot", "request to first process", container, vm,
        "The container's: until its command runs. The VM's: until its init runs; what answers us comes a little later. "
        "Boot times are quoted for many end points; compare only those with the same one.",
        emulated=EMULATED,
    )  # fmt: skip


def _births(measured: Measured) -> Cell | None:
    if not measured.births:
        return None
    births = sorted(measured.births, key=lambda birth: birth[0])
    ready, operations = births[len(births) // 2]
    steps = [Step(done.describe, done.microseconds, done.shell) for done in operations]
    rest = ready - sum(step.microseconds for step in steps)
    steps.append(Step("between them", max(0.0, rest), "messages, a fork's page faults, waiting for a processor"))
    times = spread([birth[0] for birth in births])
    return Cell(
        text=format_duration(times.p50), tag=MEASURED, value=times.p50, unit="µs", spread=times, steps=tuple(steps)
    )


def _memory(measured: Measured, model: Model) -> Iterator[Row]:
    own, guest = measured.container_memory, measured.guest_memory
    for key, field, label, words in (
        ("memory.idle", "idle", "memory given up at idle",
         "The guest's: the proportional set size of its QEMU. The container's: what its cgroup is charged with. A VM's "
         "kernel, its page table and its monitor are memory that the host no longer has."),
        ("memory.load", "loaded", f"the same, with {LOAD} MiB in use",
         f"{LOAD} MiB were written into a memory file system on both sides. Pages that the guest's kernel had touched "
         "before cost the host nothing more."),
        ("memory.freed", "freed", "the same, after they were freed",
         "A page that a guest has touched stays taken: the host can't see that it is free inside. A ratchet, unless a "
         "balloon or free page reporting gives pages back. A container's memory returns as it is freed."),
    ):  # fmt: skip
        container = None if own is None else _bytes(getattr(own, field), MEASURED)
        modelled = model.get(key)
        if guest is not None:
            taken = _bytes(getattr(guest, field), MEASURED)
            yield _line(measured, modelled, key, label, container, taken, words, emulated=TRANSLATED)
        elif modelled is not None:
            yield _modelled(modelled, container)
    if guest is not None and measured.guest_total:
        yield Row(
            key="memory.usable", label="usable inside",
            container=_bytes(measured.container_total, MEASURED) if measured.container_total else None,
            vm=_bytes(measured.guest_total, INSIDE),
            explanation="MemTotal: what the guest's kernel leaves of its RAM to processes. In a container it is the "
            "host's, whatever memory.max says.",
        )  # fmt: skip
    elif guest is None and (modelled := model.get("memory.usable")) is not None:
        yield _modelled(modelled)


def _bytes(value: int, tag: str) -> Cell:
    return Cell(text=format_size(value), tag=tag, value=float(value), unit="bytes")


def _inside(measured: Measured) -> Iterator[Row]:
    def own(view: PidView) -> bool:
        return not _threads(view)

    for key, label, wanted, words in (
        ("processes", "processes inside", own, "A guest needs an init and whatever it starts; a container is its "
         "command."),
        ("kernel_threads", "kernel threads inside", _threads, "Children of kthreadd (process 2), which only a kernel "
         "has. A container's work is done by the host's."),
    ):  # fmt: skip
        container = _count(measured.container_inside, wanted, MEASURED)
        vm = _count(measured.guest_inside, wanted, INSIDE)
        if container is not None or vm is not None:
            yield Row(key=key, label=label, container=container, vm=vm, explanation=words)


def _threads(view: PidView) -> bool:
    return 2 in (view.inside, view.ppid) and not view.command


def _count(snapshot: Snapshot | None, wanted: Callable[[PidView], bool], tag: str) -> Cell | None:
    if snapshot is None or isinstance(snapshot.processes, Unavailable):
        return None
    number = sum(map(wanted, snapshot.processes))
    return Cell(text=str(number), tag=tag, value=float(number))


def _image(model: Model, sizes: Sizes, guest: bool) -> Row:
    container = _bytes(sizes.rootfs, MEASURED)
    if not guest:
        return _modelled(model["image"], container)
    vm = Cell(
        text=f"{format_size(sizes.image + sizes.kernel)} (kernel {format_size(sizes.kernel)})",
        tag=MEASURED, value=float(sizes.image + sizes.kernel), unit="bytes",
    )  # fmt: skip
    return Row(
        key="image", label="image on disk", container=container, vm=vm,
        ratio=(sizes.image + sizes.kernel) / sizes.rootfs,
        explanation="The same root file system; the guest needs a kernel as well, here without modules. A "
        "distribution's cloud image has them, a boot loader and an init system: hundreds of megabytes.",
    )  # fmt: skip


def _work(work: Work, measured: Measured, model: Model) -> Row:
    host, container, vm = (_rate(work, measured, name) for name in ("host", "container", "guest"))
    modelled = model.get(CITED.get(work.key, ""))
    if vm is None:
        said = None if modelled is None else Cell(text=modelled.vm, tag=stamp(modelled))
        lacking = measured.work.lacking.get((work.key, "guest"), "")
        return Row(
            key=work.key, label=work.label, container=container, vm=said, host=host,
            explanation=work.explanation, note=lacking,
        )  # fmt: skip
    line = _line(measured, modelled, work.key, work.label, container, vm, work.explanation, emulated=EMULATED)
    ratio = None if container is None or not vm.value or not container.value else container.value / vm.value
    return msgspec.structs.replace(line, host=host, container=container, ratio=ratio)


def _rate(work: Work, measured: Measured, name: str) -> Cell | None:
    rates = measured.work.rates.get((work.key, name))
    if not rates:
        return None
    if name == "guest":
        rates = [rate * measured.clock for rate in rates]  # its seconds, in the host's
    found = spread(rates)
    tag = INSIDE if name == "guest" else MEASURED
    return Cell(text=f"{number(found.p50)} {work.unit}", tag=tag, value=found.p50, unit=work.unit, spread=found)


def within(cell: Cell) -> str:
    """The ends and the count of a cell's runs: " [1.47 s to 2.59 s, 5 runs]"; "" where it is a single figure."""
    found = cell.spread
    if found is None or found.runs < 2:
        return ""
    words = format_duration if cell.unit == "µs" else number
    return f" [{words(found.low)} to {words(found.high)}, {found.runs} runs]"


def number(value: float) -> str:
    """Three significant digits: 9,850,000, 87.3."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= 100 else f"{rounded:.3g}"
