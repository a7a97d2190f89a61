"""The plan's bare system calls: no supervisor, no protocol, no events. What ``contlab bench spawn`` measures against.

``python -m contlab.runtime.bare SPEC ROOTFS FOLDER GROUP``: SPEC is a ContainerSpec as JSON, FOLDER a directory to
build in, GROUP the directories of the cgroup that its own are made in; whoever made that removes them with it. For each
line on stdin it makes one container in one fork, the plan's operations straight one after the other, and prints two
numbers: seconds until the command's first byte, and until it is reaped and its cgroup is removed.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence

import msgspec

from contlab.linux.flags import PR
from contlab.linux.syscalls import clone3, prctl
from contlab.runtime import cgroup
from contlab.runtime.kernel import Linux
from contlab.runtime.operation import Operation
from contlab.runtime.plan import Places, Plan, compile_plan
from contlab.runtime.spec import ContainerSpec


def cycle(plan: Plan, directories: dict[str, str]) -> tuple[float, float]:
    """One container, from nothing to nothing: seconds until ready, and until the end."""
    began = time.perf_counter()
    for operation in plan.inside:
        operation.prepare()
    _run(plan.before, Linux())
    born_in = os.open(plan.clone.into_cgroup, os.O_RDONLY | os.O_CLOEXEC) if plan.clone.into_cgroup else None
    (go, going), (said, saying) = os.pipe2(os.O_CLOEXEC), os.pipe2(os.O_CLOEXEC)
    pid, pidfd = clone3(plan.clone.flags, born_in)
    if pid == 0:
        try:
            prctl(PR.SET_PDEATHSIG, signal.SIGKILL)
            if not os.read(go, 1):
                os._exit(125)
            os.dup2(saying, 1)
            _run(plan.inside, Linux(os.getpid()))
        finally:
            os._exit(125)
    for fd in (go, saying, pidfd, *(() if born_in is None else (born_in,))):
        os.close(fd)
    _run(plan.after, Linux(pid))
    os.write(going, b"g")
    first = os.read(said, 1)
    ready = time.perf_counter() - began
    os.waitpid(pid, 0)
    cgroup.remove(directories)
    full = time.perf_counter() - began
    os.close(going)
    os.close(said)
    if not first:
        sys.exit("the command did not run")
    return ready, full


def _run(operations: Sequence[Operation], kernel: Linux) -> None:
    for operation in operations:
        operation.run(kernel)


def main(argv: Sequence[str] = sys.argv) -> None:
    """Until the end of stdin."""
    spec, tree, folder = msgspec.json.decode(argv[1], type=ContainerSpec), *argv[2:4]
    group = msgspec.json.decode(argv[4], type=dict[str, str])
    planned = cgroup.plan_cgroup(cgroup.read_hierarchies(), "contlab-bare", spec.limits, group)
    places = Places(tree, f"{folder}/scratch", f"{folder}/lower")
    os.mkdir(places.scratch)
    os.mkdir(places.lower)
    plan = compile_plan(spec, places, planned, "bare")
    for _ in sys.stdin:
        sys.stdout.write("{} {}\n".format(*cycle(plan, planned.directories)))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
