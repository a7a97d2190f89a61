"""Attacks from inside the default container, on harmless targets: each is refused, and without what refuses it is not.

The second half is there so that the first can fail: an attack that never works proves nothing.
"""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from contlab.runtime.client import Runtime
from contlab.runtime.events import Exited
from contlab.runtime.protection import MASKED_PROC, MASKED_SYS
from contlab.runtime.spec import (
    ALL_NAMESPACES,
    DEFAULT_LIMITS,
    Bind,
    ContainerSpec,
    Limits,
    Namespace,
    RootMethod,
    Tmpfs,
)
from tests.live.containers import PATIENCE, Output, left_of, limits_of, run, run_in, shell
from tests.live.machine_code import program

pytestmark = pytest.mark.needs("root", "cgroup", "cgroup-pids", "cgroup-memory", "pivot_root", "proc")

Fields = dict[str, object]

ROOT_OUTSIDE: Fields = {"namespaces": ALL_NAMESPACES - {Namespace.USER}}
"""Root inside is root outside."""
ALL_RIGHTS: Fields = {"all_capabilities": True, "seccomp": False}
MIGHTY = ROOT_OUTSIDE | ALL_RIGHTS
WITH_THE_HOST_S_PROCESSES: Fields = {"namespaces": ALL_NAMESPACES - {Namespace.USER, Namespace.PID}}
REFUSED = "EPERM"


@pytest.fixture
async def runtime() -> AsyncIterator[Runtime]:
    """One that must leave nothing behind."""
    async with Runtime() as runtime:
        yield runtime
    assert [] == left_of(runtime.run)


@pytest.fixture
def probes() -> Iterator[Path]:
    """A directory for programs, which whoever root inside is may enter."""
    with tempfile.TemporaryDirectory(prefix="contlab-probes-") as place:
        Path(place).chmod(0o755)
        yield Path(place)


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[bytes]]:
    """A process of the host's that nobody will miss."""
    with subprocess.Popen(["sleep", "1000"]) as process:
        yield process
        process.kill()


def identity(path: str) -> str:
    """A directory as stat(1) -c %d:%i names it."""
    found = os.stat(path)
    return f"{found.st_dev}:{found.st_ino}"


async def outcome(runtime: Runtime, script: str, fields: Fields) -> str:
    """The one line that a script prints in a container."""
    _, lines = await run(runtime, shell(script, **fields))
    assert 1 == len(lines), lines
    return lines[0]


async def called(runtime: Runtime, probes: Path, calls: tuple[tuple[object, ...], ...], fields: Fields) -> str:
    """How the last of some system calls ends in a container: the errno's name, or "done"."""
    place(probes, calls)
    spec = ContainerSpec(command=("/probes/program",), binds=(Bind(str(probes), "/probes"),), **fields)  # type: ignore[arg-type]
    return ending((await run(runtime, spec))[0])


def place(probes: Path, calls: tuple[tuple[object, ...], ...]) -> None:
    file = probes / "program"
    file.write_bytes(program(*calls))  # type: ignore[arg-type]
    file.chmod(0o755)


def ending(ended: Exited) -> str:
    assert ended.exit_code is not None, ended
    return errno.errorcode[ended.exit_code] if ended.exit_code else "done"


# --- system calls -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Call:
    """System calls, of which the last one is the attack."""

    calls: tuple[tuple[object, ...], ...]
    allowed: tuple[str, ...] = ("done",)
    """How it ends where nothing refuses it: it is done, or the kernel finds fault with the arguments, which are wrong
    on purpose where right ones would change the host."""
    without: Fields = field(default_factory=lambda: ALL_RIGHTS)
    """What must be off for that."""


CALLS = {
    "kexec_load": Call((("kexec_load", 0, 1 << 20, 0, 0x8000),), ("EINVAL", "ENOSYS"), MIGHTY),
    "init_module": Call((("init_module", 0, 0, b""),), ("EFAULT", "ENOEXEC", "ENOSYS"), MIGHTY),
    "open_by_handle_at": Call((("open_by_handle_at", -1, 0, 0),), ("EBADF", "EFAULT"), MIGHTY),
    "bpf": Call((("bpf", 9999, 0, 0),), ("EINVAL", "ENOSYS"), MIGHTY),
    "perf_event_open": Call(
        (("perf_event_open", 0, 0, -1, -1, 0),), ("EFAULT", "EACCES", "ENOSYS"), {"seccomp": False}
    ),
    "keyctl": Call((("keyctl", 0, -3, 0),), ("done", "ENOKEY"), {"seccomp": False}),
    "setns": Call((("openat", -100, b"/proc/self/ns/uts", 0, 0), ("setns", 3, 0))),
    "unshare a user namespace": Call((("unshare", 0x1000_0000),), without={"seccomp": False}),
    "clone a user namespace": Call((("clone", 0x1000_0000 | 17, 0, 0, 0, 0),), without={"seccomp": False}),
    "pivot_root": Call((("chdir", b"/"), ("pivot_root", b".", b".")), ("EBUSY", "EINVAL", "done")),
    "mount": Call((("mount", b"x", b"/tmp", b"tmpfs", 0, 0),)),
    "move_mount": Call((("move_mount", -1, b"", -1, b"", 0),), ("EBADF", "ENOENT", "EINVAL")),
    "umount": Call((("umount2", b"/proc/sys", 0),)),
}


