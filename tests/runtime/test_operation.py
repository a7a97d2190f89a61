"""What each operation asks of the kernel, written down by one that does nothing."""

from __future__ import annotations

import errno
import inspect
import os
from pathlib import Path

import pytest

from contlab.linux.errno import SyscallError
from contlab.linux.flags import MS
from contlab.runtime import operation as operations
from contlab.runtime.kernel import Kernel, Linux
from contlab.runtime.operation import (
    BecomeRoot,
    BecomeUser,
    Bind,
    BoundCapabilities,
    ChangeDirectory,
    Chroot,
    Clone,
    CopyRoot,
    EnableControllers,
    Execute,
    FilterSyscalls,
    InterfaceUp,
    JoinCgroup,
    LimitResources,
    LoopbackUp,
    MakeBridge,
    MakeCgroup,
    MakeDevice,
    MakeDirectory,
    MakePrivate,
    MakeSwitch,
    MapIds,
    MapOwnId,
    MapSubordinateIds,
    Mask,
    Mount,
    MountOverlay,
    NoNewPrivileges,
    OpenTerminal,
    Operation,
    PivotRoot,
    PlugIn,
    ReadOnly,
    RemountRoot,
    SetAddress,
    SetHostname,
    SetLimit,
    Symlink,
    UnshareCgroup,
    UnshareTime,
    WriteFile,
)
from contlab.runtime.spec import IdMap, TimeOffsets
from tests.runtime.recorder import Recorder

CALLS: list[tuple[Operation, list[str]]] = [
    (MakeCgroup("/cg/box", "memory"), ["mkdir(/cg/box, 0o755)"]),
    (EnableControllers("/cg", ("cpu", "pids")), ["write(/cg/cgroup.subtree_control, +cpu +pids)"]),
    (JoinCgroup("/cg/box", "memory"), ["write(/cg/box/tasks, 0)"]),
    (SetLimit("/cg/pids.max", "16"), ["write(/cg/pids.max, 16)"]),
    (
        MapIds((IdMap(0, 1000, 5),), (IdMap(0, 0, 1), IdMap(1, 9, 2))),
        ["write(/proc/42/uid_map, 0 1000 5)", "write(/proc/42/gid_map, 0 0 1\n1 9 2)"],
    ),
    (
        MapOwnId(1000, 100),
        ["write(/proc/42/uid_map, 0 1000 1)", "write(/proc/42/setgroups, deny)", "write(/proc/42/gid_map, 0 100 1)"],
    ),
    (
        MapSubordinateIds((IdMap(0, 1000, 1), IdMap(1, 100_000, 65_536)), (IdMap(0, 100, 1),)),
        ["newuidmap(42, 0, 1000, 1, 1, 100000, 65536)", "newgidmap(42, 0, 100, 1)"],
    ),
    (MakeSwitch("contlab-run"), ["add_switch()"]),
    (MakeBridge("lan", "contlab-run"), ["add_bridge(lan)"]),
    (PlugIn("to-box", "lan", "eth0", "contlab-run"), ["add_cable(to-box, lan, eth0)"]),
    (SetAddress("eth0", "10.77.1.2/24"), ["set_address(eth0, 10.77.1.2, 24)"]),
    (InterfaceUp("eth0"), ["interface_up(eth0)"]),
    (MakePrivate(), ["mount(, /, , REC|PRIVATE, )"]),
    (BecomeRoot(), ["setids(0, 0)"]),
    (BecomeUser(7), ["setids(7, 7)"]),
    (UnshareCgroup(), ["unshare(NEWCGROUP)"]),
    (UnshareTime(), ["unshare(NEWTIME)", "setns(/proc/self/ns/time_for_children, NEWTIME)"]),
    (
        UnshareTime(TimeOffsets(monotonic=-2, boottime=86_400)),
        [
            "unshare(NEWTIME)",
            "write(/proc/self/timens_offsets, monotonic -2 0\nboottime 86400 0)",
            "setns(/proc/self/ns/time_for_children, NEWTIME)",
        ],
    ),
    (Mount("tmpfs", "/t", MS.NOSUID, "size=1k"), ["mount(tmpfs, /t, tmpfs, NOSUID, size=1k)"]),
    (Mount("ext4", "/t", source="/dev/vda"), ["mount(/dev/vda, /t, ext4, 0, )"]),
    (MountOverlay("/l", "/u", "/w", "/m"), ["mount(overlay, /m, overlay, 0, lowerdir=/l,upperdir=/u,workdir=/w)"]),
    (RemountRoot("/"), ["mount(, /, , RDONLY|REMOUNT|BIND, )"]),
    (PivotRoot("/n"), ["chdir(/n)", "pivot_root(., .)", "umount2(., DETACH)", "chdir(/)"]),
    (Chroot("/n"), ["chroot(/n)", "chdir(/)"]),
    (SetHostname("box"), ["sethostname(box)"]),
    (LoopbackUp(), ["interface_up(lo)"]),
    (MakeDirectory("/a/b", 0o700), ["mkdir -p(/a/b, 0o700)"]),
    (MakeDevice("/dev/null", 1, 3), ["mknod(/dev/null, 0o20666, 259)"]),
    (Symlink("fd/0", "/dev/stdin"), ["symlink(fd/0, /dev/stdin)"]),
    (WriteFile("/etc/motd", "hi", 0o600), ["mkdir -p(/etc, 0o755)", "create(/etc/motd, hi, 0o600)"]),
    (WriteFile("/motd", "hi"), ["mkdir -p(/, 0o755)", "create(/motd, hi, 0o644)"]),
    (ChangeDirectory("/srv"), ["chdir(/srv)"]),
    (NoNewPrivileges(), ["prctl(SET_NO_NEW_PRIVS, 1)"]),
    (
        LimitResources((("core", 0, 0), ("nofile", 10, 20))),
        ["limit_resource(core, 0, 0)", "limit_resource(nofile, 10, 20)"],
    ),
    (OpenTerminal("/dev/pts/ptmx", 24, 80, 7), ["open_terminal(/dev/pts/ptmx, 24, 80, 7)"]),
    (FilterSyscalls(frozenset({"unshare", "mount"})), ["filter_syscalls(mount, unshare)"]),
    (Execute(("/bin/sh", "-c", "x"), ()), ["execve(/bin/sh, /bin/sh, -c, x)"]),
]


