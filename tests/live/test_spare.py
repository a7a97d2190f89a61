"""Containers that nobody watches: the next one's process stands ready, and they are like all others."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from contlab.errors import RuntimeFailure
from contlab.runtime import events
from contlab.runtime.cgroup import read_hierarchies
from contlab.runtime.client import Runtime
from contlab.runtime.handle import Container
from contlab.runtime.spec import Bind, ContainerSpec, Limits, Namespace
from tests.live.containers import (
    PATIENCE,
    SLOW,
    Output,
    below,
    cgroups_of,
    descriptors,
    left_of,
    limits_of,
    shell,
    until,
)

pytestmark = pytest.mark.needs("root", "cgroup-memory", "cgroup-pids", "pivot_root", "proc")

HIERARCHIES = read_hierarchies()
LIMITED = Limits(memory=32 << 20, cpus=0.5, pids=16)


@pytest.fixture
async def runtime() -> AsyncIterator[Runtime]:
    """One in which a spare stands ready, for shells that may take 32 MiB."""
    async with Runtime() as runtime:
        with Output() as output:
            for number in range(2):
                await one(runtime, output, f"before-{number}", "true")
        await ready(runtime)
        yield runtime
    assert [] == left_of(runtime.run)


async def one(runtime: Runtime, output: Output, name: str, script: str, **fields: object) -> Container:
    """A container from the request until it has gone by itself."""
    container = await runtime.spawn(name, shell(script, **({"limits": LIMITED} | fields)), output.stdio, remove=True)
    await asyncio.wait_for(container.removed, PATIENCE)
    return container


def spares(runtime: Runtime) -> list[psutil.Process]:
    assert runtime.supervisor_pid is not None
    found = []
    for child in psutil.Process(runtime.supervisor_pid).children():
        try:
            # On its root, which is not the host's: it has come to the end of its preparation.
            if child.name() == "contlab:waits" and os.stat(f"/proc/{child.pid}/root").st_dev != os.stat("/").st_dev:
                found.append(child)
        except (psutil.Error, OSError):
            continue
    return found


async def ready(runtime: Runtime) -> psutil.Process:
    """The spare, which has come to rest."""
    (spare,) = await until(lambda: [each for each in spares(runtime) if each.status() == psutil.STATUS_SLEEPING])
    await asyncio.sleep(1 if SLOW else 0.05)
    return spare


async def test_a_container_that_nobody_watches_gets_the_process_that_waits(runtime: Runtime) -> None:
    spare = await ready(runtime)
    with Output() as output:
        container = await one(runtime, output, "box", "hostname; cat /proc/self/status | grep Seccomp:; id -u; echo $$")

        assert spare.pid == container.pid
        assert ["box", "Seccomp:\t2", "0", "1"] == output.lines


async def test_it_differs_in_all_that_is_asked_for(runtime: Runtime) -> None:
    spare = await ready(runtime)
    fields = {
        "environment": {"COLOUR": "blue"}, "files": {"/etc/motd": "hello\n"}, "workdir": "/tmp", "hostname": "ship",
    }  # fmt: skip
    with Output() as output:
        script = "hostname; echo $COLOUR; cat /etc/motd; pwd; exec sleep 1000"
        container = await runtime.spawn("box", shell(script, limits=LIMITED, **fields), output.stdio)
        await until(lambda: len(output.lines) == 4)

        assert spare.pid == container.pid
        assert ["ship", "blue", "hello", "/tmp"] == output.lines
        assert LIMITED == limits_of(container.started.result().cgroups)
        await container.close()


async def test_its_v1_cgroups_are_called_like_any_other_s(runtime: Runtime) -> None:
    await ready(runtime)
    with Output() as output:
        container = await runtime.spawn("box", shell("exec sleep 1000", limits=LIMITED), output.stdio)
        cgroups = container.started.result().cgroups
        held = Path(f"/proc/{container.pid}/cgroup").read_text()

        for controller in ("memory", "cpu", "pids"):
            assert str(container.pid) in Path(cgroups[controller], "cgroup.procs").read_text().split()
            if HIERARCHIES.of(controller) is not HIERARCHIES.unified:
                assert cgroups[controller].endswith(f"/contlab-{runtime.run}-box")
        names = {line.rpartition("/")[2] for line in held.splitlines() if "contlab-" in line}
        assert names <= {f"contlab-{runtime.run}-box", f"contlab-{runtime.run}-#3"}
        await container.close()


@pytest.mark.parametrize(
    "fields",
    [
        {"namespaces": frozenset({Namespace.MNT})},
        {"binds": (Bind("/usr", "/mnt"),)},
        {"network": "lan"},
        {"limits": Limits(memory=48 << 20, pids=16, cpus=0.5)},
        {"read_only": True, "seccomp": False, "user": 1000},
    ],
    ids=["no namespaces", "a bind", "a network", "another limit", "other protections"],
)
async def test_who_asks_for_something_else_gets_that(runtime: Runtime, fields: dict[str, object]) -> None:
    spare = await ready(runtime)
    with Output() as output:
        container = await one(runtime, output, "box", "echo here", **fields)

        assert ["here"] == output.lines
    assert (spare.pid == container.pid) is ("seccomp" in fields), "that is no matter of the first steps"
    if spare.pid != container.pid:
        assert not spare.is_running()


async def test_what_the_kernel_refuses_is_told_and_leaves_nothing(runtime: Runtime) -> None:
    spare = await ready(runtime)
    numbered = next(Path(path) for path in cgroups_of(runtime.run) if "unified" not in path)
    taken = numbered.with_name(f"contlab-{runtime.run}-box") / "taken"
    taken.mkdir(parents=True)  # so that no cgroup can be renamed to that
    with Output() as output:
        if HIERARCHIES.of("memory") is not HIERARCHIES.unified:
            with pytest.raises(RuntimeFailure, match="can't become"):
                await one(runtime, output, "box", "true")
            assert not spare.is_running()
        else:
            await one(runtime, output, "box", "true")
        for path in cgroups_of(runtime.run):
            assert "#3" not in path
        await one(runtime, output, "other", "echo here")
        assert ["here"] == output.lines
    for path in (taken, taken.parent):
        if path.exists():
            path.rmdir()


async def test_whoever_watches_sees_every_step_happen(runtime: Runtime) -> None:
    spare = await ready(runtime)
    heard: list[events.AnyEvent] = []
    runtime.listen(heard.append)
    with Output() as output:
        container = await one(runtime, output, "box", "true")

    assert spare.pid != container.pid
    done = [event for event in heard if isinstance(event, events.OperationDone)]
    assert list(range(len(done))) == [event.index for event in done]
    assert {"MakeCgroup", "Clone", "MountOverlay", "PivotRoot", "Execute"} <= {event.operation for event in done}


@pytest.mark.parametrize("victim", ["spare", "nursery"])
async def test_what_is_killed_meanwhile_is_replaced(runtime: Runtime, victim: str) -> None:
    spare = await ready(runtime)
    killed = spare if victim == "spare" else named(runtime, "contlab:nursery")
    killed.kill()
    await until(lambda: not killed.is_running() or killed.status() == psutil.STATUS_ZOMBIE)
    with Output() as output:
        for number in range(3):
            await one(runtime, output, f"box-{number}", "echo here")

        assert ["here"] * 3 == output.lines


def named(runtime: Runtime, name: str) -> psutil.Process:
    assert runtime.supervisor_pid is not None
    (found,) = [c for c in psutil.Process(runtime.supervisor_pid).children() if c.name() == name]
    return found


async def test_with_the_supervisor_dies_who_waits(runtime: Runtime) -> None:
    spare, nursery = await ready(runtime), named(runtime, "contlab:nursery")
    assert runtime.supervisor_pid is not None
    os.kill(runtime.supervisor_pid, signal.SIGKILL)

    await until(lambda: not spare.is_running() and not nursery.is_running())


async def test_it_is_in_no_group_whose_gauges_would_count_it(runtime: Runtime) -> None:
    await runtime.group("team", Limits(memory=64 << 20))
    with Output() as output:
        for number in range(3):
            await one(runtime, output, f"member-{number}", "true", group="team")
    await asyncio.sleep(0.1)

    assert [] == [path for path in cgroups_of(runtime.run) if "-team/" in path]
    await runtime.close_container("team")


async def test_many_in_a_row_leave_one_spare_and_nothing_else(runtime: Runtime) -> None:
    await ready(runtime)
    assert runtime.supervisor_pid is not None
    before = descriptors(runtime.supervisor_pid)
    with Output() as output:
        for number in range(100):
            await one(runtime, output, f"box-{number}", "true" if number % 3 else "kill -9 $$")
            await asyncio.sleep(0.001 * (number % 12))

    await ready(runtime)
    assert before == descriptors(runtime.supervisor_pid)
    kept = {path.rpartition("/")[2] for path in cgroups_of(runtime.run)}
    assert 1 == len(kept)
    assert 1 == len(spares(runtime))
    assert [] == [path for path in below(runtime.directory, "*") if "copy" in path]


async def test_one_that_is_to_go_at_its_end_goes_with_all_that_it_started() -> None:
    async with Runtime() as runtime:
        with Output() as output:
            container = await runtime.spawn(
                "box", ContainerSpec(command=("/bin/sh", "-c", "sleep 1000 & sleep 1000 & exit 7")), output.stdio,
                remove=True,
            )  # fmt: skip
            assert 7 == (await container.wait()).exit_code
            assert (await asyncio.wait_for(container.removed, PATIENCE)).removed
            assert (await container.close()).removed, "closed again, it says the same"
            assert [] == cgroups_of(runtime.run)
            again = await runtime.spawn("box", shell("true"), output.stdio)
            await again.close()