@pytest.mark.parametrize("name", CALLS)
async def test_a_call_to_the_whole_machine_is_refused(runtime: Runtime, probes: Path, name: str) -> None:
    call = CALLS[name]

    assert REFUSED == await called(runtime, probes, call.calls, {})
    assert await called(runtime, probes, call.calls, call.without) in call.allowed


@pytest.mark.parametrize("name", ["mount", "pivot_root", "setns", "umount"])
async def test_filter_and_capabilities_each_refuse_it_alone(runtime: Runtime, probes: Path, name: str) -> None:
    calls = CALLS[name].calls

    assert REFUSED == await called(runtime, probes, calls, ROOT_OUTSIDE | {"all_capabilities": True})
    assert REFUSED == await called(runtime, probes, calls, ROOT_OUTSIDE | {"seccomp": False})


async def test_a_call_that_is_allowed_by_name_passes_and_no_other(runtime: Runtime, probes: Path) -> None:
    fields: Fields = {"seccomp_allow": frozenset({"unshare"})}

    assert "done" == await called(runtime, probes, CALLS["unshare a user namespace"].calls, fields)
    assert REFUSED == await called(runtime, probes, CALLS["keyctl"].calls, fields)


async def test_clone3_whose_arguments_a_filter_can_t_see_does_not_exist(runtime: Runtime, probes: Path) -> None:
    assert "ENOSYS" == await called(runtime, probes, (("clone3", 0, 0),), {})
    assert "EINVAL" == await called(runtime, probes, (("clone3", 0, 0),), {"seccomp": False})


async def test_a_further_command_is_refused_the_same(runtime: Runtime, probes: Path) -> None:
    place(probes, CALLS["unshare a user namespace"].calls)
    binds = (Bind(str(probes), "/probes"),)
    for fields, expected in (({}, REFUSED), ({"seccomp": False}, "done")):
        with Output() as output:
            container = await runtime.spawn("box", shell("sleep 1000", binds=binds, **fields), output.stdio)
            ended, _ = await run_in(container, "exec /probes/program")
            await container.close()
        assert expected == ending(ended)


async def test_nobody_types_into_the_terminal_that_is_stdin(runtime: Runtime, probes: Path) -> None:
    # TIOCSCTTY, then TIOCSTI; since Linux 6.2 the kernel itself may refuse that to all but CAP_SYS_ADMIN.
    place(probes, (("ioctl", 0, 0x540E, 0), ("ioctl", 0, 0x5412, b"x")))
    for fields, expected in (({}, REFUSED), (MIGHTY, "done")):
        master, slave = os.openpty()
        with Output() as output:
            spec = ContainerSpec(command=("/probes/program",), binds=(Bind(str(probes), "/probes"),), **fields)  # type: ignore[arg-type]
            container = await runtime.spawn("box", spec, (slave, *output.stdio[1:]))
            ended = await asyncio.wait_for(container.wait(), PATIENCE)
            await container.close()
        os.close(slave)
        os.close(master)
        assert expected == ending(ended)


# --- out of the root --------------------------------------------------------------------------------------------------


async def test_by_chroot_and_dot_dot_one_climbs_out_of_a_chroot_but_not_out_of_pivot_root(
    runtime: Runtime, probes: Path
) -> None:
    up = (("chdir", b".."),) * 32
    stat = (b"stat", b"-c", b"%d:%i", b"/")
    # The working directory stays outside of the new root, and so nothing stops it on its way up.
    climb = (("chroot", b"/tmp"), *up, ("chroot", b"."), ("execve", b"/bin/stat", stat, 0))
    place(probes, climb)
    binds = (Bind(str(probes), "/probes"),)

    own, *climbed = (await run(runtime, shell("stat -c %d:%i /; exec /probes/program", binds=binds)))[1]
    assert [own] == climbed
    assert identity("/") != own

    chrooted = shell("stat -c %d:%i /; exec /probes/program", binds=binds, root=RootMethod.CHROOT)
    own, climbed = (await run(runtime, chrooted))[1]
    assert identity("/") == climbed != own


async def test_the_way_through_a_process_s_root_leads_to_no_root_but_one_s_own(
    runtime: Runtime, victim: subprocess.Popen[bytes]
) -> None:
    own, first = (await run(runtime, shell("stat -c %d:%i /; stat -L -c %d:%i /proc/1/root/")))[1]
    assert own == first != identity("/")

    script = f"stat -L -c %d:%i /proc/{victim.pid}/root/ 2>/dev/null || echo refused"
    assert "refused" == await outcome(runtime, script, {})
    assert "refused" == await outcome(runtime, script, {"namespaces": ALL_NAMESPACES - {Namespace.PID}})
    assert identity("/") == await outcome(runtime, script, WITH_THE_HOST_S_PROCESSES | ALL_RIGHTS)


