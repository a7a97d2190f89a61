"""Containers on the kernel that runs the tests: what is cut off, what is shared, what the limits do."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from pathlib import Path

import pytest

from contlab.errors import ContlabError, ExitCode, RootfsError
from contlab.linux.cgroup import parse_cgroup
from contlab.linux.mountinfo import parse_mountinfo
from contlab.runtime import events
from contlab.runtime.client import Runtime
from contlab.runtime.handle import Container
from contlab.runtime.protection import MASKED_PROC, MASKED_SYS
from contlab.runtime.spec import ALL_NAMESPACES, Bind, ContainerSpec, Limits, Namespace, RootMethod, Tmpfs
from tests.live.containers import (
    PATIENCE,
    Output,
    children,
    descriptors,
    left_of,
    limits_of,
    namespaces,
    run,
    run_in,
    shell,
    until,
)

pytestmark = pytest.mark.needs("root", "cgroup")

WAITING = "echo ready; while :; do sleep 1000; done"
BARE = {"namespaces": frozenset(), "root": RootMethod.HOST}
LIMITED = Limits(memory=32 << 20, cpus=0.5, pids=16)


async def waiting(runtime: Runtime, output: Output, name: str = "box", **fields: object) -> Container:
    """A container whose shell has begun and now waits."""
    container = await runtime.spawn(name, shell(WAITING, **fields), output.stdio)
    await until(lambda: "ready" in output.text)
    return container


# --- the default container ------------------------------------------------------------------------------------------


async def test_the_command_is_pid_1_and_root_in_a_system_of_its_own(runtime: Runtime) -> None:
    ended, lines = await run(runtime, shell("echo $$; id -u; hostname; ls /proc | grep -c '^[0-9]'; pwd"))

    pid, uid, hostname, processes, directory = lines
    assert ("1", "0", "box", "/", 0) == (pid, uid, hostname, directory, ended.status)
    assert int(processes) <= 4  # sh, ls, grep


async def test_it_has_all_eight_namespaces_to_itself_and_lsns_says_so(runtime: Runtime, output: Output) -> None:
    container = await waiting(runtime, output)

    own, ours = namespaces(container.pid), namespaces("self")
    assert set() == set(own.values()) & set(ours.values())
    listed = subprocess.run(
        ["lsns", "--noheadings", "--output", "TYPE,NS", "--task", str(container.pid)], capture_output=True, check=True
    )
    rows = dict(line.split() for line in listed.stdout.decode().splitlines())
    assert rows == {kind: inode.strip("[]") for kind, inode in (link.split(":") for link in own.values())}


async def test_root_inside_is_nobody_outside(runtime: Runtime, output: Output) -> None:
    container = await waiting(runtime, output)

    assert container.spec.id_map.outside == os.stat(f"/proc/{container.pid}").st_uid


async def test_the_cgroup_it_reports_is_the_one_the_kernel_reports(runtime: Runtime, output: Output) -> None:
    container = await waiting(runtime, output)
    cgroups = container.started.result().cgroups

    for directory in cgroups.values():
        assert str(container.pid) in Path(directory, "cgroup.procs").read_text().split()
    paths = {m.cgroup_path for m in parse_cgroup(Path(f"/proc/{container.pid}/cgroup").read_bytes())}
    assert {Path(directory).name for directory in cgroups.values()} <= {Path(path).name for path in paths}
    _, lines = await run_in(container, "cat /proc/1/cgroup")
    inside = {m.controller_list: m.cgroup_path for m in parse_cgroup("\n".join(lines).encode())}
    assert {"/"} == {inside[key] for key in inside if key in ((), ("memory",), ("pids",)) and _has(cgroups, key)}


def _has(cgroups: dict[str, str], key: tuple[str, ...]) -> bool:
    return (key[0] if key else "") in cgroups


async def test_its_root_is_a_writable_layer_that_the_tree_below_never_sees(runtime: Runtime, output: Output) -> None:
    container = await waiting(runtime, output)
    tree = Path(container.started.result().root)

    ended, _ = await run_in(container, "echo x > /etc/new && rm /etc/hostname 2>/dev/null; test -e /etc/new")

    assert 0 == ended.status
    assert not (tree / "etc/new").exists()
    mounts = parse_mountinfo(Path(f"/proc/{container.pid}/mountinfo").read_bytes())
    assert {"/", "/proc", "/sys", "/dev", "/dev/pts", "/dev/shm"} <= {mount.mount_point for mount in mounts}
    assert {"private"} == {mount.propagation for mount in mounts}
    assert not [mount for mount in mounts if mount.mount_point.startswith("/run/contlab")]


async def test_no_mount_of_it_shows_on_the_host(runtime: Runtime, output: Output) -> None:
    before = Path("/proc/self/mountinfo").read_bytes()
    await waiting(runtime, output)

    assert before == Path("/proc/self/mountinfo").read_bytes()


async def test_nothing_of_the_app_or_the_supervisor_gets_in(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "of the app")
    script = "ls /proc/self/fd; env; grep -h '^Sig[BI]' /proc/self/status; cat /proc/1/cmdline | tr '\\0' ' '"

    _, lines = await run(runtime, shell(script, environment={"A": "b"}))

    # 3 is the directory that ls reads.
    assert ["0", "1", "2", "3"] == lines[:4]
    assert "A=b" in lines
    assert {"PATH", "HOME", "TERM", "container", "A"} == {line.split("=")[0] for line in lines if "=" in line} - {
        "SHLVL", "PWD", "OLDPWD", "_",
    }  # fmt: skip
    signals = dict(line.split(":\t") for line in lines if line.startswith("Sig"))
    assert {"SigBlk": "0" * 16, "SigIgn": "0" * 16} == signals
    assert lines[-1].startswith("/bin/sh -c ls /proc/self/fd")


async def test_root_inside_can_t_mount_make_devices_rename_or_write_the_machine_s_switches(runtime: Runtime) -> None:
    tries = ("mount -t tmpfs x /tmp", "mknod /tmp/sda b 8 0", "hostname other", "echo 60 > /proc/sys/kernel/panic")
    script = "; ".join(f"({attempt}) 2>/dev/null && echo '{attempt}'" for attempt in tries)
    paths = " ".join((*(f"/proc/{name}" for name in MASKED_PROC), *(f"/sys/{name}" for name in MASKED_SYS)))
    masked = f"for at in {paths}; do test -f $at && echo $at; test -d $at && ls -A $at; done"

    _, lines = await run(runtime, shell(f"{script}; {masked}; head -c 1 /dev/zero | wc -c"))

    assert ["1"] == [line.strip() for line in lines]


# --- exec -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [{}, {"root": RootMethod.CHROOT}, {"namespaces": ALL_NAMESPACES - {Namespace.MNT}, "root": RootMethod.CHROOT}, BARE,
     {"namespaces": ALL_NAMESPACES - {Namespace.USER}}, {"namespaces": ALL_NAMESPACES - {Namespace.PID}}],
    ids=["default", "chroot", "chroot-without-mounts", "bare", "without-user", "without-pid"],
)  # fmt: skip
async def test_a_further_command_shares_namespaces_root_and_cgroups_with_the_first(
    runtime: Runtime, output: Output, fields: dict[str, object]
) -> None:
    container = await waiting(runtime, output, **fields)
    with Output() as mine:
        execution = await container.exec(("/bin/sh", "-c", "echo ready; exec sleep 1000"), mine.stdio)
        await until(lambda: "ready" in mine.text)
        pid = execution.started.result().pid

        assert namespaces(container.pid) == namespaces(pid)
        assert os.stat(f"/proc/{container.pid}/root").st_ino == os.stat(f"/proc/{pid}/root").st_ino
        assert Path(f"/proc/{container.pid}/cgroup").read_bytes() == Path(f"/proc/{pid}/cgroup").read_bytes()
        assert os.getsid(pid) == pid
        await execution.signal(signal.SIGTERM)
        assert signal.SIGTERM == (await execution.wait()).signal


async def test_a_further_command_runs_in_the_container_s_directory_with_its_and_its_own_environment(
    runtime: Runtime, output: Output
) -> None:
    container = await waiting(runtime, output, workdir="/tmp", environment={"A": "1", "B": "1"})

    with Output() as mine:
        execution = await container.exec(("/bin/sh", "-c", "pwd; echo $A$B"), mine.stdio, {"B": "2"})
        await execution.wait()
        assert ["/tmp", "12"] == mine.lines


async def test_a_further_command_that_can_t_run_fails_and_the_container_goes_on(
    runtime: Runtime, output: Output
) -> None:
    container = await waiting(runtime, output)

    for command, code in (
        ("/nowhere", ExitCode.NOT_FOUND),
        ("nowhere", ExitCode.NOT_FOUND),
        ("/etc", ExitCode.NOT_EXECUTABLE),
    ):
        with pytest.raises(ContlabError) as refusal:
            await container.exec((command,), output.stdio)
        assert code == refusal.value.exit_code
    assert not container.exited.done()
    assert 0 == (await run_in(container, "true"))[0].status


async def test_many_short_commands_at_once_each_get_their_own_exit_code(runtime: Runtime, output: Output) -> None:
    """Some end before the supervisor has heard which process they became."""
    container = await waiting(runtime, output)

    results = await asyncio.gather(*(run_in(container, f"echo {n}; exit {n}") for n in range(20)))

    assert [(n, [str(n)]) for n in range(20)] == [(ended.status, lines) for ended, lines in results]


async def test_nothing_more_runs_in_a_container_that_has_ended(runtime: Runtime, output: Output) -> None:
    container = await runtime.spawn("box", shell("exit 0"), output.stdio)
    await container.wait()

    with pytest.raises(ContlabError, match="box is not running"):
        await container.exec(("/bin/true",), output.stdio)


# --- ends -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fields", [{}, BARE], ids=["default", "bare"])
async def test_exit_codes_and_signals_are_told_apart(runtime: Runtime, fields: dict[str, object]) -> None:
    assert 3 == (await run(runtime, shell("exit 3", **fields)))[0].exit_code

    with Output() as output:
        container = await waiting(runtime, output, **fields)
        await container.signal(signal.SIGKILL)
        ended = await container.wait()
        assert (None, signal.SIGKILL, 137) == (ended.exit_code, ended.signal, ended.status)


async def test_pid_1_gets_only_signals_that_it_has_handlers_for(runtime: Runtime, output: Output) -> None:
    script = "trap 'echo got TERM; exit 7' TERM; echo ready; while :; do sleep 0.05; done"
    container = await runtime.spawn("box", shell(script), output.stdio)
    await until(lambda: "ready" in output.text)

    await container.signal(signal.SIGUSR1)
    await container.signal(signal.SIGTERM)

    assert 7 == (await asyncio.wait_for(container.wait(), PATIENCE)).exit_code
    assert "got TERM" in output.text


async def test_a_signal_to_what_is_gone_does_nothing_and_one_that_does_not_exist_is_refused(
    runtime: Runtime, output: Output
) -> None:
    container = await runtime.spawn("box", shell("exit 0"), output.stdio)
    await container.wait()

    await container.signal(signal.SIGTERM)
    with pytest.raises(ContlabError, match="there is no signal 99"):
        await container.signal(99)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (("/bin/nothing",), ExitCode.NOT_FOUND),
        (("nothing",), ExitCode.NOT_FOUND),
        (("/etc",), ExitCode.NOT_EXECUTABLE),
        (("/tmp/script",), ExitCode.NOT_EXECUTABLE),
    ],
)
async def test_a_command_that_can_t_run_has_env_s_exit_code_and_leaves_nothing(
    runtime: Runtime, output: Output, command: tuple[str, ...], code: ExitCode
) -> None:
    with pytest.raises(ContlabError) as refusal:
        await runtime.spawn("box", ContainerSpec(command=command, files={"/tmp/script": "#!/bin/sh\n"}), output.stdio)

    assert code == refusal.value.exit_code
    assert refusal.value.hint
    assert [] == [left for left in left_of(f"{runtime.run}-box") if not left.startswith("process")]
    assert 0 == (await run(runtime, shell("true")))[0].status  # its name is free again


async def test_a_rootfs_that_is_not_there_is_named(runtime: Runtime, output: Output) -> None:
    with pytest.raises(RootfsError, match="there is no directory /nowhere/at/all"):
        await runtime.spawn("box", ContainerSpec(rootfs="/nowhere/at/all"), output.stdio)
    with pytest.raises(ContlabError):
        await runtime.spawn("box", ContainerSpec(rootfs="no-such-recipe"), output.stdio)


async def test_a_rootfs_directory_without_proc_says_which_mount_failed(
    runtime: Runtime, output: Output, tmp_path: Path
) -> None:
    tmp_path.chmod(0o755)  # for root inside, who is another user outside
    with pytest.raises(ContlabError, match="could not mount proc on") as refusal:
        await runtime.spawn("box", ContainerSpec(rootfs=str(tmp_path)), output.stdio)
    assert ExitCode.RUNTIME == refusal.value.exit_code


async def test_an_operation_that_the_kernel_refuses_is_an_event_with_its_errno(
    runtime: Runtime, output: Output
) -> None:
    heard: list[events.AnyEvent] = []
    runtime.listen(heard.append)

    with pytest.raises(ContlabError):
        await runtime.spawn("box", ContainerSpec(binds=(Bind("/nowhere/at/all", "/x"),)), output.stdio)

    *_, operation, failed = heard
    assert isinstance(operation, events.OperationDone)
    assert ("Bind", 2) == (operation.operation, operation.errno)
    assert isinstance(failed, events.Failed)


# --- roots ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kinds", [ALL_NAMESPACES, set(), {Namespace.MNT}], ids=["all", "none", "mnt"])
async def test_a_chroot_has_its_own_tree_and_files(runtime: Runtime, kinds: set[Namespace]) -> None:
    spec = shell("cat /etc/motd; ls /; echo x > /etc/mine", root=RootMethod.CHROOT, namespaces=frozenset(kinds),
                 files={"/etc/motd": "hello\n"})  # fmt: skip

    ended, lines = await run(runtime, spec)

    assert 0 == ended.status
    assert "hello" == lines[0]
    assert {"bin", "etc", "proc"} <= set(lines)
    assert not {"boot", "srv"} & set(lines)


async def test_the_host_s_root_is_kept_with_and_without_namespaces(runtime: Runtime, tmp_path: Path) -> None:
    (tmp_path / "here").write_text("host's")
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:2]:
        parent.chmod(0o755)
    for kinds in (frozenset(), ALL_NAMESPACES - {Namespace.USER}, frozenset({Namespace.PID, Namespace.MNT})):
        spec = shell(f"cat {tmp_path}/here; echo; ls /proc | grep -c '^[0-9]'", root=RootMethod.HOST, namespaces=kinds)
        _, lines = await run(runtime, spec)
        assert "host's" == lines[0]
        # With PIDs of its own, /proc shows them.
        assert (int(lines[1]) <= 4) == (Namespace.PID in kinds)


async def test_a_read_only_root_takes_no_write_and_still_has_its_files(runtime: Runtime) -> None:
    spec = shell("cat /etc/motd; echo x > /etc/new; echo y > /dev/shm/new && echo shm", read_only=True,
                 files={"/etc/motd": "hello\n"})  # fmt: skip

    _, lines = await run(runtime, spec)

    assert ["hello", "shm"] == [line for line in lines if "ead-only" not in line]
    assert 3 == len(lines)


@pytest.mark.parametrize("kinds", [ALL_NAMESPACES, ALL_NAMESPACES - {Namespace.USER}], ids=["user", "no-user"])
async def test_binds_and_tmpfs_show_inside_and_read_only_ones_are(
    runtime: Runtime, tmp_path: Path, kinds: frozenset[Namespace]
) -> None:
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(0o755)
    (tmp_path / "rw").mkdir()
    (tmp_path / "rw").chmod(0o777)
    (tmp_path / "file").write_text("from the host\n")
    binds = (Bind(f"{tmp_path}/rw", "/srv/rw"), Bind(f"{tmp_path}/file", "/srv/a file", read_only=True))
    script = "cat '/srv/a file'; echo x > '/srv/a file'; echo here > /srv/rw/new; stat -f -c %T /scratch"

    _, lines = await run(runtime, shell(script, binds=binds, tmpfs=(Tmpfs("/scratch", 1 << 20),), namespaces=kinds))

    assert "from the host" == lines[0]
    assert "ead-only" in lines[1]
    assert "tmpfs" == lines[2]
    assert "here\n" == (tmp_path / "rw/new").read_text()
    assert "from the host\n" == (tmp_path / "file").read_text()


async def test_a_link_in_the_tree_leads_no_bind_and_no_file_out_of_it(runtime: Runtime, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    tree = tmp_path / "tree"
    for directory in (outside, *(tree / name for name in ("proc", "sys", "dev", "bin", "host"))):
        directory.mkdir(parents=True)
    (tree / "escape").symlink_to(outside)
    spec = ContainerSpec(
        command=("/bin/sh",), rootfs=str(tree), namespaces=ALL_NAMESPACES - {Namespace.USER},
        binds=(Bind("/etc/hostname", "/escape/bound"),), files={"/escape/written": "x"},
    )  # fmt: skip

    with Output() as output, pytest.raises(ContlabError, match="can't be run"):
        await runtime.spawn("box", spec, output.stdio)

    assert [] == list(outside.iterdir())


# --- one namespace less ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(Namespace))
async def test_each_namespace_can_be_shared_alone(runtime: Runtime, output: Output, kind: Namespace) -> None:
    root = RootMethod.CHROOT if kind is Namespace.MNT else RootMethod.PIVOT_ROOT
    container = await waiting(runtime, output, namespaces=ALL_NAMESPACES - {kind}, root=root)

    own, ours = namespaces(container.pid), namespaces("self")
    assert {kind} == {name for name in own if own[name] == ours[name]}
    assert 0 == (await run_in(container, "true"))[0].status
    await container.close()
    assert [] == [left for left in left_of(f"{runtime.run}-box") if not left.startswith("process")]


@pytest.mark.parametrize("kind", [kind for kind in Namespace if kind is not Namespace.MNT])
async def test_each_namespace_can_be_the_only_one(runtime: Runtime, output: Output, kind: Namespace) -> None:
    container = await waiting(runtime, output, namespaces=frozenset({kind}), root=RootMethod.HOST)

    own, ours = namespaces(container.pid), namespaces("self")
    assert {kind} == {name for name in own if own[name] != ours[name]}


async def test_the_host_s_name_stays_and_a_container_s_is_answered_from_outside(
    runtime: Runtime, output: Output
) -> None:
    before = os.uname().nodename
    container = await waiting(runtime, output, hostname="mine")

    assert "mine" == await runtime.hostname("box")
    assert before == os.uname().nodename
    await container.close()
    assert await runtime.hostname("box") is None


async def test_a_user_other_than_root_has_no_capabilities(runtime: Runtime) -> None:
    for capabilities in (None, frozenset[str]()):
        spec = shell("id -u; grep -h '^Cap[EP]' /proc/self/status", user=1000, capabilities=capabilities)
        _, lines = await run(runtime, spec)
        assert ["1000", "0" * 16, "0" * 16] == [line.split(":\t")[-1] for line in lines]


# --- limits ---------------------------------------------------------------------------------------------------------


async def test_limits_are_in_the_kernel_s_files(runtime: Runtime, output: Output) -> None:
    container = await waiting(runtime, output, limits=LIMITED)

    assert LIMITED == limits_of(container.started.result().cgroups)
    assert {} == container.started.result().missing


async def test_a_group_limits_what_is_in_it_and_goes_with_all_of_it(runtime: Runtime, output: Output) -> None:
    group = await runtime.group("machine", Limits(memory=64 << 20, pids=12))
    assert Limits(memory=64 << 20, pids=12) == limits_of(group.cgroups)
    container = await waiting(runtime, output, group="machine", limits=LIMITED)
    cgroups = container.started.result().cgroups
    assert {str(Path(directory).parent) for directory in cgroups.values()} == set(group.cgroups.values())
    assert LIMITED == limits_of(cgroups)

    # 16 are allowed by its own limit, 12 by the group's.
    ended, lines = await run_in(container, "i=0; while [ $i -lt 20 ]; do sleep 1000 & i=$((i+1)); done; echo all")
    assert "all" not in lines
    assert 0 != ended.status

    await runtime.close_container("machine")
    assert container.removed.done()
    assert signal.SIGKILL == (await container.wait()).signal


async def test_a_group_that_is_not_there_and_a_name_that_is_taken_are_refused(runtime: Runtime, output: Output) -> None:
    with pytest.raises(ContlabError, match="there is no group nowhere"):
        await runtime.spawn("box", shell("true", group="nowhere"), output.stdio)
    await runtime.group("machine", Limits())
    for name in ("machine", "../machine", "a b", ""):
        with pytest.raises(ContlabError):
            await runtime.spawn(name, shell("true"), output.stdio)


async def test_a_hog_is_killed_by_the_oom_killer_within_its_limit(runtime: Runtime, output: Output) -> None:
    container = await runtime.spawn("box", ContainerSpec(command=("tail", "/dev/zero"), limits=LIMITED), output.stdio)
    memory = Path(container.started.result().cgroups["memory"])

    ended = await asyncio.wait_for(container.wait(), PATIENCE)

    assert (signal.SIGKILL, True) == (ended.signal, ended.oom_killed)
    peak = next(file for name in ("memory.peak", "memory.max_usage_in_bytes") if (file := memory / name).exists())
    assert int(peak.read_text()) <= 32 << 20


async def test_a_kill_by_hand_is_not_laid_to_the_oom_killer(runtime: Runtime, output: Output) -> None:
    container = await waiting(runtime, output, limits=LIMITED)
    await container.signal(signal.SIGKILL)

    assert not (await container.wait()).oom_killed


async def test_memory_written_to_the_root_counts_against_the_limit(runtime: Runtime) -> None:
    ended, _ = await run(runtime, shell("dd if=/dev/zero of=/big bs=1M count=64 2>/dev/null", limits=LIMITED))

    assert 0 != ended.status
    assert ended.oom_killed


async def test_too_little_memory_to_begin_with_is_said_to_be_that(runtime: Runtime, output: Output) -> None:
    with pytest.raises(ContlabError, match=r"OOM killer|ENOMEM|before its command ran"):
        await runtime.spawn("box", shell("true", limits=Limits(memory=64 << 10)), output.stdio)


async def test_a_fork_loop_is_refused_by_the_pids_limit(runtime: Runtime, output: Output) -> None:
    script = "i=0; while [ $i -lt 40 ]; do sleep 1000 & i=$((i+1)); done; echo all"
    container = await runtime.spawn("box", shell(script, limits=Limits(pids=8)), output.stdio)

    ended = await asyncio.wait_for(container.wait(), PATIENCE)

    assert 0 != ended.status
    assert "fork" in output.text
    assert "all" not in output.lines
    events_file = Path(container.started.result().cgroups["pids"], "pids.events")
    assert int(events_file.read_text().split()[1]) >= 1


# --- the supervisor -------------------------------------------------------------------------------------------------


async def test_a_hundred_megabytes_through_a_pipe_hold_nobody_up(runtime: Runtime, output: Output) -> None:
    read, write = os.pipe()
    container = await runtime.spawn("flood", shell("yes | head -c 100000000"), (output.stdio[0], write, write))
    os.close(write)

    assert 0 == (await run(runtime, shell("true")))[0].status  # while it waits for a reader
    assert not container.exited.done()

    def drain() -> int:
        count = 0
        while data := os.read(read, 1 << 20):
            count += len(data)
        os.close(read)
        return count

    assert 100_000_000 == await asyncio.to_thread(drain)
    assert 0 == (await container.wait()).status


async def test_fifty_containers_leave_no_descriptor_open_in_app_or_supervisor(runtime: Runtime) -> None:
    pid = runtime.supervisor_pid
    assert pid is not None

    async def cycle() -> None:
        with Output() as output:
            container = await waiting(runtime, output)
            await run_in(container, "true")
            await container.close()
            with pytest.raises(ContlabError):
                await runtime.spawn("box", ContainerSpec(command=("/nowhere",)), output.stdio)

    await cycle()
    before = descriptors("self"), descriptors(pid)
    for _ in range(50):
        await cycle()

    assert before == (descriptors("self"), descriptors(pid))
    assert [] == children(pid)


async def test_orphans_of_a_container_without_a_pid_namespace_are_reaped(runtime: Runtime, output: Output) -> None:
    pid = runtime.supervisor_pid
    assert pid is not None
    script = "for i in 1 2 3 4 5; do (sleep 0.1 & echo $!) ; done; echo ready; exec sleep 1000"
    container = await runtime.spawn("box", shell(script, **BARE), output.stdio)
    await until(lambda: "ready" in output.text)

    orphans = [int(line) for line in output.lines if line.isdigit()]

    assert 5 == len(orphans)
    await until(lambda: children(pid) == [container.pid])
    assert [] == [orphan for orphan in orphans if Path(f"/proc/{orphan}").exists()]


async def test_two_runtimes_do_not_disturb_each_other(runtime: Runtime, output: Output) -> None:
    container = await waiting(runtime, output)

    async with Runtime() as other:
        assert runtime.run in other.swept.alive
        assert 0 == (await run(other, shell("true")))[0].status

    assert not container.exited.done()
    assert 0 == (await run_in(container, "true"))[0].status


async def test_a_runtime_elsewhere_does_not_take_this_one_for_dead(
    runtime: Runtime, output: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    container = await waiting(runtime, output)
    with monkeypatch.context() as patch:
        patch.setenv("CONTLAB_RUNTIME_DIR", str(tmp_path))
        async with Runtime() as other:
            assert () == other.swept.removed

    assert not container.exited.done()
