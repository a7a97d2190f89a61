"""doctor on hosts that tests describe: the situations people meet, and the command that mends each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from contlab.doctor import Host, Level, Status, probe, readiness
from contlab.errors import LessonError
from contlab.linux.hierarchies import Hierarchies, Hierarchy, Mode, Version

DENIED = "unshare: new namespaces need CAP_SYS_ADMIN, or a user namespace of one's own first"
WORKS = dict.fromkeys(("userns", "overlay", "overlay-userns", "pivot_root", "proc"), "")


def host(root: Path, files: Mapping[str, str] | None = None, denied: tuple[str, ...] = (), **fields: Any) -> Host:
    """A host with these files, where the trials ``denied`` fail."""
    for path, text in (files or {}).items():
        file = root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    fields.setdefault("which", lambda name: None)
    fields.setdefault("hierarchies", Hierarchies)
    fields.setdefault("environment", {})
    fields.setdefault("uid", 1000)
    return Host(root=root, try_all=lambda: WORKS | dict.fromkeys(denied, DENIED), **fields)


@pytest.mark.parametrize(
    ("sysctl", "value", "fix"),
    [
        ("kernel.apparmor_restrict_unprivileged_userns", "1", "kernel.apparmor_restrict_unprivileged_userns=0"),
        ("kernel.unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
        ("user.max_user_namespaces", "0", "user.max_user_namespaces=28633"),
    ],
)
def test_a_sysctl_that_forbids_user_namespaces_is_named_with_its_remedy(
    tmp_path: Path, sysctl: str, value: str, fix: str
) -> None:
    here = host(tmp_path, {f"/proc/sys/{sysctl.replace('.', '/')}": f"{value}\n"}, denied=("userns",))

    finding = probe("userns", here)

    assert finding.status is Status.MISSING
    assert f"sudo sysctl {fix}" == finding.fix
    assert f"sudo sysctl {sysctl}={value}" in finding.reason, "how to put it back"


def test_a_sysctl_that_forbids_nothing_in_practice_is_not_blamed(tmp_path: Path) -> None:
    here = host(tmp_path, {"/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n"})

    assert Status.OK == probe("userns", here).status


def test_root_in_docker_without_privileges_is_told_how_to_start_it(tmp_path: Path) -> None:
    docker = {"/.dockerenv": "", "/proc/self/status": "CapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\n"}

    finding = probe("root", host(tmp_path, docker, uid=0))

    assert Status.MISSING == finding.status
    assert finding.fix.startswith("docker run --privileged")


def test_a_machine_made_from_a_docker_image_is_not_taken_for_a_container(tmp_path: Path) -> None:
    machine = {"/.dockerenv": "", "/proc/self/status": "CapEff:\t0000000000000000\nCapBnd:\t000001ffffffffff\n"}

    assert probe("root", host(tmp_path, machine)).fix.startswith("sudo /")


def test_a_plain_user_is_told_the_command_that_starts_contlab_as_root(tmp_path: Path) -> None:
    assert probe("root", host(tmp_path)).fix.startswith("sudo /")


def test_a_masked_proc_in_docker_is_told_apart_from_lacking_rights(tmp_path: Path) -> None:
    finding = probe("proc", host(tmp_path, {"/.dockerenv": ""}, denied=("proc",)))

    assert "systempaths=unconfined" in finding.fix


def test_memory_switched_off_at_boot_is_seen_in_proc_cgroups(tmp_path: Path) -> None:
    cgroups = "#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t0\t1\t0\npids\t0\t1\t1\n"

    finding = probe("cgroup-memory", host(tmp_path, {"/proc/cgroups": cgroups}, uid=0))

    assert Status.MISSING == finding.status
    assert "cgroup_enable=memory" in finding.fix


def unified(top: Path) -> Hierarchies:
    tree = Hierarchy(Version.V2, str(top), str(top))
    return Hierarchies(Mode.V2, dict.fromkeys(("memory", "cpu", "pids"), tree), tree)


def test_a_plain_user_on_v2_is_told_how_to_get_a_delegated_cgroup(tmp_path: Path) -> None:
    with_systemd = host(tmp_path / "a", {"/run/systemd/system/x": ""}, hierarchies=lambda: unified(tmp_path / "cgroup"))
    without = host(tmp_path / "b", hierarchies=lambda: unified(tmp_path / "cgroup"))

    assert "Delegate=cpu cpuset io memory pids" in probe("cgroup-pids", with_systemd).fix
    assert f"chown -R 1000 {tmp_path}/cgroup/contlab-user-1000" in probe("cgroup-pids", without).fix


def test_what_the_user_s_systemd_may_delegate_is_there_for_a_plain_user_and_the_rest_is_not(tmp_path: Path) -> None:
    manager = tmp_path / "cgroup/user.slice/user-1000.slice/user@1000.service"
    manager.mkdir(parents=True)
    (manager / "cgroup.controllers").write_text("memory pids\n")
    files = {"/user/bus": "", "/bin/systemd-run": "", "/run/systemd/system/x": ""}
    environment = {"XDG_RUNTIME_DIR": str(tmp_path / "user"), "PATH": str(tmp_path / "bin")}
    here = host(tmp_path, files, hierarchies=lambda: unified(tmp_path / "cgroup"), environment=environment)
    (tmp_path / "bin/systemd-run").chmod(0o755)

    assert "can be limited, in a scope that systemd delegates to contlab" == probe("cgroup-memory", here).reason
    assert Status.MISSING == probe("cgroup-cpu", here).status


def test_wsl_on_v1_is_told_about_wslconfig(tmp_path: Path) -> None:
    release = {"/proc/sys/kernel/osrelease": "5.15.167.4-microsoft-standard-WSL2\n"}

    assert ".wslconfig" in probe("cgroup-memory", host(tmp_path, release)).fix


def test_without_cgroups_the_mount_is_the_remedy(tmp_path: Path) -> None:
    finding = probe("cgroup", host(tmp_path))

    assert (Status.MISSING, "sudo mount -t cgroup2 none /sys/fs/cgroup") == (finding.status, finding.fix)


@pytest.mark.parametrize(
    ("release", "fix"),
    [
        ("ID=debian\n", "sudo apt-get install busybox-static"),
        ('ID=ubuntu\nID_LIKE="debian"\n', "sudo apt-get install busybox-static"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\n', "sudo dnf install busybox"),
        ("ID=arch\n", "sudo pacman -S busybox"),
        ("ID=alpine\n", "sudo apk add busybox"),
    ],
)
def test_a_missing_tool_comes_with_the_distribution_s_own_command(tmp_path: Path, release: str, fix: str) -> None:
    finding = probe("busybox", host(tmp_path, {"/etc/os-release": release}))

    assert (Status.REDUCED, fix) == (finding.status, finding.fix)


def test_a_kernel_image_in_boot_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CONTLAB_KERNEL", raising=False)
    here = host(tmp_path, {"/boot/vmlinuz-6.8.0": "kernel"})

    assert f"{tmp_path}/boot/vmlinuz-6.8.0, 6.8.0" == probe("kernel-image", here).reason


def test_a_kernel_that_can_t_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTLAB_KERNEL", str(tmp_path / "vmlinuz"))

    finding = probe("kernel-image", host(tmp_path))

    assert Status.MISSING == finding.status
    assert str(tmp_path / "vmlinuz") in finding.reason


def test_every_finding_that_is_not_ok_on_a_bare_host_says_what_to_do(tmp_path: Path) -> None:
    from contlab.doctor import examine

    bare = [finding for finding in examine(host(tmp_path, denied=tuple(WORKS))) if finding.status is not Status.OK]

    assert [] == [finding for finding in bare if not (finding.reason and finding.fix)]
    assert len(bare) > 15


def test_a_lesson_is_played_from_its_recording_where_a_need_is_missing(tmp_path: Path) -> None:
    here = host(tmp_path, {"/proc/sys/kernel/seccomp/actions_avail": "kill"}, denied=("overlay",))

    assert Level.FULL == readiness(["userns", "seccomp"], here).level
    assert Level.REDUCED == readiness(["userns", "overlay"], here).level
    lacking = readiness(["root", "overlay"], here)
    assert Level.RECORDED == lacking.level
    assert ["root", "overlay"] == [finding.word for finding in lacking.lacking]
    assert lacking.why.startswith("root: contlab runs as user 1000; overlay: ")


def test_a_word_that_is_none_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(LessonError) as caught:
        probe("cgroup-memroy")

    assert "did you mean 'cgroup-memory'?" == caught.value.hint