# --- the host's processes ---------------------------------------------------------------------------------------------


async def test_a_signal_reaches_no_process_of_the_host(runtime: Runtime, victim: subprocess.Popen[bytes]) -> None:
    script = f"kill -9 {victim.pid} 2>/dev/null && echo sent || echo refused"

    assert "refused" == await outcome(runtime, script, {})
    assert "refused" == await outcome(runtime, script, {"namespaces": ALL_NAMESPACES - {Namespace.PID}})
    assert victim.poll() is None
    assert "sent" == await outcome(runtime, script, WITH_THE_HOST_S_PROCESSES)
    assert -9 == victim.wait(PATIENCE)


async def test_ptrace_finds_no_process_of_the_host(
    runtime: Runtime, probes: Path, victim: subprocess.Popen[bytes]
) -> None:
    seize = (("ptrace", 0x4206, victim.pid, 0, 0),)

    assert "ESRCH" == await called(runtime, probes, seize, {})
    assert REFUSED == await called(runtime, probes, seize, {"namespaces": ALL_NAMESPACES - {Namespace.PID}})
    assert "done" == await called(runtime, probes, seize, WITH_THE_HOST_S_PROCESSES | ALL_RIGHTS)


# --- files that speak to the whole machine ----------------------------------------------------------------------------

SCRIPTS: dict[str, tuple[str, Fields]] = {
    # A major number for experiments (devices.txt), and the file is never opened.
    "make a block device": ("mknod /tmp/disk b 240 0", ROOT_OUTSIDE | {"all_capabilities": True}),
    "mount over /proc": ("mount -t proc x /proc", ALL_RIGHTS),
    "make /proc/sys writable": ("mount -o remount,bind,rw x /proc/sys", ALL_RIGHTS),
    "make /sys writable": ("mount -o remount,bind,rw x /sys", ALL_RIGHTS),
    # Of a hierarchy of its own, whose release_agent is empty and stays so: the hierarchy goes with the container.
    "write release_agent": (
        "mkdir /tmp/c; mount -t cgroup -o none,name=contlab-probe x /tmp/c && echo > /tmp/c/release_agent",
        ALL_RIGHTS | {"namespaces": ALL_NAMESPACES - {Namespace.USER, Namespace.CGROUP}},
    ),
    "write core_pattern": (
        "cat /proc/sys/kernel/core_pattern > /tmp/same; cat /tmp/same > /proc/sys/kernel/core_pattern",
        ROOT_OUTSIDE | {"mask_proc": False},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SCRIPTS)
async def test_the_machine_s_files_are_out_of_reach(runtime: Runtime, name: str) -> None:
    attack, without = SCRIPTS[name]
    script = f"({attack}) 2>/dev/null && echo done || echo refused"

    assert "refused" == await outcome(runtime, script, {})
    assert "done" == await outcome(runtime, script, without)


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


async def test_a_loop_of_forks_ends_at_the_pids_limit(runtime: Runtime) -> None:
    script = "trap 'echo $n' EXIT; n=0; while [ $n -lt 40 ]; do sleep 1000 & n=$((n + 1)); done"

    for limits, expected in ((Limits(pids=16), range(1, 16)), (Limits(), range(40, 41))):
        _, lines = await run(runtime, shell(f"({script}) 2>/dev/null", limits=limits))
        assert int(lines[0]) in expected


async def test_where_nothing_is_said_memory_and_tasks_are_limited_all_the_same_and_max_lifts_that(
    runtime: Runtime,
) -> None:
    for limits, expected in ((Limits(), DEFAULT_LIMITS), (Limits(memory=None, pids=None), Limits(None, None, None))):
        with Output() as output:
            container = await runtime.spawn("box", shell("sleep 1000", limits=limits), output.stdio)
            assert expected == limits_of(container.started.result().cgroups)
            await container.close()


async def test_who_takes_memory_without_end_is_killed_at_the_limit(runtime: Runtime) -> None:
    size = 64 << 20
    # tail keeps all of it.
    script = f"(head -c {size} /dev/zero | tail -c {size} | wc -c) 2>/dev/null"

    ended, lines = await run(runtime, shell(script, limits=Limits(memory=32 << 20)))
    assert (True, "0") == (ended.oom_killed, lines[-1])
    ended, lines = await run(runtime, shell(script))
    assert (False, str(size)) == (ended.oom_killed, lines[-1])


async def test_a_tmpfs_is_full_at_its_size(runtime: Runtime) -> None:
    script = "head -c 2097152 /dev/zero > /scratch/big 2>/dev/null; stat -c %s /scratch/big"

    assert str(1 << 20) == await outcome(runtime, script, {"tmpfs": (Tmpfs("/scratch", 1 << 20),)})
    assert str(2 << 20) == await outcome(runtime, script, {"tmpfs": (Tmpfs("/scratch", 4 << 20),)})


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
