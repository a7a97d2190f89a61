"""contlab spawn: its options, its plan, and what it answers to wrong ones. What it makes is tested in tests/live."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from msgspec.structs import replace

from contlab.cli import main
from contlab.cli.spawn import NAME, spec_of
from contlab.cli.spawn import spawn as command
from contlab.errors import ExitCode
from contlab.lab import once
from contlab.linux.flags import CAP
from contlab.runtime.cgroup import CgroupPlan
from contlab.runtime.operation import MakeCgroup, SetLimit
from contlab.runtime.plan import Places, Plan, compile_plan
from contlab.runtime.protection import DEFAULT_CAPABILITIES
from contlab.runtime.rights import ROOT
from contlab.runtime.spec import (
    ALL_NAMESPACES,
    Bind,
    ContainerSpec,
    IdMap,
    IoLimit,
    Limits,
    Namespace,
    RootMethod,
    TimeOffsets,
)

UNPROTECTED = ContainerSpec(all_capabilities=True, no_new_privs=False, seccomp=False, mask_proc=False, rlimits=False)


def spec(*arguments: str) -> ContainerSpec:
    """What the options become."""
    given = command.make_context("spawn", list(arguments)).params
    options = {
        name: value
        for name, value in given.items()
        if name not in ("explain", "dry_run", "as_json", "sudo", "tty", "command")
    }
    return spec_of(given["command"], **options)


@pytest.fixture
def contlab(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """The command line in this process: exit code, stdout, stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as end:
            main.main(list(arguments))
        assert isinstance(end.value.code, int)
        return end.value.code, *capsys.readouterr()

    return run


def test_without_options_it_is_the_default_container_with_a_shell() -> None:
    assert ContainerSpec() == spec()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--memory", "32M"], ContainerSpec(limits=Limits(memory=32 << 20))),
        (["--memory", "1.5GiB"], ContainerSpec(limits=Limits(memory=3 << 29))),
        (["--memory", "max", "--pids", "max"], ContainerSpec(limits=Limits(memory=None, pids=None))),
        (["--cpus", "0.5"], ContainerSpec(limits=Limits(cpus=0.5))),
        (["--pids", "16"], ContainerSpec(limits=Limits(pids=16))),
        (["--memory-high", "16M", "--oom-group"], ContainerSpec(limits=Limits(memory_high=16 << 20, oom_group=True))),
        (["--memory", "32M", "--memory-swap", "1M"], ContainerSpec(limits=Limits(memory=32 << 20, swap=1 << 20))),
        (["--cpu-weight", "25"], ContainerSpec(limits=Limits(cpu_weight=25))),
        (
            ["--io-max", "/dev/vda:rbps=1M,wiops=50", "--io-max", "8:0:wbps=4096"],
            ContainerSpec(limits=Limits(io=(IoLimit("/dev/vda", rbps=1 << 20, wiops=50), IoLimit("8:0", wbps=4096)))),
        ),
        (["--network", "lan", "--ip", "10.0.0.1/8"], ContainerSpec(network="lan", address="10.0.0.1/8")),
        (["--network", "host"], ContainerSpec(network="host")),
        (
            ["--map-uids", "0:1000:1", "--map-uids", "1:100000:10", "--map-gids", "0:5:1"],
            ContainerSpec(id_map=(IdMap(0, 1000, 1), IdMap(1, 100_000, 10)), gid_map=(IdMap(0, 5, 1),)),
        ),
        (["--boottime", "-5"], ContainerSpec(time_offsets=TimeOffsets(boottime=-5))),
        (["--monotonic", "60"], ContainerSpec(time_offsets=TimeOffsets(monotonic=60))),
        (["--no-seccomp"], ContainerSpec(seccomp=False)),
        (["--no-mask"], ContainerSpec(mask_proc=False)),
        (["--no-rlimits"], ContainerSpec(rlimits=False)),
        (["--new-privs"], ContainerSpec(no_new_privs=False)),
        (["--cap-add", "net_raw"], ContainerSpec(capabilities=DEFAULT_CAPABILITIES | {"CAP_NET_RAW"})),
        (["--cap-add", "all"], ContainerSpec(all_capabilities=True)),
        (
            ["--cap-add", "ALL", "--cap-drop", "CAP_SYS_ADMIN"],
            ContainerSpec(capabilities=frozenset(CAP.__members__) - {"CAP_SYS_ADMIN"}),
        ),
        (["--cap-drop", "ALL", "--cap-add", "KILL"], ContainerSpec(capabilities=frozenset({"CAP_KILL"}))),
        (
            ["--network", "lan", "--cap-drop", "kill"],
            ContainerSpec(network="lan", capabilities=(DEFAULT_CAPABILITIES | {"CAP_NET_RAW"}) - {"CAP_KILL"}),
        ),
        (["--privileged"], UNPROTECTED),
        (
            ["--privileged", "--cap-drop", "SYS_TIME"],
            replace(
                UNPROTECTED,
                all_capabilities=False,
                capabilities=frozenset(CAP.__members__) - {"CAP_SYS_TIME"},
            ),
        ),
        (["--hostname", "box"], ContainerSpec(hostname="box")),
        (["--env", "A=1", "--env", "B=x=y", "--env", "C="], ContainerSpec(environment={"A": "1", "B": "x=y", "C": ""})),
        (["--workdir", "/tmp"], ContainerSpec(workdir="/tmp")),
        (["--read-only"], ContainerSpec(read_only=True)),
        (["--chroot"], ContainerSpec(root=RootMethod.CHROOT)),
        (["--root", "host"], ContainerSpec(root=RootMethod.HOST, rootfs="host")),
        (["--root", "host-tools"], ContainerSpec(rootfs="host-tools")),
        (["--root", "/"], ContainerSpec(rootfs="/")),
        (["--share", "net"], ContainerSpec(namespaces=ALL_NAMESPACES - {Namespace.NET})),
        (["--share", " net , user,"], ContainerSpec(namespaces=ALL_NAMESPACES - {Namespace.NET, Namespace.USER})),
        (["--unshare", "mnt,pid"], ContainerSpec(namespaces=frozenset({Namespace.MNT, Namespace.PID}))),
        (["ps", "-ef"], ContainerSpec(command=("ps", "-ef"))),
        (["--", "--help"], ContainerSpec(command=("--help",))),
        (["sh", "--json"], ContainerSpec(command=("sh", "--json"))),
    ],
)
def test_every_option_is_a_field_of_the_spec(arguments: list[str], expected: ContainerSpec) -> None:
    assert expected == spec(*arguments)


