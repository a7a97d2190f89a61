"""The other ways of a plain user: lessons, systemd's delegation, and sudo. The last two are played by programs of the
tests' own that do what contlab relies on; the kernel under them is the real one."""

from __future__ import annotations

import array
import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from contlab.errors import ExitCode
from contlab.runtime.sweep import sweep
from tests.live.containers import SLOW
from tests.live.plain import DEADLINE, UID, V2, PlainUser, plain_user, words
from tests.live.test_rootless import GIVEN, events, output, until

pytestmark = pytest.mark.needs("root", "userns", "proc", "overlay-userns")

LESSON = """\
---
id: test/mine
title: Mine
minutes: 1
needs: [{needs}]
goals: [See]
---

## A step

Look.

```toml container
name = "box"
command = "while :; do sleep 98765; done"
{container}
```

```toml run
name = "look"
container = "box"
command = "id -u"
```

```toml expect
look.output = {{ contains = "0" }}
```

```toml hint
nudge = "Look."
command = "id -u"
```

```toml solution
solution = "Look."
```
"""


def lesson(user: PlainUser, container: str = "", needs: str = "userns, pivot_root, proc, ns-pid") -> str:
    path = user.home / "mine.md"
    path.write_text(LESSON.format(container=container, needs=needs))
    return str(path)


@pytest.fixture
def delegated() -> Iterator[PlainUser]:
    with plain_user(GIVEN) as user:
        yield user


# --- lessons --------------------------------------------------------------------------------------------------------


def test_a_lesson_by_anyone_is_played_live_where_its_containers_have_walls(delegated: PlainUser) -> None:
    done = delegated.contlab("run", lesson(delegated))

    if not V2:  # the pretend machine's limits can't be had
        assert ExitCode.CGROUP == done.returncode
        assert "--sudo" in done.stderr
        return
    assert "1 held, 0 failed" in done.stdout, done.stdout + done.stderr
    assert [] == delegated.left()


@pytest.mark.parametrize(
    "container", ['root = "host"\nunshare = []', 'root = "chroot"', 'share = ["net"]', 'share = ["pid"]']
)
def test_what_would_run_among_their_own_files_is_let_to_contlab_s_own_lessons(
    delegated: PlainUser, container: str
) -> None:
    done = delegated.contlab("run", lesson(delegated, container))

    assert ExitCode.NOT_PERMITTED == done.returncode, done.stdout
    assert "would run as you, among your own files and processes" in words(done.stderr)
    assert "--sudo" in done.stderr
    assert [] == delegated.left()


def test_a_lesson_whose_needs_are_not_met_names_them_and_what_mends_them(delegated: PlainUser) -> None:
    done = delegated.contlab("run", lesson(delegated, needs="root"))

    assert ExitCode.NOT_PERMITTED == done.returncode
    assert f"contlab: this lesson can't be played live here: root: contlab runs as user {UID}" in done.stderr
    assert "  sudo /" in done.stderr


def test_the_first_lesson_is_theirs_too_with_a_cgroup_of_their_own(delegated: PlainUser) -> None:
    done = delegated.contlab("run", "why-containers/three-walls")

    if not V2:
        assert ExitCode.NOT_PERMITTED == done.returncode
        assert "cgroup-memory: " in done.stderr
        return
    assert "\n6/6  " in done.stdout, done.stdout + done.stderr
    failed = [line.split()[1] for line in done.stdout.splitlines() if line.startswith("  ✗ ")]
    # An emulated processor may do less than the lesson asks for in the time that its commands have.
    late = {"cache.cgroup.memory.oom_kills", "tenant.cgroup.memory.oom_kills", "tenant.cgroup.cpu.usage"}
    assert set(failed) <= (late if SLOW else set()), done.stdout + done.stderr
    assert [] == delegated.left()


# --- a scope of systemd's -------------------------------------------------------------------------------------------

SYSTEMD_RUN = """\
#!/bin/sh
while [ "$1" != -- ]; do shift; done
shift
mkdir {managed}/contlab-test.scope && echo $$ >{managed}/contlab-test.scope/cgroup.procs
echo +cpu +memory +pids >{managed}/cgroup.subtree_control
exec "$@"
"""
"""``systemd-run --user --scope -p Delegate=yes``: it moves itself into a new cgroup, which the user's manager passes
its controllers on to, and becomes the command."""


@pytest.fixture
def managed() -> Iterator[PlainUser]:
    """A cgroup that the user's systemd manages, and has not delegated."""
    with plain_user(f"{GIVEN}/user@{UID}.service") as user:
        assert user.cgroup
        user.program("systemd-run", SYSTEMD_RUN.format(managed=user.cgroup.parent))
        user.environment["XDG_RUNTIME_DIR"] = str(user.home)
        (user.home / "bus").touch()
        yield user
        user.cgroup.rmdir()
        with contextlib.suppress(FileNotFoundError):
            os.rmdir(f"{user.cgroup.parent}/contlab-test.scope")  # systemd does, once it is empty
        user.cgroup.parent.rmdir()
        user.cgroup.parent.parent.rmdir()


def test_in_a_scope_of_its_own_the_supervisor_makes_room_and_limits_are_in_force(managed: PlainUser) -> None:
    done = managed.contlab("spawn", "--json", "--pids", "16", "--", "true")

    if not V2:
        assert ExitCode.CGROUP == done.returncode
        return
    assert 0 == done.returncode, done.stderr
    cgroup = str(events(done)["started"][0]["cgroups"]["pids"])  # type: ignore[index]
    assert "contlab-test.scope/contlab-" in cgroup
    assert [f"{managed.cgroup.parent}/contlab-test.scope"] == managed.left() if managed.cgroup else False


