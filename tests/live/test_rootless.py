"""contlab as a plain user, on the kernel: what they get, what they are told, and that nothing is left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from contlab.errors import ExitCode
from tests.live.plain import DEADLINE, UID, V2, PlainUser, plain_user, words

needs_root = pytest.mark.needs("root")
"""To become another user, or to give them something."""
pytestmark = pytest.mark.needs("userns", "proc")

GIVEN = "contlab-test-plain"


@pytest.fixture
def user() -> Iterator[PlainUser]:
    """Without a cgroup of their own."""
    with plain_user() as user:
        yield user


@pytest.fixture
def delegated() -> Iterator[PlainUser]:
    """With one."""
    with plain_user(GIVEN) as user:
        yield user


def events(done: subprocess.CompletedProcess[str]) -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = {}
    for line in done.stdout.splitlines():
        event = json.loads(line)
        found.setdefault(event["event"], []).append(event)
    return found


def output(done: subprocess.CompletedProcess[str]) -> str:
    return "".join(str(event["text"]) for event in events(done).get("output", []) if event["stream"] == "stdout")


def test_they_are_root_in_a_container_that_has_everything_to_itself(user: PlainUser) -> None:
    script = (
        "id -u; echo $$; hostname; cat /proc/self/uid_map; echo x >/etc/x && cat /etc/x; rm -r /var; ls -d /var 2>&1"
    )
    done = user.contlab("spawn", "--json", "--", "sh", "-c", script)

    told = events(done)
    lines = output(done).splitlines()
    assert ["0", "1", "box"] == lines[:3], done.stderr
    assert ["0", str(UID), "1"] == lines[3].split()
    assert "x" == lines[4]
    assert "No such file" in lines[5]
    names = [event["operation"] for event in told["operation"]]
    assert {"MapOwnId", "MountOverlay", "PivotRoot", "BoundCapabilities"} <= set(names)
    assert [] == [event for event in told["operation"] if event["errno"]]
    instead = [event["operation"] for event in told["operation"] if "instead" in str(event["describe"])]
    assert ([] if keeps_attributes() else ["MountOverlay"]) == instead
    assert [] == user.left()


def test_what_they_get_otherwise_than_asked_for_is_told(user: PlainUser) -> None:
    done = user.contlab("spawn", "--unshare", "pid,mnt", "--", "sh", "-c", "cat /proc/self/uid_map")

    assert (0, ["0", str(UID), "1"]) == (done.returncode, done.stdout.split())
    assert "without the host's user namespace: " in done.stderr
    assert "without cgroup: " in done.stderr


def test_their_clocks_can_be_set_off(user: PlainUser) -> None:
    done = user.contlab("spawn", "--monotonic", "1000", "--", "cat", "/proc/self/timens_offsets")

    assert 0 == done.returncode, done.stderr
    assert ["monotonic", "1000", "0"] == done.stdout.split()[:3]


def test_chroot_takes_a_copy_that_goes_with_the_container(user: PlainUser) -> None:
    done = user.contlab(
        "spawn", "--chroot", "--unshare", "pid", "--", "sh", "-c", "echo $$; mkdir /x; chmod 0 /x; ls /"
    )

    assert 0 == done.returncode, done.stderr
    assert "x" in done.stdout.split()
    assert [] == user.left()


@needs_root
def test_a_limit_without_a_cgroup_is_an_error_with_the_command_that_mends_it(user: PlainUser) -> None:
    done = user.contlab("spawn", "--memory", "32M", "--", "true")

    assert (ExitCode.CGROUP, "") == (done.returncode, done.stdout)
    assert "contlab: the memory limit can't be set: " in done.stderr
    assert ("chown -R" if V2 else "--sudo") in done.stderr
    assert [] == user.left()


@needs_root
def test_what_could_outlive_them_is_refused_without_a_cgroup(user: PlainUser) -> None:
    done = user.contlab("spawn", "--root", "host", "--unshare", "", "--", "true")

    assert ExitCode.CGROUP == done.returncode
    assert "ended for sure only through its cgroup" in done.stderr


@needs_root
def test_in_a_cgroup_of_their_own_a_bare_process_runs_and_all_that_it_starts_ends(delegated: PlainUser) -> None:
    script = "id -u; setsid sleep 98765 & sleep 98765 & echo started"
    done = delegated.contlab("spawn", "--root", "host", "--unshare", "", "--", "sh", "-c", script)

    assert (0, [str(UID), "started"]) == (done.returncode, done.stdout.split()), done.stderr
    assert [] == delegated.left()


@needs_root
def test_in_a_cgroup_of_their_own_limits_are_in_force(delegated: PlainUser) -> None:
    limits = ("--memory", "32M", "--pids", "16", "--cpus", "0.5")
    done = delegated.contlab("spawn", "--json", *limits, "--", "sh", "-c", "yes | head -c 64m | tail -c 64m | wc -c")

    if not V2:  # on a hybrid host the controllers are on v1, and not the user's
        assert ExitCode.CGROUP == done.returncode
        assert "--sudo" in done.stderr
        return
    told = events(done)
    assert {} == told["started"][0]["missing"], done.stderr
    assert {"memory", "cpu", "pids", ""} == set(told["started"][0]["cgroups"])  # type: ignore[call-overload]
    assert "67108864" not in output(done)
    assert [] == delegated.left()


@needs_root
def test_in_a_cgroup_that_holds_their_shell_limits_are_refused_and_the_reason_is_that(delegated: PlainUser) -> None:
    assert delegated.cgroup
    delegated.cgroup.rmdir()
    delegated.cgroup = delegated.cgroup.parent

    done = delegated.contlab("spawn", "--pids", "16", "--", "true")

    assert ExitCode.CGROUP == done.returncode
    if V2:
        assert "holds processes, so it can't pass on" in words(done.stderr)


@needs_root
def test_ranges_of_subordinate_ids_are_mapped_where_they_have_some(user: PlainUser) -> None:
    if not shutil.which("newuidmap"):
        pytest.skip("needs newuidmap: sudo apt-get install uidmap")
    ranges = user.home / "ranges"
    ranges.write_text(f"{UID}:200000:1000\n")
    user.before += [f"touch {user.home}/none", *(f"mount --bind {ranges} /etc/{name}" for name in ("subuid", "subgid"))]

    done = user.contlab(
        "spawn", "--json", "--", "sh", "-c", "cat /proc/self/uid_map; touch /x; chown 7:7 /x; stat -c %u /x"
    )

    assert ["0", str(UID), "1", "1", "200000", "1000", "7"] == output(done).split(), done.stderr
    assert "MapSubordinateIds" in [event["operation"] for event in events(done)["operation"]]
    assert [] == user.left()


@needs_root
def test_where_proc_is_covered_the_host_s_is_shown_read_only_and_that_is_told(user: PlainUser) -> None:
    user.before.append("mount --bind /dev/null /proc/timer_list")

    done = user.contlab("spawn", "--json", "--", "sh", "-c", "echo $$; echo x >/proc/sys/kernel/hostname && echo y")

    assert "1\n" == output(done), done.stderr
    remarks = [str(e["describe"]) for e in events(done)["operation"] if "host's /proc instead" in str(e["describe"])]
    assert ["mount proc on $ROOT/proc (refused; the host's /proc instead, read-only)"] == remarks
    assert [] == user.left()


@pytest.mark.parametrize("victims", [("app",), ("supervisor",), ("app", "supervisor")], ids="-".join)
@pytest.mark.parametrize("with_cgroup", [False, pytest.param(True, marks=needs_root)])
def test_whoever_is_killed_nothing_is_left(victims: tuple[str, ...], with_cgroup: bool) -> None:
    with plain_user(GIVEN if with_cgroup else "") as user:
        bare = ("--root", "host", "--unshare", "") if with_cgroup else ()
        app = user.start("spawn", *bare, "--", "sh", "-c", "sleep 98765 & echo up; exec sleep 98765")
        assert app.stdout
        assert "up\n" == app.stdout.readline()
        supervisor = next(child for child in psutil.Process(app.pid).children() if "supervisor" in child.cmdline()[3])

        for victim in victims:
            os.kill(app.pid if victim == "app" else supervisor.pid, signal.SIGKILL)

        app.stdout.close()
        assert (-signal.SIGKILL if "app" in victims else ExitCode.RUNTIME) == app.wait(DEADLINE)
        if len(victims) == 2:  # nobody is left who could clean up but the next run
            until(lambda: not alive(supervisor))
            assert "removed " in user.contlab("doctor", "--clean").stdout
        until(lambda: not user.left())


def keeps_attributes() -> bool:
    """Whether tmpfs does, so that overlay can be had: since Linux 6.6."""
    return tuple(int(number) for number in os.uname().release.split("-")[0].split(".")[:2]) >= (6, 6)


def alive(process: psutil.Process) -> bool:
    """It runs; whoever inherited a dead one may take their time to reap it."""
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def until(ready: Callable[[], object]) -> None:
    end = time.monotonic() + DEADLINE
    while not ready():
        assert time.monotonic() < end
        time.sleep(0.05)