def test_without_mounts_of_its_own_the_root_is_changed_by_chroot() -> None:
    """pivot_root would exchange the host's."""
    assert [RootMethod.CHROOT] * 3 == [
        spec(*options).root for options in (["--share", "mnt"], ["--unshare", "pid"], ["--unshare", ""])
    ]


def test_a_root_with_a_slash_is_a_directory_and_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tree").mkdir()
    monkeypatch.chdir(tmp_path)

    assert [str(tmp_path / "tree"), str(tmp_path), str(tmp_path.parent)] == [
        spec("--root", root).rootfs for root in ("./tree", ".", "..")
    ]


def test_binds_are_absolute_and_may_be_read_only_and_hold_any_character(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a\n b").mkdir()

    made = spec("--bind", "/proc:/host proc:ro", "--bind", "a\n b:/a\nb", "--bind", "/dev/null:/x:rw").binds

    assert (Bind("/proc", "/host proc", True), Bind(str(tmp_path / "a\n b"), "/a\nb"), Bind("/dev/null", "/x")) == made


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--memory", "lots"], "--memory: 'lots' is no size"),
        (["--memory", "0.5"], "there are no parts of a byte"),
        (["--cpus", "0"], "'--cpus': 0.0 is not in the range x>=0.01"),
        (["--cpus", "half"], "'half' is not a valid float range"),
        (["--pids", "0"], "--pids '0': write a number of 1 or more, or max"),
        (["--memory-high", "x"], "--memory-high: 'x' is no size"),
        (["--memory-swap", "x"], "--memory-swap: 'x' is no size"),
        (["--cpu-weight", "10001"], "10001 is not in the range 1<=x<=10000"),
        (["--io-max", "/dev/vda"], "--io-max '/dev/vda': write DISK:KEY=N"),
        (["--io-max", "/dev/vda:speed=1"], "KEY being rbps, wbps, riops, wiops"),
        (["--io-max", "/dev/vda:rbps="], "write DISK:KEY=N"),
        (["--io-max", "/dev/vda:rbps=x"], "--io-max: 'x' is no size"),
        (["--map-uids", "0:1"], "--map-uids '0:1': write INSIDE:OUTSIDE:LENGTH"),
        (["--map-gids", "0:x:1"], "--map-gids '0:x:1': write"),
        (["--unshare", "pid", "--share", "net"], "--unshare and --share exclude each other"),
        (["--unshare", "mount"], "'mount' is no namespace; did you mean mnt?"),
        (["--share", "vfork"], "'vfork' is no namespace. There are mnt, pid, net, uts, ipc, user, cgroup, time."),
        (["--root", "/no/where"], "--root: there is no directory /no/where"),
        (["--root", "/dev/null"], "--root: there is no directory /dev/null"),
        (["--bind", "/proc"], "--bind '/proc': write SRC:DST"),
        (["--bind", ":/x"], "--bind ':/x': write SRC:DST"),
        (["--bind", "/proc:x"], "DST beginning with /"),
        (["--bind", "/proc:/x/../../y"], "without .."),
        (["--bind", "/proc:/x:rx"], "write SRC:DST or SRC:DST:ro"),
        (["--bind", "/no/where:/x"], "there is no /no/where on the host"),
        (["--env", "PATH"], "--env 'PATH': write KEY=VALUE"),
        (["--env", "=x"], "--env '=x': write KEY=VALUE"),
        (["--memroy", "1M"], "--memroy"),
    ],
)
def test_a_wrong_option_is_told_and_ends_with_the_code_of_usage(
    contlab: Callable[..., tuple[int, str, str]], arguments: list[str], reason: str
) -> None:
    code, out, err = contlab("spawn", *arguments, "--", "true")

    assert (ExitCode.USAGE, "") == (code, out)
    assert reason in err
    assert "contlab spawn --help" in err


