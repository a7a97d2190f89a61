"""Attacks from inside the default container, on harmless targets: each is refused, and without what refuses it is not.

The second half is there so that the first can fail: an attack that never works proves nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from contlab.runtime.client import Runtime
from contlab.runtime.protection import MASKED_PROC, MASKED_SYS
from contlab.runtime.spec import ALL_NAMESPACES, DEFAULT_LIMITS, ContainerSpec, Limits, Namespace
from tests.live.attacks import (
    ATTACKS,
    MIGHTY,
    ROOT_OUTSIDE,
    Calls,
    Fields,
    Scene,
    called,
    ending,
    identity,
    outcome,
    place,
    probing,
    row,
    scene,
)
from tests.live.containers import PATIENCE, Output, limits_of, run, run_in, shell

pytestmark = pytest.mark.needs("root", "cgroup", "cgroup-pids", "cgroup-memory", "pivot_root", "proc")


@pytest.fixture
def at(runtime: Runtime) -> Iterator[Scene]:
    """Where the attacks take place."""
    with scene(runtime) as at:
        yield at


@pytest.mark.parametrize("name", ATTACKS)
async def test_an_attack_is_refused_and_succeeds_without_what_refuses_it(at: Scene, name: str, checkout: Path) -> None:
    attack = ATTACKS[name]

    refused = not await attack.way(at, attack.on)
    succeeded = await attack.way(at, attack.on | attack.off)

    assert refused
    assert attack.there() == succeeded
    # With CONTLAB_WRITE_GOLDENS=1 test_the_table_has_every_attack writes it anew.
    (told,) = [line for line in table(checkout) if line["attack"] == name]
    assert told == row(name, refused, succeeded or not attack.there())


def table(checkout: Path) -> list[dict[str, object]]:
    """What lessons are told."""
    return json.loads((checkout / "lessons/attacks.json").read_text())  # type: ignore[no-any-return]


def test_the_table_has_every_attack(checkout: Path) -> None:
    if os.environ.get("CONTLAB_WRITE_GOLDENS") == "1":
        rows = [row(name, refused=True, succeeded=True) for name in ATTACKS]
        (checkout / "lessons/attacks.json").write_text(json.dumps(rows, indent=2) + "\n")

    assert [*ATTACKS] == [line["attack"] for line in table(checkout)]


# --- system calls -----------------------------------------------------------------------------------------------------

UNSHARE: Calls = (("unshare", 0x1000_0000),)
KEYCTL: Calls = (("keyctl", 0, -3, 0),)


@pytest.mark.parametrize("name", ["mount", "pivot_root", "setns", "umount"])
async def test_filter_and_capabilities_each_refuse_it_alone(at: Scene, name: str) -> None:
    way = ATTACKS[name].way

    assert not await way(at, ROOT_OUTSIDE | {"all_capabilities": True})
    assert not await way(at, ROOT_OUTSIDE | {"seccomp": False})


async def test_a_call_that_is_allowed_by_name_passes_and_no_other(at: Scene) -> None:
    fields: Fields = {"seccomp_allow": frozenset({"unshare"})}

    assert "done" == await called(at.runtime, at.probes, UNSHARE, fields)
    assert "EPERM" == await called(at.runtime, at.probes, KEYCTL, fields)


async def test_clone3_whose_arguments_a_filter_can_t_see_does_not_exist(at: Scene) -> None:
    assert "ENOSYS" == await called(at.runtime, at.probes, (("clone3", 0, 0),), {})
    assert "EINVAL" == await called(at.runtime, at.probes, (("clone3", 0, 0),), {"seccomp": False})


async def test_a_further_command_is_refused_the_same(at: Scene) -> None:
    place(at.probes, UNSHARE)
    for fields, expected in (({}, "EPERM"), ({"seccomp": False}, "done")):
        with Output() as output:
            spec = probing(at.probes, ("sleep", "1000"), **fields)
            container = await at.runtime.spawn("box", spec, output.stdio)
            ended, _ = await run_in(container, "exec /probes/program")
            await container.close()
        assert expected == ending(ended)


# --- the host's processes ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["/proc/1/root", "signal the host's processes", "ptrace the host's processes"])
async def test_where_the_host_s_processes_are_in_sight_the_user_namespace_refuses_it(at: Scene, name: str) -> None:
    assert not await ATTACKS[name].way(at, {"namespaces": ALL_NAMESPACES - {Namespace.PID}})


async def test_process_1_s_root_is_the_container_s_own(runtime: Runtime) -> None:
    own, first = (await run(runtime, shell("stat -c %d:%i /; stat -L -c %d:%i /proc/1/root")))[1]

    assert own == first != identity("/")


# --- files that speak to the whole machine ----------------------------------------------------------------------------


async def test_there_is_no_cgroup_file_in_reach(runtime: Runtime) -> None:
    """Neither a limit of its own to lift, nor notify_on_release."""
    script = "ls -A /sys/fs/cgroup 2>/dev/null | wc -l; grep -c cgroup /proc/self/mountinfo"

    assert ["0", "0"] == (await run(runtime, shell(script)))[1]


def readable(path: str) -> bool:
    """Whether root here reads anything of a file, or finds anything in a directory."""
    try:
        if os.path.isdir(path):
            return bool(os.listdir(path))
        with open(path, "rb", buffering=0) as file:
            return bool(file.read(1))
    except OSError:
        return False


async def test_of_what_is_masked_nothing_is_to_be_read(runtime: Runtime) -> None:
    # Reading says nothing about sysrq-trigger: that is written to, and not here.
    masked = [f"/proc/{name}" for name in MASKED_PROC if name != "sysrq-trigger"] + [
        f"/sys/{name}" for name in MASKED_SYS
    ]
    script = f"""for at in {" ".join(masked)}; do
        test -d $at && found=$(ls -A $at | head -n 1 | wc -c) || found=$(head -c 1 $at 2>/dev/null | wc -c)
        test $found -gt 0 && echo $at
    done; echo end"""

    assert ["end"] == (await run(runtime, shell(script)))[1]
    bare = MIGHTY | {"mask_proc": False}
    assert [*(path for path in masked if readable(path)), "end"] == (await run(runtime, shell(script, **bare)))[1]


async def test_sysrq_trigger_is_the_null_device(runtime: Runtime) -> None:
    path = "/proc/sysrq-trigger"
    script = f"if test -c {path}; then echo null; elif test -f {path}; then echo file; else echo none; fi"
    there = Path(path).exists()

    assert ("null" if there else "none") == await outcome(runtime, script, {})
    assert ("file" if there else "none") == await outcome(runtime, script, {"mask_proc": False})


# --- what a process takes along ---------------------------------------------------------------------------------------


async def test_it_has_three_descriptors_and_those_it_is_given(runtime: Runtime) -> None:
    # A program lists what it inherits; the last one is the directory that ls itself reads.
    spec = ContainerSpec(command=("ls", "/proc/self/fd"))
    handed = os.open("/", os.O_RDONLY | os.O_CLOEXEC)
    try:
        for keep, expected in (((), ["0", "1", "2", "3"]), ((handed,), ["0", "1", "2", "3", str(handed)])):
            with Output() as output:
                container = await runtime.spawn("box", spec, output.stdio, keep)
                await asyncio.wait_for(container.wait(), PATIENCE)
                await container.close()
                assert expected == sorted(output.lines, key=int)
    finally:
        os.close(handed)


async def test_resource_limits_are_the_container_s_and_not_its_maker_s(runtime: Runtime) -> None:
    script = "echo $(ulimit -Hc) $(ulimit -Sn) $(ulimit -Hn)"
    core, files = resource.getrlimit(resource.RLIMIT_CORE), resource.getrlimit(resource.RLIMIT_NOFILE)
    makers = ["unlimited" if limit == resource.RLIM_INFINITY else str(limit) for limit in (core[1], *files)]

    assert "0 1024 4096" == await outcome(runtime, script, {})
    assert " ".join(makers) == await outcome(runtime, script, {"rlimits": False})


async def test_setuid_programs_give_nothing(runtime: Runtime) -> None:
    script = "grep NoNewPrivs /proc/self/status"

    assert "NoNewPrivs:\t1" == await outcome(runtime, script, {})
    assert "NoNewPrivs:\t0" == await outcome(runtime, script, {"no_new_privs": False})


# --- taking all there is ----------------------------------------------------------------------------------------------


async def test_where_nothing_is_said_memory_and_tasks_are_limited_all_the_same_and_max_lifts_that(
    runtime: Runtime,
) -> None:
    for limits, expected in ((Limits(), DEFAULT_LIMITS), (Limits(memory=None, pids=None), Limits(None, None, None))):
        with Output() as output:
            container = await runtime.spawn("box", shell("sleep 1000", limits=limits), output.stdio)
            assert expected == limits_of(container.started.result().cgroups)
            await container.close()


@pytest.mark.parametrize(("path", "size"), [("/dev/shm", 16 << 20), ("/dev", 64 << 10)])
async def test_the_default_ones_are_limited_too(runtime: Runtime, path: str, size: int) -> None:
    script = f"head -c {size * 2} /dev/zero > {path}/big 2>/dev/null; stat -c %s {path}/big"

    assert 0 < int(await outcome(runtime, script, {})) <= size


# --- told -------------------------------------------------------------------------------------------------------------


async def test_the_started_container_says_which_protections_it_is_without(runtime: Runtime) -> None:
    expected: dict[tuple[str, ...], Fields] = {
        (): {},
        ("no seccomp filter", "resource limits are its maker's"): {"seccomp": False, "rlimits": False},
    }
    for words, fields in expected.items():
        with Output() as output:
            container = await runtime.spawn("box", shell("true", **fields), output.stdio)
            assert words == container.started.result().unprotected
            await container.close()