@pytest.mark.parametrize(("operation", "calls"), CALLS, ids=lambda value: type(value).__name__)
def test_an_operation_asks_the_kernel_for_what_it_says(operation: Operation, calls: list[str]) -> None:
    kernel = Recorder()

    operation.run(kernel)

    assert calls == kernel.calls
    assert operation.describe()
    assert operation.shell()


def test_every_operation_is_tested_in_this_file() -> None:
    named = {name for name in operations.__all__ if name != "Operation"}

    assert named == {name for name in globals() if inspect.isclass(globals()[name]) and name in named}


def test_the_recorder_and_the_real_kernel_fulfil_the_same_protocol() -> None:
    calls = [name for name in vars(Kernel) if not name.startswith("_")]

    assert [] == [name for name in calls if not hasattr(Recorder, name) or not hasattr(Linux, name)]


# --- limits ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "remark"), [("16", None), ("15", "the kernel holds 15"), ("max", "the kernel holds max")]
)
def test_a_limit_is_read_back_and_what_the_kernel_made_of_it_told(held: str, remark: str | None) -> None:
    assert remark == SetLimit("/cg/pids.max", "16").run(Recorder(held=held))


def test_a_limit_whose_file_may_be_missing_is_left_out_without_it() -> None:
    kernel = Recorder()

    assert "this kernel has no such file" == SetLimit("/cg/memory.swap.max", "0", if_present=True).run(kernel)
    assert [] == kernel.calls
    assert SetLimit("/cg/memory.swap.max", "0", if_present=True).run(Recorder("/cg/memory.swap.max")) is None


