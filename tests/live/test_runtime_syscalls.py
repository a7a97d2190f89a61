"""Calls that take root, each in a process of its own: what they do to it, the host keeps."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from contlab.runtime.cgroup import read_hierarchies

pytestmark = pytest.mark.needs("root")

PRELUDE = """
import os, signal, sys
from contlab.linux import syscalls
from contlab.linux.errno import SyscallError
from contlab.linux.flags import CAP, CLONE, MNT, MS, PR

def wait(pidfd):
    return os.waitid(os.P_PIDFD, pidfd, os.WEXITED).si_status
"""


def run(script: str, *arguments: str) -> list[str]:
    """What the script prints, a line each."""
    source = PRELUDE + textwrap.dedent(script)
    done = subprocess.run([sys.executable, "-c", source, *arguments], capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr
    return done.stdout.splitlines()


def test_clone3_forks_into_new_namespaces_and_gives_a_pidfd_for_the_child() -> None:
    host = os.uname().nodename
    lines = run("""
        pid, pidfd = syscalls.clone3(CLONE.NEWPID | CLONE.NEWUTS)
        if pid == 0:
            syscalls.sethostname("inside")
            print(os.getpid(), os.getppid(), os.uname().nodename, flush=True)
            os._exit(7)
        print(wait(pidfd), os.uname().nodename, pid > 1)
    """)

    assert ["1 0 inside", f"7 {host} True"] == lines


@pytest.fixture
def v2_cgroup() -> Iterator[Path]:
    unified = read_hierarchies().unified
    if unified is None:
        pytest.skip("CLONE_INTO_CGROUP needs a v2 tree, and none is mounted here")
    directory = Path(unified.mount_point, f"contlab-test-clone-{os.getpid()}")
    directory.mkdir()
    yield directory
    directory.rmdir()


@pytest.mark.needs("cgroup")
def test_clone3_can_put_the_child_into_a_cgroup_from_its_first_moment(v2_cgroup: Path) -> None:
    (line,) = run(
        """
        directory = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY)
        pid, pidfd = syscalls.clone3(CLONE(0), directory)
        if pid == 0:
            print([line for line in open("/proc/self/cgroup") if line.startswith("0::")][0].strip(), flush=True)
            os._exit(0)
        wait(pidfd)
        """,
        str(v2_cgroup),
    )

    assert line.endswith(f"/{v2_cgroup.name}")


def test_a_child_made_with_clone_parent_is_its_grandparent_s() -> None:
    lines = run("""
        reading, writing = os.pipe()
        middle, pidfd = syscalls.clone3(CLONE(0))
        if middle == 0:
            child, _ = syscalls.clone3(CLONE.PARENT)
            if child == 0:
                os._exit(5)
            os.write(writing, str(child).encode())
            os._exit(4)
        print(wait(pidfd))
        print(os.waitstatus_to_exitcode(os.waitpid(int(os.read(reading, 20)), 0)[1]))
    """)

    assert ["4", "5"] == lines


def test_a_refused_clone_raises_in_the_parent_and_leaves_no_child() -> None:
    lines = run("""
        try:
            syscalls.clone3(CLONE.NEWNS | CLONE.FS)  # they exclude each other
        except SyscallError as refusal:
            print(refusal)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            print("no child")
    """)

    assert lines[0].startswith("clone3(")
    assert "EINVAL" in lines[0]
    assert "no child" == lines[1]


def test_python_goes_on_as_after_its_own_fork() -> None:
    """Locks, the random seed and the thread that is the main one: PyOS_AfterFork_Child saw to them."""
    lines = run("""
        import random, threading
        pid, pidfd = syscalls.clone3(CLONE(0))
        if pid == 0:
            thread = threading.Thread(target=lambda: print("a thread", flush=True))
            thread.start()
            thread.join()
            print(threading.main_thread() is threading.current_thread(), flush=True)
            os._exit(0)
        wait(pidfd)
    """)

    assert ["a thread", "True"] == lines


def test_mounts_and_pivot_root_in_a_mount_namespace_stay_in_it() -> None:
    before = Path("/proc/self/mountinfo").read_bytes()
    lines = run("""
        syscalls.unshare(CLONE.NEWNS)
        syscalls.mount("", "/", "", MS.REC | MS.PRIVATE)
        syscalls.mount("tmpfs", "/tmp", "tmpfs", MS.NOSUID, "size=1m")
        try:
            syscalls.pivot_root("/", "/")
        except SyscallError as refusal:
            print(refusal)
        open("/tmp/here", "w").close()
        os.chdir("/tmp")
        syscalls.pivot_root(".", ".")
        syscalls.umount2(".", MNT.DETACH)
        print(os.listdir("/"))
    """)

    assert "EBUSY" in lines[0]
    assert "mount point of its own" in lines[0]
    assert "['here']" == lines[1]
    assert before == Path("/proc/self/mountinfo").read_bytes()


def test_setns_enters_several_namespaces_of_a_process_at_once() -> None:
    lines = run("""
        reading, writing = os.pipe()
        pid, pidfd = syscalls.clone3(CLONE.NEWUTS | CLONE.NEWNET)
        if pid == 0:
            syscalls.sethostname("theirs")
            os.write(writing, b"ready")
            signal.pause()
        os.read(reading, 5)
        syscalls.setns(pidfd, CLONE.NEWUTS | CLONE.NEWNET)
        print(os.uname().nodename, os.readlink("/proc/self/ns/net") == os.readlink(f"/proc/{pid}/ns/net"))
        syscalls.pidfd_send_signal(pidfd, signal.SIGKILL)
        print(wait(pidfd))
    """)

    assert ["theirs True", "9"] == lines


def test_capabilities_given_up_are_gone_from_the_bounding_set_and_all_others() -> None:
    kept, bounding, again, refused = run("""
        print(syscalls.bound_capabilities({CAP.CAP_KILL, CAP.CAP_SETPCAP}), end=" ")
        print(*sorted(cap.name for cap in syscalls.capget()))
        status = dict(line.split(":") for line in open("/proc/self/status"))
        print(*(status[name].strip() for name in ("CapInh", "CapPrm", "CapEff", "CapBnd")))
        syscalls.bound_capabilities({CAP.CAP_KILL})
        print(syscalls.bound_capabilities({CAP.CAP_KILL}), *(cap.name for cap in syscalls.capget()))
        try:
            syscalls.unshare(CLONE.NEWUTS)
        except SyscallError as refusal:
            print(refusal.errno)
    """)

    assert "True CAP_KILL CAP_SETPCAP" == kept
    assert "0000000000000000 0000000000000120 0000000000000120 0000000000000120" == bounding
    assert ("False CAP_KILL", "1") == (again, refused)


def test_a_name_is_cut_to_fifteen_bytes() -> None:
    assert ["contlab:0123456"] == run("""
        syscalls.set_name("contlab:0123456789")
        print(open("/proc/self/comm").read().strip())
    """)
