"""A rehearsal changes nothing: neither the process that rehearses, nor the host."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from contlab.runtime.kernel import Kernel, Linux
from contlab.runtime.rehearsal import HARMLESS, LOOKS

SCRIPT = """
import os, socket
from pathlib import Path
from typing import cast
from contlab.runtime import stage
from contlab.runtime.cgroup import CgroupPlan
from contlab.runtime.kernel import Linux
from contlab.runtime.plan import Places, compile_plan
from contlab.runtime.rehearsal import Rehearsal
from contlab.runtime.spec import Bind, ContainerSpec, RootMethod, Namespace, Tmpfs, ALL_NAMESPACES

def state():
    status = Path("/proc/self/status").read_text()
    kept = [line for line in status.splitlines() if line.split(":")[0] in STATUS]
    spaces = {kind: os.readlink(f"/proc/self/ns/{kind}") for kind in os.listdir("/proc/self/ns")}
    names = Path("/proc/self/mountinfo").read_text(), os.getcwd(), os.readlink("/proc/self/root"), socket.gethostname()
    limits = Path("/proc/self/limits").read_text()
    return kept, spaces, names, limits, Path("/proc/self/cgroup").read_text(), sorted(os.listdir("/proc/self/fd"))

STATUS = {"Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp", "Name"}
SPECS = [
    ContainerSpec(), ContainerSpec(root=RootMethod.CHROOT, read_only=True, user=7, files={"/etc/x": "y"}),
    ContainerSpec(namespaces=ALL_NAMESPACES - {Namespace.USER}, tmpfs=(Tmpfs("/tmp"),), binds=(Bind("/usr", "/usr"),)),
    ContainerSpec(namespaces=frozenset({Namespace.MNT}), root=RootMethod.HOST),
]
before = state()
for spec in SPECS:
    places = Places("/", f"{os.getcwd()}/scratch", f"{os.getcwd()}/lower", f"{os.getcwd()}/copy")
    cgroup = CgroupPlan(join=((f"{os.getcwd()}", "memory"),))
    rehearsal = cast(Linux, Rehearsal())
    for place, step in enumerate(compile_plan(spec, places, cgroup, "box").inside):
        stage.timed(place, step, rehearsal)
after = state()
assert before == after, (before, after)
assert [] == os.listdir(), os.listdir()
print("done")
"""


def test_of_whole_plans_nothing_is_left_afterwards(tmp_path: os.PathLike[str]) -> None:
    ended = subprocess.run([sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert ("done\n", "") == (ended.stdout, ended.stderr)


@pytest.mark.parametrize("name", sorted({*HARMLESS, *LOOKS}))
def test_what_is_called_is_a_call_of_the_kernel_s(name: str) -> None:
    assert callable(getattr(Linux, name))
    assert name in dir(Kernel)