# --- mounts ---------------------------------------------------------------------------------------------------------


def test_a_bind_makes_its_target_a_directory_for_a_directory_and_a_file_for_a_file() -> None:
    directory, file = Recorder(directories=("/host",)), Recorder("/host")

    Bind("/host", "/a/b", root="/r").run(directory)
    Bind("/host", "/a/b", root="/r", recursive=False).run(file)

    assert ["mkdir -p(/r/a/b, 0o755)", "mount(/host, /r/a/b, , BIND|REC, )"] == directory.calls
    assert ["mkdir -p(/r/a, 0o755)", "create(/r/a/b, , 0o644)", "mount(/host, /r/a/b, , BIND, )"] == file.calls


def test_a_bind_in_the_host_s_root_makes_nothing_on_the_host() -> None:
    kernel = Recorder(directories=("/host",))

    Bind("/host", "/a").run(kernel)

    assert ["mount(/host, /a, , BIND|REC, )"] == kernel.calls


def test_targets_in_a_new_root_are_looked_up_in_it() -> None:
    kernel = Recorder("/r/run/x", directories=("/r/run/x",))
    kernel.links = {"/var/run/x": "/run/x"}

    Bind("/host", "/var/run/x", root="/r").run(kernel)
    Mount("tmpfs", "/var/run/x", root="/r").run(kernel)
    MakeDirectory("/var/run/x", root="/r").run(kernel)

    assert [
        "mount(/host, /r/run/x, , BIND|REC, )",
        "mount(tmpfs, /r/run/x, tmpfs, 0, )",
        "mkdir -p(/r/run/x, 0o755)",
    ] == kernel.calls


def test_read_only_takes_a_second_mount_that_keeps_the_flags_of_the_first() -> None:
    kernel = Recorder("/t")
    kernel.mount_flags = MS.NOSUID | MS.RELATIME

    Bind("/s", "/t", read_only=True).run(kernel)

    assert "mount(, /t, , RDONLY|NOSUID|REMOUNT|BIND|RELATIME, )" == kernel.calls[-1]


def test_what_is_masked_is_covered_by_kind_and_a_missing_file_is_no_failure() -> None:
    kernel = Recorder("/proc/kcore", directories=("/proc/acpi",))

    assert Mask("/proc/kcore").run(kernel) is None
    assert Mask("/proc/acpi").run(kernel) is None
    assert "this kernel has no such file" == Mask("/proc/keys").run(kernel)
    assert "this kernel has no such directory" == ReadOnly("/proc/bus").run(kernel)
    assert [
        "mount(/dev/null, /proc/kcore, , BIND, )",
        "mount(tmpfs, /proc/acpi, tmpfs, RDONLY, size=0k)",
    ] == kernel.calls


@pytest.mark.parametrize(("number", "stops"), [(errno.ENOSYS, False), (errno.EINVAL, True), (errno.EACCES, True)])
def test_a_machine_that_has_no_filter_is_told_and_a_kernel_that_refuses_one_stops_the_plan(
    number: int, stops: bool
) -> None:
    kernel = Recorder()
    kernel.refusals["filter_syscalls"] = number

    if stops:
        with pytest.raises(SyscallError):
            FilterSyscalls().run(kernel)
    else:
        assert "none: " in (FilterSyscalls().run(kernel) or "")


def test_a_read_only_part_of_proc_is_a_bind_onto_itself() -> None:
    kernel = Recorder("/proc/sys")

    ReadOnly("/proc/sys").run(kernel)

    assert [
        "mount(/proc/sys, /proc/sys, , BIND|REC, )",
        "mount(, /proc/sys, , RDONLY|NOSUID|NODEV|NOEXEC|REMOUNT|BIND, )",
    ] == kernel.calls