def test_where_systemd_refuses_contlab_does_without(managed: PlainUser) -> None:
    managed.program("systemd-run", "#!/bin/sh\necho Failed to connect to bus >&2\nexit 1\n")

    done = managed.contlab("spawn", "--", "id", "-u")

    assert (0, "0\n") == (done.returncode, done.stdout), done.stderr
    assert [] == managed.left()


# --- sudo -----------------------------------------------------------------------------------------------------------

SUDO = """\
#!{python} -S
import array, os, signal, socket, sys
words = sys.argv[1:]
words = words[words.index("--") + 1:] if "--" in words else []
if not words:
    sys.exit(0)
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect({address!r})
s.sendmsg(["\\0".join(words).encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [2]))])
status = int(s.recv(100) or b"1")
os.kill(os.getpid(), -status) if status < 0 else sys.exit(status)
"""
"""``sudo -n -- COMMAND``: descriptors above 2 and the environment don't get through."""


class Root:
    """What is behind the test's sudo: root runs what the user asks for."""

    def __init__(self, address: str) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._listener.bind(address)
        os.chmod(address, 0o777)
        self._listener.listen()
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()
        self.pids: list[int] = []

    def _serve(self) -> None:
        while True:
            peer, _ = self._listener.accept()
            with peer:
                message, ancillary, _, _ = peer.recvmsg(1 << 16, 1024)
                if not message:
                    return
                uid = struct.unpack("iII", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1]
                stderr = array.array("i", ancillary[0][2])[0]
                with subprocess.Popen(
                    message.decode().split("\0"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=stderr,
                    env={name: os.environ[name] for name in ("PATH", "XDG_CACHE_HOME")} | {"SUDO_UID": str(uid)},
                ) as process:  # fmt: skip
                    os.close(stderr)
                    self.pids.append(process.pid)
                    process.wait()
                    with contextlib.suppress(BrokenPipeError):
                        peer.send(str(process.returncode).encode())

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as last:
            last.connect(self._listener.getsockname())
        self._threads[0].join()
        self._listener.close()


@pytest.fixture
def sudoer() -> Iterator[tuple[PlainUser, Root]]:
    with plain_user() as user:
        root = Root(str(user.home / "root"))
        user.program("sudo", SUDO.format(python=sys.executable, address=str(user.home / "root")))
        yield user, root
        root.close()


def test_with_sudo_the_supervisor_is_root_and_the_app_is_not(sudoer: tuple[PlainUser, Root]) -> None:
    user, _ = sudoer
    done = user.contlab(
        "spawn", "--sudo", "--json", "--pids", "16", "--", "sh", "-c", "cat /proc/self/uid_map; ls -ld /bin"
    )

    assert 0 == done.returncode, done.stderr
    lines = output(done).splitlines()
    assert ["0", "100000", "65536"] == lines[0].split(), "root may map any id"
    assert "root" == lines[1].split()[2], "and own the tree"
    assert {} == events(done)["started"][0]["missing"]
    assert [] == user.left()
    assert () == sweep("/run/contlab").removed


def test_with_sudo_a_lesson_by_anyone_runs_as_a_user_who_owns_nothing(sudoer: tuple[PlainUser, Root]) -> None:
    user, _ = sudoer
    done = user.contlab("run", "--sudo", lesson(user, 'root = "host"\nunshare = []'))

    assert "899000" in done.stdout, done.stdout + done.stderr
    assert [] == user.left()


def test_with_sudo_namespaces_are_seen_though_their_links_are_root_s(sudoer: tuple[PlainUser, Root]) -> None:
    user, _ = sudoer
    path = Path(lesson(user, needs="ns-pid"))
    path.write_text(path.read_text().replace('look.output = { contains = "0" }', "box.ns.pid.own = true"))

    assert "1 held, 0 failed" in (done := user.contlab("run", "--sudo", str(path))).stdout, done.stdout + done.stderr


@pytest.mark.parametrize("victim", ["app", "supervisor"])
def test_with_sudo_too_nothing_is_left_by_whoever_is_killed(sudoer: tuple[PlainUser, Root], victim: str) -> None:
    user, root = sudoer
    app = user.start("spawn", "--sudo", "--", "sh", "-c", "sleep 98765 & echo up; exec sleep 98765")
    assert app.stdout
    assert "up\n" == app.stdout.readline()

    os.kill(app.pid if victim == "app" else root.pids[-1], signal.SIGKILL)

    app.stdout.close()
    app.wait(DEADLINE)
    until(lambda: not [p for p in user.processes() if p.pid != app.pid] and not psutil.pid_exists(root.pids[-1]))
    left = sweep("/run/contlab").removed  # a killed supervisor's, for the next one to remove
    assert victim == "supervisor" or () == left


def test_who_listens_instead_of_the_caller_gets_no_root(sudoer: tuple[PlainUser, Root]) -> None:
    """Another user's socket in the place of the caller's."""
    user, _ = sudoer
    trap = str(user.home / "trap")
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(trap)  # as root, who is not who calls
        listener.listen()
        command = [sys.executable, "-P", "-m", "contlab.runtime.supervisor", trap, "0badf00d", str(user.home / "run")]
        done = subprocess.run(
            command,
            env=os.environ | {"SUDO_UID": str(UID)},
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE,
        )

    assert 1 == done.returncode
    assert f"uid 0 listens on {trap}, and it was not who called sudo" in done.stderr