def test_help_names_every_option_and_the_exit_codes_of_its_own(contlab: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = contlab("spawn", "--help")

    assert 0 == code
    assert [] == [option for parameter in command.params if isinstance(parameter, click.Option)
                  for option in parameter.opts if option not in out]  # fmt: skip
    assert [] == [word for word in ("125:", "126:", "127:", "128 + N:", "Ctrl-C") if word not in out]


def test_an_unknown_recipe_is_told_with_those_there_are(contlab: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = contlab("spawn", "--dry-run", "--root", "busybux")

    assert (ExitCode.ROOTFS, "") == (code, out)
    assert "contlab: there is no root filesystem recipe 'busybux'\n  Did you mean 'busybox'?\n" == err


# --- the plan, on a host made by hand -----------------------------------------------------------------------------

CGROUP = "/sys/fs/cgroup/contlab-RUN-box"
CGROUP_PLAN = CgroupPlan(
    make=(MakeCgroup(CGROUP, "v2"), SetLimit(f"{CGROUP}/memory.max", str(32 << 20))),
    directories={"": CGROUP, "memory": CGROUP},
    born_in=CGROUP,
)
OPTIONS = ("--memory", "32M", "--hostname", "a b", "--bind", "/proc:/a\nb:ro")


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> Plan:
    """The plan for OPTIONS on that host."""
    monkeypatch.setattr(once, "plan_cgroup", lambda *_, **__: CGROUP_PLAN)
    monkeypatch.setattr(once, "rootfs_of", lambda *_: "/cache/tree")
    monkeypatch.setattr(once, "read_rights", lambda: ROOT)
    at = "/run/contlab/contlab-RUN"
    places = Places("/cache/tree", f"{at}/scratch", f"{at}/lower", f"{at}/copy-{NAME}")
    return compile_plan(spec(*OPTIONS, "--", "sh", "-c", "echo $$"), places, CGROUP_PLAN, NAME)


def test_a_dry_run_prints_each_operation_with_who_does_it_and_how_to_do_it_by_hand(
    contlab: Callable[..., tuple[int, str, str]], planned: Plan
) -> None:
    code, out, err = contlab("spawn", "--dry-run", *OPTIONS, "--", "sh", "-c", "echo $$")

    expected = []
    for index, operation in enumerate(planned.operations):
        expected.append(f"{index:>3}  {'container' if operation.inside else 'host':<9}  {operation.describe()}")
        expected += [f"{'':>16}$ {operation.shell()}"] if operation.shell() else []
    assert (0, "\n".join(expected) + "\n", "") == (code, out, err)
    assert f"$ mkdir {CGROUP}\n" in out
    assert f"$ echo {32 << 20} > {CGROUP}/memory.max" in out
    assert "$ exec sh -c 'echo $$'" in out


def test_a_dry_run_in_json_is_one_object_a_line(contlab: Callable[..., tuple[int, str, str]], planned: Plan) -> None:
    code, out, err = contlab("spawn", "--dry-run", "--json", *OPTIONS, "--", "sh", "-c", "echo $$")

    rows = [json.loads(line) for line in out.splitlines()]
    assert (0, "") == (code, err)
    assert [
        (index, type(operation).__name__, operation.describe(), operation.shell(), operation.inside)
        for index, operation in enumerate(planned.operations)
    ] == [(row["index"], row["operation"], row["describe"], row["shell"], row["side"] == "container") for row in rows]
    assert ["MakeCgroup", "SetLimit", "Clone"] == [row["operation"] for row in rows[:3]]
    assert "Execute" == rows[-1]["operation"]


def test_a_dry_run_of_what_can_t_be_says_why(contlab: Callable[..., tuple[int, str, str]], planned: Plan) -> None:
    code, out, err = contlab("spawn", "--dry-run", "--share", "uts", "--hostname", "box")

    assert (ExitCode.LESSON, "") == (code, out)
    assert "its own uts namespace" in err