def test_a_lower_directory_with_a_colon_or_backslash_is_escaped_for_overlay() -> None:
    kernel = Recorder()

    MountOverlay("/a:b\\c,d", "/u", "/w", "/m").run(kernel)

    assert "lowerdir=/a\\:b\\\\c\\,d,upperdir" in kernel.calls[0]


@pytest.mark.parametrize("refusal", [errno.ENODEV, errno.EPERM, errno.EINVAL])
def test_where_overlay_is_refused_the_tree_is_copied_and_the_reason_told(refusal: int, tmp_path: Path) -> None:
    (tmp_path / "lower/etc").mkdir(parents=True)
    (tmp_path / "lower/etc/motd").write_text("hi")
    (tmp_path / "root").mkdir()
    kernel = Recorder()
    kernel.refusals["mount(overlay"] = refusal

    remark = MountOverlay(str(tmp_path / "lower"), "/u", "/w", str(tmp_path / "root")).run(kernel)

    assert remark is not None
    assert remark.startswith("copied instead: ")
    assert "hi" == (tmp_path / "root/etc/motd").read_text()


def test_in_a_user_namespace_overlay_keeps_its_notes_in_user_attributes() -> None:
    kernel = Recorder()

    MountOverlay("/l", "/u", "/w", "/m", user_xattr=True).run(kernel)

    assert kernel.calls == ["mount(overlay, /m, overlay, 0, lowerdir=/l,upperdir=/u,workdir=/w,userxattr)"]


def test_without_user_attributes_the_tree_is_copied_for_overlay_could_replace_no_directory(tmp_path: Path) -> None:
    (tmp_path / "lower/etc").mkdir(parents=True)
    (tmp_path / "root").mkdir()
    kernel = Recorder()
    kernel.attributes = False

    remark = MountOverlay(str(tmp_path / "lower"), "/u", "/w", str(tmp_path / "root"), user_xattr=True).run(kernel)

    assert remark is not None
    assert "keeps no user attributes" in remark
    assert [f"mount({tmp_path}/root, {tmp_path}/root, , BIND, )"] == kernel.calls, "pivot_root takes a mount"
    assert (tmp_path / "root/etc").is_dir()


def test_where_a_fresh_proc_is_refused_the_host_s_is_shown_read_only_and_that_is_told() -> None:
    kernel = Recorder()
    kernel.refusals["mount(proc"] = errno.EPERM

    remark = Mount("proc", "/n/proc", MS.NOSUID, instead="/proc").run(kernel)

    assert "refused; the host's /proc instead, read-only" == remark
    assert [
        "mount(proc, /n/proc, proc, NOSUID, )",
        "mount(/proc, /n/proc, , BIND|REC, )",
        "mount(, /n/proc, , RDONLY|NOSUID|REMOUNT|BIND, )",
    ] == kernel.calls


@pytest.mark.parametrize(("refusal", "instead"), [(errno.EPERM, ""), (errno.ENODEV, "/proc")])
def test_another_refusal_of_a_mount_is_a_failure(refusal: int, instead: str) -> None:
    kernel = Recorder()
    kernel.refusals["mount(proc"] = refusal

    with pytest.raises(SyscallError):
        Mount("proc", "/n/proc", instead=instead).run(kernel)


def test_where_newuidmap_refuses_only_the_own_id_is_mapped_and_that_is_told() -> None:
    kernel = Recorder()
    kernel.refusals["newuidmap"] = errno.EPERM
    ranges = (IdMap(0, 1000, 1), IdMap(1, 100_000, 9))

    remark = MapSubordinateIds(ranges, ranges, MapOwnId(1000, 1000)).run(kernel)

    assert remark is not None
    assert remark.startswith("only your own id instead: ")
    assert "write(/proc/42/uid_map, 0 1000 1)" in kernel.calls
    with pytest.raises(SyscallError):
        MapSubordinateIds(ranges, ranges).run(kernel)


