"""A container's own steps as a list of calls, beside the stage that goes through them as Python: the same container."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import msgspec
import psutil
import pytest

from contlab.errors import ContlabError
from contlab.runtime.client import Runtime
from contlab.runtime.events import AnyEvent, OperationDone
from contlab.runtime.spec import ALL_NAMESPACES, ContainerSpec, Limits, Namespace, RootMethod, TimeOffsets
from tests.live.containers import PATIENCE, Output, run, shell, until

pytestmark = pytest.mark.needs("root", "cgroup", "pivot_root", "proc")

LOOK = """
exec 2>&1; grep -E 'Cpus_allowed|Groups|Cap|Seccomp|NoNew|Sig[BIC]|Umask|NSpid|Shd' /proc/self/status
cut -d' ' -f 5- /proc/self/mountinfo |
sed 's/size=[0-9]*k//; s/master:[0-9]*//; s/upperdir.*//'; cat /proc/self/cgroup | grep -v :name= | sed 's/[^:/]*$//'
cat /proc/self/limits /proc/self/uid_map /proc/self/timens_offsets; env | sort; pwd; hostname; id
ls -la /dev | grep -v total
cat /proc/1/comm; cat /proc/sys/kernel/random/boot_id | wc -l; ip addr | grep -v link; ls / /proc/acpi /sys/firmware
cut -d' ' -f 4-8 /proc/1/stat; for s in 0 1 2; do readlink /proc/self/fd/$s; done; ls /proc/self/fd | wc -l
"""
SPECS = {
    "the default": ContainerSpec(),
    "limits": ContainerSpec(limits=Limits(memory=32 << 20, pids=16, cpus=0.5), hostname="ship"),
    "read-only, with files": ContainerSpec(read_only=True, files={"/etc/motd": "hello"}, environment={"A": "b=c"}),
    "chroot": ContainerSpec(root=RootMethod.CHROOT),
    "no user namespace": ContainerSpec(namespaces=ALL_NAMESPACES - {Namespace.USER}),
    "no time namespace": ContainerSpec(namespaces=ALL_NAMESPACES - {Namespace.TIME, Namespace.NET}),
    "clocks set off": ContainerSpec(time_offsets=TimeOffsets(monotonic=1000, boottime=2000)),
    "a plain user": ContainerSpec(user=1000),
    "unprotected": ContainerSpec(
        all_capabilities=True, no_new_privs=False, seccomp=False, mask_proc=False, rlimits=False
    ),
}


async def by_stage(runtime: Runtime, spec: ContainerSpec) -> str:
    """What is kept besides has a number that only a stage gives."""
    reader, writer = os.pipe()
    with Output() as output:
        container = await runtime.spawn("box", spec, output.stdio, keep=[reader])
        await asyncio.wait_for(container.wait(), PATIENCE)
        await container.close()
        os.close(reader)
        os.close(writer)
        return output.text.replace(f"\n{reader} ", "\n")


@pytest.mark.parametrize("name", SPECS)
async def test_from_inside_there_is_no_difference(runtime: Runtime, name: str) -> None:
    spec = msgspec.structs.replace(SPECS[name], command=("/bin/sh", "-c", LOOK))

    _, lines = await run(runtime, spec)
    _, again = await run(runtime, spec)
    told = (await by_stage(runtime, spec)).splitlines()

    assert lines == again
    *told, fds = told
    *lines, ours = lines
    assert told == lines
    assert f"Cpus_allowed_list:\t{allowed()}" in lines
    assert int(fds) == int(ours) + 1  # the one that it was to keep


async def test_each_step_is_told_with_its_time_and_in_order(runtime: Runtime) -> None:
    told: list[AnyEvent] = []
    runtime.listen(told.append)

    await run(runtime, shell("true"))

    done = [event for event in told if isinstance(event, OperationDone)]
    assert [event.index for event in done] == [*range(len(done))]
    assert "Execute" == done[-1].operation
    assert all(event.microseconds > 0 for event in done[:-1])
    assert any("no such file" in event.describe for event in done if event.operation == "Mask")


async def test_a_command_that_is_not_there_is_told_as_a_stage_tells_it(runtime: Runtime) -> None:
    for command in ("nosuch", "/no/such"):
        with pytest.raises(ContlabError, match="no such command in the container"):
            await run(runtime, ContainerSpec(command=(command,)))
    ended, _ = await run(runtime, shell("exit 125"))
    assert 125 == ended.exit_code


async def test_too_little_memory_for_one_is_not_the_next_one_s_trouble(runtime: Runtime) -> None:
    with pytest.raises(ContlabError, match=r"OOM killer|ENOMEM|before its command ran"):
        await run(runtime, shell("true", limits=Limits(memory=64 << 10)))

    ended, lines = await run(runtime, shell("echo well"))
    assert (0, ["well"]) == (ended.exit_code, lines)


def allowed() -> str:
    """The processors that this process may run on."""
    status = Path("/proc/self/status").read_text()
    return status.partition("Cpus_allowed_list:")[2].split()[0]


def said(cmdline: Path) -> bytes:
    """Empty when it is gone."""
    try:
        return cmdline.read_bytes()
    except OSError:
        return b""


def nursery(runtime: Runtime) -> psutil.Process:
    """Who bears them."""
    (found,) = (each for each in psutil.Process(runtime.supervisor_pid).children() if each.name() == "contlab:nursery")
    return found


async def test_a_killed_nursery_is_replaced(runtime: Runtime) -> None:
    await run(runtime, shell("true"))
    for _ in range(2):
        nursery(runtime).kill()
        ended, lines = await run(runtime, shell("echo here"))
        assert (0, ["here"]) == (ended.exit_code, lines)


async def test_many_at_once_have_lists_of_their_own(runtime: Runtime) -> None:
    done = await asyncio.gather(*(run(runtime, shell("hostname"), f"box-{n}") for n in range(40)))

    assert [[f"box-{n}"] for n in range(40)] == [lines for _, lines in done]


async def test_the_nursery_s_memory_stays_small(runtime: Runtime) -> None:
    await run(runtime, shell("true"))
    process = nursery(runtime)
    before = process.memory_info().rss
    for turn in range(30):
        await run(runtime, shell("true"), f"box-{turn}")

    assert process.memory_info().rss < before + (1 << 20)


@pytest.mark.parametrize("milliseconds", [0.5, 0.8, 1.1, 1.4, 1.7, 2.0, 2.5, 3.0])
async def test_who_is_being_born_dies_with_the_supervisor(milliseconds: float, output: Output) -> None:
    async with Runtime() as runtime:
        await run(runtime, shell("true"))
        asked = asyncio.create_task(runtime.spawn("box", ContainerSpec(command=("sleep", "98765")), output.stdio))
        await asyncio.sleep(milliseconds / 1000)
        psutil.Process(runtime.supervisor_pid).send_signal(signal.SIGKILL)
        with contextlib.suppress(ContlabError):
            await (await asked).wait()

        await until(lambda: not [each for each in Path("/proc").glob("[0-9]*/cmdline") if b"98765" in said(each)])


async def test_where_a_command_finds_no_room_a_stage_goes_on(runtime: Runtime) -> None:
    await run(runtime, shell("true"))

    for size in (10, 1 << 15, 1 << 16, 1 << 15, 10):  # as Execute is written alone, room is lacking when one is born
        spec = shell("hostname", environment={"LONG": "x" * size})
        ended, lines = await run(runtime, spec)
        assert (0, ["box"]) == (ended.exit_code, lines)
