"""The glossary: each file it names is one that was read, on v1 as on v2; commands are of the row's own numbers."""

from __future__ import annotations

import gzip
import shlex
from itertools import chain
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from contlab.lab.glossary import KEYS, Field, Shown, cgroup, explain, machine, protection
from contlab.linux.cgroup import LIMITS
from contlab.linux.gauges import GAUGE_FILES
from contlab.observe.sampler import Sampler, Target
from contlab.observe.snapshot import CgroupSample, Link, Mount, PidView, Snapshot, Unavailable
from contlab.runtime.events import OperationDone
from contlab.runtime.protection import unprotected
from contlab.runtime.spec import ALL_NAMESPACES, ContainerSpec, RootMethod
from contlab.vm import picture
from tests.lab.guest_values import up
from tests.observe.conftest import FIRST, FakeHost

HOSTILE = "[kthreadd] [/] {x} 'y'"
READ = {
    *chain.from_iterable(files for groups in GAUGE_FILES.values() for files in groups.values()),
    *chain.from_iterable(limit.files for limits in LIMITS.values() for limit in limits.values()),
    "memory.pressure", "cpu.pressure", "cgroup.events", "freezer.state",
}  # fmt: skip
"""Of a cgroup's files, those that contlab reads."""


@pytest.fixture(params=["6.18-hybrid", "6.1-v2"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> FakeHost:
    return FakeHost(tmp_path, request.param)


def sampled(host: FakeHost) -> CgroupSample:
    """A recorded container with limits, the second time that it is looked at."""
    host.process(FIRST, inside=1)
    host.contain()
    cgroups = host.cgroup("1-limits-set")
    host.members(cgroups, FIRST)
    sampler = Sampler(host.source, Target("t", FIRST, cgroups))
    sampler.sample(0.0)
    found = sampler.sample(1e6).cgroup
    assert isinstance(found, CgroupSample)
    return found


def files(field: Field) -> list[str]:
    """The paths in a field's command, which is where they stand whole."""
    return [word for word in shlex.split(field.command) if word.startswith("/sys/fs/cgroup/")]


def test_each_file_of_a_cgroup_is_one_that_was_read_and_is_there_where_the_value_is(host: FakeHost) -> None:
    sample = sampled(host)
    for key in cgroup.KEYS:
        field = explain(key, sample, Shown(cgroup=sample))
        named = files(field)
        if field.value == "it has no io cgroup of its own":
            assert not named
            continue
        assert named, key
        assert {Path(path).name for path in named} <= READ
        assert all(path.rpartition("/")[2] in field.file for path in named)
        recorded = [host.path(path).exists() for path in named]
        lacking = any(
            word in field.value for word in ("no limit", "no memory.", "no cpu.", "no io", "no blkio", "has no")
        )
        assert all(recorded) or lacking or "not read" in field.value or key in ("memory.high", "memory.peak"), key


@pytest.mark.parametrize(
    ("key", "v1", "v2"),
    [
        ("memory.current", "memory/contlab-rec/memory.usage_in_bytes", "contlab-rec/memory.current"),
        ("memory.limit", "memory/contlab-rec/memory.limit_in_bytes", "contlab-rec/memory.max"),
        ("memory.oom_kills", "memory/contlab-rec/memory.oom_control", "contlab-rec/memory.events"),
        ("memory.kernel", "memory/contlab-rec/memory.kmem.usage_in_bytes", "contlab-rec/memory.stat"),
        ("cpu.percent", "cpuacct/contlab-rec/cpuacct.usage", "contlab-rec/cpu.stat"),
        ("cpu.throttled", "cpu/contlab-rec/cpu.stat", "contlab-rec/cpu.stat"),
        ("pids.refused", "pids/contlab-rec/pids.events", "contlab-rec/pids.events"),
        ("pressure.cpu", "unified/contlab-rec/cpu.pressure", "contlab-rec/cpu.pressure"),
        ("frozen", "unified/contlab-rec/cgroup.events", "contlab-rec/cgroup.events"),
    ],
)
def test_the_file_is_that_of_the_version_that_the_sample_was_read_from(
    host: FakeHost, key: str, v1: str, v2: str
) -> None:
    sample = sampled(host)
    expected = v1 if sample.version == "hybrid" else v2

    assert files(explain(key, sample, Shown())) == [f"/sys/fs/cgroup/{expected}"]


def test_the_directory_that_an_older_recording_does_not_name_is_found_from_its_limits_or_not_made_up(
    tmp_path: Path,
) -> None:
    old = replace(sampled(FakeHost(tmp_path, "6.18-hybrid")), directories={})
    parents = replace(old, path="/sys/fs/cgroup/unified/group/box", biting={"memory": "/sys/fs/cgroup/memory/group"})

    assert files(explain("pids.limit", old, Shown())) == ["/sys/fs/cgroup/pids/contlab-rec/pids.max"]
    assert explain("memory.limit", parents, Shown()).file == "/sys/fs/cgroup/memory/group/box/memory.limit_in_bytes"
    unknown = explain("cpu.percent", old, Shown())
    assert unknown.command == ""
    assert unknown.file.startswith("cpuacct.usage of its cpu cgroup;")


def test_each_file_of_the_limits_in_force_is_named() -> None:
    sample = CgroupSample(
        "v2", "/sys/fs/cgroup/box", *(Unavailable("not asked"),) * 3,
        biting={"cpu": "/sys/fs/cgroup", "memory.high": "/sys/fs/cgroup/box", "io 8:0 rbps": "/sys/fs/cgroup/box"},
    )  # fmt: skip

    named = files(explain("biting", sample, Shown()))

    assert named == ["/sys/fs/cgroup/cpu.max", "/sys/fs/cgroup/box/memory.high", "/sys/fs/cgroup/box/io.max"]


def test_the_numbers_in_files_and_commands_are_those_of_the_row() -> None:
    process = PidView(18429, 7, 18422, "sleep", "S", "sleep 60")
    shown = Shown((PidView(18422, 1, 1, "sh", "S", "sh"), process))

    assert explain("process.inside", process, shown).command == "grep NSpid /proc/18429/status"
    mount = Mount(412, 1, "0:5", "/", "/proc", "rw", "private", "proc", "proc", "rw")
    assert explain("mount.point", mount, shown).command == "grep '^412 ' /proc/18422/mountinfo"
    assert explain("namespace.uid_map", up().namespaces, shown).file == "/proc/18422/uid_map"


def test_kernel_text_in_a_command_is_quoted_and_its_braces_are_not_filled_in() -> None:
    link = Link(HOSTILE, True)
    command = explain("link.addresses", link, Shown()).command

    assert shlex.split(command)[-1] == HOSTILE
    assert explain("process.command", PidView(1, 1, 0, "x", "S", HOSTILE), Shown()).value == HOSTILE


def test_a_guests_command_boots_another_guest_and_names_no_process_but_the_first() -> None:
    seen = up()
    shown = Shown(seen.processes, seen.cgroup, guest=True)
    first, *_, agent = seen.processes

    assert explain("process.inside", first, shown).command == "contlab vm run -- grep NSpid /proc/1/status"
    state = explain("process.state", first, shown).command
    assert shlex.split(state)[:5] == ["contlab", "vm", "run", "--", "sh"]
    assert shlex.split(state)[-1] == "sed 's/.*) //' /proc/1/stat | cut -d' ' -f1"
    assert explain("process.state", agent, shown).command == ""
    assert explain("process.pid", agent, shown).file == "in the guest: /sys/fs/cgroup/cgroup.procs"
    meminfo = explain("guest.memory", seen.guest, shown).command
    assert meminfo == "contlab vm run -- grep -E '^Mem(Total|Available)' /proc/meminfo"
    for key, subject in (("mount.type", seen.mounts.mounts[0]), ("link.up", seen.network.links[0])):
        assert explain(key, subject, shown).command.startswith("contlab vm run -- ")


def test_what_is_said_of_a_guest_is_in_a_file_that_is_asked_of_it() -> None:
    asked = " ".join(picture.ALL)
    for file in ("/proc/meminfo", "/proc/vmstat", "/sys/fs/cgroup/cpu.stat", "/proc/sys/kernel/osrelease"):
        assert file in asked
        assert any(file in key_file for key_file in _machine_files())


def _machine_files() -> list[str]:
    return [entry.file for entry in machine.ENTRIES.values()]


def test_every_protection_that_can_be_off_is_told_by_its_own_field() -> None:
    bare = ContainerSpec(
        command=("true",), namespaces=ALL_NAMESPACES, all_capabilities=True, no_new_privs=False, seccomp=False,
        mask_proc=False, rlimits=False,
    )  # fmt: skip
    words = {
        *unprotected(bare),
        *unprotected(replace(bare, root=RootMethod.HOST)),
        *unprotected(replace(bare, seccomp=True, seccomp_allow=frozenset({"unshare"}))),
        "no memory limit",
    }

    assert {protection(word) for word in words} >= {
        f"protection.{name}" for name in ("capabilities", "no_new_privs", "seccomp", "masked", "limits", "rlimits")
    }
    assert {protection(word) for word in words} <= KEYS


def test_a_refused_operation_names_its_error_number() -> None:
    done = OperationDone(
        container="box", at=2e6, index=0, operation="Mount", describe="mount proc", shell="mount -t proc proc /proc",
        side="container", microseconds=12.0, errno=1, error="it lacks the capability",
    )  # fmt: skip

    assert (
        explain("operation.refused", done, Shown()).value == "EPERM (Operation not permitted): it lacks the capability"
    )
    assert explain("operation.what", done, Shown()).command == "mount -t proc proc /proc"


def test_the_shipped_recordings_are_explained_without_a_gap(checkout: Path) -> None:
    lines = gzip.decompress((checkout / "lessons/why-containers/01-three-walls.trace.jsonl.gz").read_bytes()).split(
        b"\n"
    )
    groups = []
    for line in lines:
        if b'"cgroupsample"' in line:
            for found in _snapshots(msgspec.json.decode(line)):
                snapshot = msgspec.convert(found, Snapshot)
                groups += [snapshot.cgroup] if isinstance(snapshot.cgroup, CgroupSample) else []
    for key in cgroup.KEYS:
        field = explain(key, groups[-1], Shown(recorded=True))
        assert field.name
        assert field.means
        assert field.file or field.value


def _snapshots(value: object) -> list[object]:
    if isinstance(value, dict):
        here = [value] if value.get("type") == "snapshot" else []
        return here + [found for inner in value.values() for found in _snapshots(inner)]
    return []