def test_who_may_not_change_the_bounding_set_gives_up_what_they_have_and_it_is_told() -> None:
    kernel = Recorder()
    kernel.bounds = False

    remark = BoundCapabilities(frozenset({"CAP_KILL"})).run(kernel)

    assert remark is not None
    assert remark.startswith("a plain user has none")
    assert ["bound_capabilities(CAP_KILL)"] == kernel.calls


def test_another_refusal_of_overlay_is_a_failure() -> None:
    kernel = Recorder()
    kernel.refusals["mount(overlay"] = errno.ENOENT

    with pytest.raises(SyscallError):
        MountOverlay("/l", "/u", "/w", "/m").run(kernel)


def test_a_copied_root_has_modes_links_and_files_but_no_devices_or_sockets(tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "bin").mkdir(parents=True, mode=0o750)
    (source / "bin/sh").write_text("x")
    (source / "bin/sh").chmod(0o4755)
    (source / "link").symlink_to("/absolute")
    os.mkfifo(source / "pipe")

    CopyRoot(str(source), str(tmp_path / "copy")).run(Linux())

    copy = tmp_path / "copy"
    assert ["bin", "link"] == sorted(path.name for path in copy.iterdir())
    assert "/absolute" == os.readlink(copy / "link")
    assert 0o4755 == (copy / "bin/sh").stat().st_mode & 0o7777


# --- privileges and exec --------------------------------------------------------------------------------------------


def test_capabilities_are_bounded_by_those_kept() -> None:
    kernel = Recorder()

    assert None is BoundCapabilities(frozenset({"CAP_KILL", "CAP_CHOWN"})).run(kernel)

    assert ["bound_capabilities(CAP_CHOWN, CAP_KILL)"] == kernel.calls


def test_a_command_without_slash_is_looked_up_in_the_container_s_path() -> None:
    kernel = Recorder()
    kernel.refusals["execve"] = errno.ENOENT

    with pytest.raises(SyscallError):
        Execute(("ls", "-l"), (("PATH", "/a:/b"),)).run(kernel)

    assert ["execve(/a/ls, ls, -l)", "execve(/b/ls, ls, -l)"] == kernel.calls


@pytest.mark.parametrize(
    ("refusals", "number"),
    [
        ({"execve": errno.ENOENT}, errno.ENOENT),
        ({"execve(/a": errno.EACCES, "execve(/b": errno.ENOENT}, errno.EACCES),
        ({"execve(/a": errno.ENOEXEC}, errno.ENOEXEC),
    ],
)
def test_a_command_in_no_directory_of_path_fails_with_what_the_best_candidate_failed_with(
    refusals: dict[str, int], number: int
) -> None:
    kernel = Recorder()
    kernel.refusals = refusals

    with pytest.raises(SyscallError) as refusal:
        Execute(("ls",), (("PATH", "/a:/b"),)).run(kernel)

    assert number == refusal.value.errno


# --- in words -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "shell"),
    [
        (Clone(("pid", "mnt")), "unshare --fork --pid --mount sh"),
        (Clone(()), "sh &"),
        (Symlink("a b", "/x"), "ln -s 'a b' /x"),
        (Bind("/a b", "/c", read_only=True), "mount --rbind '/a b' /c && mount -o remount,bind,ro /c"),
        (Mount("proc", "/proc", MS.NOSUID | MS.RDONLY), "mount -t proc -o ro,nosuid proc /proc"),
        (Execute(("sh", "-c", "echo $A; rm -rf /"), ()), "exec sh -c 'echo $A; rm -rf /'"),
    ],
)
def test_the_command_by_hand_is_quoted_for_a_shell(operation: Operation, shell: str) -> None:
    assert shell == operation.shell()


def test_clone_names_its_flags_and_is_left_to_the_supervisor() -> None:
    clone = Clone(("user", "net"), "/cg/box")

    assert "NEWUSER|NEWNET" == clone.flags.name
    assert "clone a process with new namespaces: user, net, born in its cgroup" == clone.describe()
    with pytest.raises(NotImplementedError):
        clone.run(Recorder())
