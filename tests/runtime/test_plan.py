"""Plans as people read them: whole ones as texts in tests/data/plans, and the rules of their order as sentences.

After a wanted change, ``CONTLAB_WRITE_GOLDENS=1 pytest tests/runtime/test_plan.py`` writes the texts anew.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from contlab.errors import LessonError
from contlab.linux.hierarchies import Hierarchies
from contlab.runtime.cgroup import CgroupPlan, plan_cgroup
from contlab.runtime.operation import (
    BecomeRoot,
    BecomeUser,
    Bind,
    BoundCapabilities,
    Chroot,
    Execute,
    FilterSyscalls,
    JoinCgroup,
    LimitResources,
    MakePrivate,
    MapIds,
    Mask,
    Mount,
    MountOverlay,
    NoNewPrivileges,
    Operation,
    PivotRoot,
    RemountRoot,
    SetLimit,
    UnshareCgroup,
    WriteFile,
)
from contlab.runtime.plan import Places, Plan, compile_plan, joining
from contlab.runtime.protection import DEFAULT_CAPABILITIES, RESOURCES
from contlab.runtime.spec import ALL_NAMESPACES, ContainerSpec, IdMap, Limits, Namespace, RootMethod, TimeOffsets, Tmpfs
from contlab.runtime.spec import Bind as BindSpec
from contlab.runtime.wiring import Wiring
from tests.runtime import hosts

GOLDEN = Path(__file__).parents[1] / "data" / "plans"
PLACES = Places("/rootfs", "/run/scratch", "/run/lower", "/run/copy")
LIMITS = Limits(memory=32 << 20, cpus=0.5, pids=16)
BARE = ContainerSpec(namespaces=frozenset(), root=RootMethod.HOST)


def plan_of(spec: ContainerSpec, cgroup: CgroupPlan | None = None) -> Plan:
    cable = Wiring("/run", "contlab-run").plug_in("box", spec)
    return compile_plan(spec, PLACES, cgroup or CgroupPlan(), "box", cable=cable)


def text_of(operations: Sequence[Operation]) -> str:
    lines = []
    for operation in operations:
        lines.append(f"{'inside' if operation.inside else 'host':<6}  {operation.describe()}")
        lines += [f"        $ {operation.shell()}"] if operation.shell() else []
    return "\n".join(lines) + "\n"


def assert_golden(name: str, text: str) -> None:
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("CONTLAB_WRITE_GOLDENS") == "1":
        file.write_text(text)
    assert file.read_text() == text


SPECS = {
    "default": ContainerSpec(),
    "bare-process": BARE,
    "chroot-only": ContainerSpec(namespaces=frozenset(), root=RootMethod.CHROOT, files={"/etc/motd": "hello\n"}),
    "chroot-with-own-mounts": ContainerSpec(root=RootMethod.CHROOT),
    "host-root-with-all-namespaces": ContainerSpec(root=RootMethod.HOST),
    "without-user-namespace": ContainerSpec(namespaces=ALL_NAMESPACES - {Namespace.USER}),
    "read-only": ContainerSpec(
        read_only=True, mask_proc=False, all_capabilities=True, no_new_privs=False, seccomp=False, rlimits=False
    ),
    "ids-clocks-and-network": ContainerSpec(
        id_map=(IdMap(0, 100_000, 1), IdMap(1, 200_000, 999)),
        gid_map=IdMap(0, 100_000, 1000),
        time_offsets=TimeOffsets(monotonic=3600, boottime=-60),
        network="lan",
    ),
    "network-without-mounts": ContainerSpec(
        namespaces=frozenset({Namespace.NET}), root=RootMethod.CHROOT, network="lan", address="192.168.7.9/16"
    ),
    "host-network": ContainerSpec(network="host"),
    "extras": ContainerSpec(
        binds=(BindSpec("/srv/data", "/data"), BindSpec("/etc/hosts", "/etc/my hosts", read_only=True)),
        tmpfs=(Tmpfs("/scratch", 1 << 20),),
        files={"/etc/motd": "it's here\n"},
        hostname="here",
        workdir="/data",
        user=1000,
        id_map=IdMap(0, 200_000, 1000),
        capabilities=frozenset({"CAP_KILL"}),
        command=("/bin/sh", "-c", "echo $HOME"),
    ),
}


@pytest.mark.parametrize("name", SPECS)
def test_the_whole_plan_reads_as_recorded(name: str) -> None:
    assert_golden(name, text_of(plan_of(SPECS[name]).operations))


@pytest.mark.parametrize("host", [hosts.v1, hosts.v2, hosts.hybrid], ids=lambda host: host.__name__)
def test_limits_read_as_recorded_on_each_kind_of_host(host: Callable[[Path], Hierarchies], tmp_path: Path) -> None:
    hierarchies = host(tmp_path)
    group = plan_cgroup(hierarchies, "contlab-run-machine", LIMITS, {}, for_children=True)
    for directory in group.directories.values():
        Path(directory).mkdir(exist_ok=True)
    box = plan_cgroup(hierarchies, "contlab-run-box", LIMITS, group.directories)
    plan = plan_of(BARE, box)

    text = "a group\n\n" + text_of(group.make) + "\na container in it\n\n" + text_of(plan.operations)
    assert_golden(f"limits-{host.__name__}", text.replace(str(tmp_path), "/sys/fs/cgroup"))


NAMESPACE_DIFFERENCE = {
    Namespace.PID: ("Bind", "Mount"),  # only in one's own PID namespace may a user namespace's root mount proc
    Namespace.NET: ("LoopbackUp", "Mount", "Mask"),  # and sysfs only for one's own net namespace
    Namespace.UTS: ("SetHostname",),
    Namespace.IPC: (),
    Namespace.CGROUP: ("UnshareCgroup",),
    Namespace.TIME: ("UnshareTime",),
}


@pytest.mark.parametrize("kind", NAMESPACE_DIFFERENCE)
def test_a_namespace_less_changes_the_clone_and_what_belongs_to_that_namespace_and_nothing_else(
    kind: Namespace,
) -> None:
    whole = plan_of(ContainerSpec())
    less = plan_of(ContainerSpec(namespaces=ALL_NAMESPACES - {kind}))

    assert set(whole.clone.namespaces) - {kind} == set(less.clone.namespaces)
    changed = {*whole.operations} ^ {*less.operations}
    assert {*NAMESPACE_DIFFERENCE[kind]} == {type(operation).__name__ for operation in changed} - {"Clone"}


@pytest.mark.parametrize("kind", [Namespace.PID, Namespace.UTS, Namespace.IPC, Namespace.NET, Namespace.CGROUP])
def test_a_bare_process_with_one_namespace_has_that_one_only(kind: Namespace) -> None:
    plan = plan_of(ContainerSpec(namespaces=frozenset({kind}), root=RootMethod.HOST))

    # The cgroup namespace is made by the process itself, once it is in its cgroup.
    assert (() if kind is Namespace.CGROUP else (kind,)) == plan.clone.namespaces
    assert not any(isinstance(operation, Mount | Bind | MakePrivate) for operation in plan.operations)


def test_a_container_without_user_namespace_makes_devices_and_maps_no_ids() -> None:
    names = {type(operation).__name__ for operation in plan_of(SPECS["without-user-namespace"]).operations}

    assert "MakeDevice" in names
    assert not names & {"MapIds", "BecomeRoot"}


# --- the order and its reasons --------------------------------------------------------------------------------------


def places_of(plan: Plan, *kinds: type[Operation]) -> list[int]:
    return [index for index, operation in enumerate(plan.operations) if isinstance(operation, kinds)]


@pytest.fixture(
    params=[name for name in SPECS if name not in ("bare-process", "chroot-only", "network-without-mounts")]
)
def contained(request: pytest.FixtureRequest) -> Plan:
    return plan_of(SPECS[request.param])


def test_mounts_are_private_before_anything_is_mounted(contained: Plan) -> None:
    (private,) = places_of(contained, MakePrivate)

    assert private < min(places_of(contained, Mount, MountOverlay, Bind, Mask, PivotRoot, Chroot), default=private + 1)


def test_exec_is_last_and_right_before_it_privileges_go(contained: Plan) -> None:
    *others, last = contained.operations

    assert isinstance(last, Execute)
    privileges = places_of(contained, LimitResources, BoundCapabilities, BecomeUser, NoNewPrivileges, FilterSyscalls)
    assert list(range(len(others) - len(privileges), len(others))) == privileges


def test_the_host_s_half_ends_before_the_container_s_begins(contained: Plan) -> None:
    sides = [operation.inside for operation in contained.operations]

    assert sorted(sides) == sides
    assert all(operation.inside for operation in contained.inside)


def test_the_root_changes_after_the_last_mount_that_names_the_old_one() -> None:
    plan = plan_of(SPECS["extras"])
    (pivot,) = places_of(plan, PivotRoot)

    assert max(places_of(plan, Mount, MountOverlay, Bind, Mask)) < pivot


def test_files_are_written_from_inside_so_that_no_link_leads_out() -> None:
    for name in ("extras", "chroot-only"):
        plan = plan_of(SPECS[name])
        assert max(places_of(plan, PivotRoot, Chroot)) < min(places_of(plan, WriteFile))


def test_a_read_only_root_is_made_so_after_its_files_are_written() -> None:
    plan = plan_of(ContainerSpec(read_only=True, files={"/a": "b"}))

    assert max(places_of(plan, WriteFile)) < min(places_of(plan, RemountRoot))


def test_ids_are_mapped_from_outside_before_the_process_becomes_root_inside() -> None:
    plan = plan_of(ContainerSpec())

    assert max(places_of(plan, MapIds)) < min(places_of(plan, BecomeRoot))


def test_the_rootfs_is_bound_before_the_process_is_another_user_outside() -> None:
    plan = plan_of(ContainerSpec())
    bind = plan.operations.index(Bind("/rootfs", "/run/lower", recursive=False))

    assert bind < min(places_of(plan, BecomeRoot))


@pytest.mark.parametrize("host", [hosts.v1, hosts.v2, hosts.hybrid], ids=lambda host: host.__name__)
def test_the_cgroup_namespace_is_made_inside_the_cgroup_whose_limits_hold(
    host: Callable[[Path], Hierarchies], tmp_path: Path
) -> None:
    plan = plan_of(ContainerSpec(limits=LIMITS), plan_cgroup(host(tmp_path), "box", LIMITS, {}))
    (namespace,) = places_of(plan, UnshareCgroup)

    joined = places_of(plan, JoinCgroup) or [plan.operations.index(plan.clone)]
    assert max(places_of(plan, SetLimit)) < min(joined)
    assert max(joined) < namespace
    assert Namespace.CGROUP not in plan.clone.namespaces


def test_a_user_keeps_the_two_capabilities_that_changing_ids_takes_until_they_go_with_the_ids() -> None:
    *_, bound, user, _, _, _ = plan_of(ContainerSpec(user=1000, capabilities=frozenset())).operations

    assert BoundCapabilities(frozenset({"CAP_SETUID", "CAP_SETGID"})) == bound
    assert BecomeUser(1000) == user


def test_the_filter_comes_after_no_new_privs_which_it_takes_and_without_it_while_the_capability_is_there() -> None:
    def last(**fields: bool) -> list[str]:
        *operations, _ = plan_of(ContainerSpec(seccomp_allow=frozenset({"unshare"}), **fields)).operations
        return [type(operation).__name__ for operation in operations[-3:]]

    assert ["BoundCapabilities", "NoNewPrivileges", "FilterSyscalls"] == last()
    assert ["LimitResources", "FilterSyscalls", "BoundCapabilities"] == last(no_new_privs=False)
    assert "FilterSyscalls" not in last(seccomp=False)


def test_a_further_command_gets_the_container_s_directory_privileges_and_environment() -> None:
    spec = ContainerSpec(workdir="/srv", environment={"A": "1", "B": "2"})

    directory, resources, bound, no_new, seccomp, execute = joining(spec, ("ls",), {"B": "3"})

    assert "go to /srv" == directory.describe()
    assert LimitResources(RESOURCES) == resources
    assert BoundCapabilities(DEFAULT_CAPABILITIES) == bound
    assert (NoNewPrivileges(), FilterSyscalls()) == (no_new, seccomp)
    assert isinstance(execute, Execute)
    assert {"A": "1", "B": "3"}.items() <= dict(execute.environment).items()


def test_the_environment_is_the_container_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "of the host")
    *_, execute = plan_of(ContainerSpec(environment={"PATH": "/bin"})).operations

    assert isinstance(execute, Execute)
    assert {"PATH": "/bin", "HOME": "/root", "TERM": "xterm", "container": "contlab"} == dict(execute.environment)


# --- what cannot be -------------------------------------------------------------------------------------------------

SHARED_MOUNTS = ALL_NAMESPACES - {Namespace.MNT}


@pytest.mark.parametrize(
    ("spec", "word"),
    [
        (ContainerSpec(command=()), "no command"),
        (ContainerSpec(namespaces=SHARED_MOUNTS), "pivot_root"),
        (ContainerSpec(namespaces=SHARED_MOUNTS, root=RootMethod.CHROOT, read_only=True), "read_only"),
        (ContainerSpec(namespaces=SHARED_MOUNTS, root=RootMethod.HOST, binds=(BindSpec("/a", "/b"),)), "binds"),
        (ContainerSpec(namespaces=SHARED_MOUNTS, root=RootMethod.HOST, tmpfs=(Tmpfs("/a"),)), "tmpfs"),
        (ContainerSpec(root=RootMethod.HOST, files={"/etc/motd": ""}), "files"),
        (ContainerSpec(namespaces=ALL_NAMESPACES - {Namespace.UTS}, hostname="x"), "hostname"),
        (ContainerSpec(capabilities=frozenset({"CAP_EVERYTHING"})), "CAP_EVERYTHING"),
        (ContainerSpec(seccomp_allow=frozenset({"getpid"})), "getpid"),
        (ContainerSpec(files={"/../etc/passwd": ""}), "/../etc/passwd"),
        (ContainerSpec(files={"etc/motd": ""}), "etc/motd"),
        (ContainerSpec(binds=(BindSpec("/a", "/b/../../c"),)), "/b/../../c"),
        (ContainerSpec(tmpfs=(Tmpfs("tmp"),)), "tmp"),
        (ContainerSpec(workdir=""), "''"),
        (ContainerSpec(command=("a\0b",)), "NUL"),
        (ContainerSpec(environment={"A": "\0"}), "NUL"),
    ],
)
def test_a_contradiction_is_refused_by_its_name_with_a_way_out(spec: ContainerSpec, word: str) -> None:
    with pytest.raises(LessonError) as refusal:
        plan_of(spec)

    assert word in refusal.value.message
    assert refusal.value.hint.endswith(".")
