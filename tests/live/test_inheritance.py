"""What a container's processes inherit: nothing of ours, by descriptor, environment or the way in."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import pytest

from contlab.runtime.client import Runtime
from contlab.runtime.handle import Container
from contlab.runtime.plan import ENVIRONMENT
from contlab.runtime.spec import ALL_NAMESPACES, ContainerSpec, Namespace, RootMethod
from contlab.runtime.terminal import Terminal
from tests.live.containers import PATIENCE, Output, run_in, shell, until

pytestmark = pytest.mark.needs("root", "cgroup", "ns-pid", "pivot_root", "proc")

WAITING = "echo ready; while :; do sleep 1000; done"
KINDS: dict[str, dict[str, object]] = {
    "default": {},
    "bare": {"namespaces": frozenset(), "root": RootMethod.HOST},
    "without user namespace": {"namespaces": ALL_NAMESPACES - {Namespace.USER}},
    "on a network": {"network": "lan"},
}


async def waiting(runtime: Runtime, output: Output, name: str, **fields: object) -> Container:
    container = await runtime.spawn(name, shell(WAITING, **fields), output.stdio)
    await until(lambda: "ready" in output.text)
    return container


def open_files(pid: int) -> dict[int, str]:
    """Descriptor -> what it leads to, as the host sees it."""
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        found[int(name)] = os.readlink(f"/proc/{pid}/fd/{name}")
    return found


def environment(pid: int) -> dict[str, str]:
    texts = Path(f"/proc/{pid}/environ").read_text().rstrip("\0").split("\0")
    return dict(text.split("=", 1) for text in texts)


@pytest.mark.parametrize("kind", KINDS)
async def test_three_descriptors_are_all_that_commands_have_beside_others_that_run(runtime: Runtime, kind: str) -> None:
    given = {0: "/dev/null", 1: "/memfd:output (deleted)", 2: "/memfd:output (deleted)"}
    with Output() as first, Output() as second, Output() as third:
        await waiting(runtime, first, "first", **KINDS[kind])
        container = await waiting(runtime, second, "second", **KINDS[kind])
        execution = await container.exec(("/bin/sh", "-c", WAITING), third.stdio)
        await until(lambda: "ready" in third.text)

        assert given == open_files(container.pid)
        assert given == open_files(execution.started.result().pid)


@pytest.mark.parametrize("kind", ["default", "without user namespace", "on a network"])
async def test_on_a_terminal_the_three_are_the_terminal(runtime: Runtime, kind: str) -> None:
    with Terminal() as terminal, Terminal() as second, Output() as output:
        await waiting(runtime, output, "other", **KINDS[kind])
        spec = ContainerSpec(command=("sleep", "1000"), **KINDS[kind])  # type: ignore[arg-type]
        container = await runtime.spawn("box", spec, terminal)
        execution = await container.exec(("sleep", "1000"), second)

        assert dict.fromkeys(range(3), "/dev/pts/0") == open_files(container.pid)
        assert dict.fromkeys(range(3), "/dev/pts/1") == open_files(execution.started.result().pid)
        variables = ENVIRONMENT | container.spec.environment
        assert variables == environment(container.pid) == environment(execution.started.result().pid)


async def test_each_environment_is_its_own_and_ours_in_none(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "of the app")
    with Output() as one, Output() as two, Output() as three:
        first = await waiting(runtime, one, "first", environment={"WHO": "first"})
        second = await waiting(runtime, two, "second", environment={"PATH": "/bin", "B": "x=y"})
        execution = await first.exec(("/bin/sh", "-c", WAITING), three.stdio, {"WHO": "third", "C": ""})
        await until(lambda: "ready" in three.text)

        assert ENVIRONMENT | {"WHO": "first"} == environment(first.pid)
        assert ENVIRONMENT | {"PATH": "/bin", "B": "x=y"} == environment(second.pid)
        assert ENVIRONMENT | {"WHO": "third", "C": ""} == environment(execution.started.result().pid)


SCAN = f"""
echo ready
while [ ! -e /tmp/stop ]; do
    for process in /proc/[0-9]*; do
        case "$(readlink $process/exe)" in *{Path(sys.executable).resolve().name}*) echo "$process is ours";; esac
        read -r line < $process/environ && case "$line" in *) ;; esac
    done 2>/dev/null
done
echo end
"""


@pytest.mark.parametrize("kind", ["default", "without user namespace"])
async def test_who_comes_in_for_a_further_command_shows_nobody_inside_the_program_it_is(
    runtime: Runtime, kind: str
) -> None:
    """Through /proc/PID/exe root inside could write to the host's interpreter (CVE-2019-5736, of runc)."""
    with Output() as output:
        container = await runtime.spawn("box", shell(SCAN, **KINDS[kind]), output.stdio)
        await until(lambda: "ready" in output.text)
        for _ in range(60):
            await run_in(container, "true")
        await run_in(container, ": > /tmp/stop")
        await asyncio.wait_for(container.wait(), PATIENCE)

        assert ["ready", "end"] == output.lines
