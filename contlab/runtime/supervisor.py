"""The supervisor: one single-threaded process a run, which forks, reaps, meters and cleans.

It exists so that a container costs what the kernel charges and not what starting Python charges, and because the
app, which has threads, can't unshare. Started by the client with one end of a SOCK_SEQPACKET pair.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import sys
from collections.abc import Callable, Sequence

from contlab.errors import ContlabError, ExitCode
from contlab.linux.errno import SyscallError
from contlab.linux.flags import CLONE, PR
from contlab.linux.syscalls import prctl, set_name
from contlab.runtime import cgroup, protocol, stage, sweep
from contlab.runtime.container import Container
from contlab.runtime.kernel import Linux
from contlab.runtime.loop import Loop
from contlab.runtime.operation import Execute, Operation
from contlab.runtime.plan import ENVIRONMENT, Places, Plan, compile_plan, privileges
from contlab.runtime.process import Process, failure
from contlab.runtime.spec import Limits, Namespace, RootMethod
from contlab.runtime.voice import Voice

MESSAGE_SIZE = 1 << 17
"""The most bytes of one request."""


class Supervisor:
    """The loop and what it watches over."""

    def __init__(self, control: socket.socket, run: str, directory: str) -> None:
        self.control = control
        self.loop = Loop()
        self.voice = Voice(control, f"{directory}/root/root", self.loop.stop)
        self.run_id = run
        self.directory = directory
        self.hierarchies = cgroup.read_hierarchies()
        self.containers: dict[str, Container] = {}
        self.processes: dict[int, Process] = {}

    def serve(self) -> None:
        """Until the client is gone; then remove everything."""
        self.loop.catch_signals(self._reap_strays)
        self.loop.watch(self.control.fileno(), self._receive)
        self.voice.ready()
        try:
            self.loop.run()
        finally:
            self._close_all()

    def _receive(self) -> None:
        message, fds, flags, _ = socket.recv_fds(self.control, MESSAGE_SIZE, 3, socket.MSG_CMSG_CLOEXEC)
        if not message:
            self.loop.stop()
            return
        try:
            if flags & socket.MSG_TRUNC:
                raise ContlabError(f"a request is larger than {MESSAGE_SIZE} bytes")
            self._handle(protocol.decode(message), fds)
        finally:
            for fd in fds:
                os.close(fd)

    def _handle(self, request: protocol.AnyRequest, fds: list[int]) -> None:
        try:
            match request:
                case protocol.CreateGroup():
                    self._create_group(request.container, request.limits)
                case protocol.Spawn():
                    self._spawn(request, fds)
                case protocol.Exec():
                    self._exec(request, fds)
                case protocol.Signal():
                    self._signal(request)
                case protocol.AskHostname():
                    self._ask_hostname(request.container)
                case protocol.Close():
                    self._close(request.container)
        except ContlabError as error:
            self.voice.failed(request.container, error, request.exec_id if isinstance(request, protocol.Exec) else None)

    def _perform(self, container: str, first: int, operations: Sequence[Operation], pid: int = 0) -> None:
        """The host's half of a plan, in order; ContlabError at the first refusal."""
        kernel = Linux(pid)
        for index, operation in enumerate(operations, first):
            report = stage.timed(index, operation, kernel)
            self.voice.operation(container, operation, report)
            if report.errno:
                raise failure(report, operation)

    def _create_group(self, name: str, limits: Limits) -> None:
        planned = cgroup.plan_cgroup(self.hierarchies, self._cgroup_name(name), limits, {}, for_children=True)
        cgroup.require(limits, planned.missing)
        group = self._add(Container(name, planned))
        try:
            self._perform(name, 0, planned.make)
        except ContlabError:
            self._discard(group)
            raise
        self.voice.group_ready(group)

    def _cgroup_name(self, name: str) -> str:
        return f"contlab-{self.run_id}-{name}"

    def _add(self, container: Container) -> Container:
        if container.name in self.containers:
            raise ContlabError(f"there is a {container.name} already", "Close it first, or give another name.")
        self.containers[container.name] = container
        return container

    def _spawn(self, request: protocol.Spawn, fds: list[int]) -> None:
        spec, name = request.spec, request.container
        if spec.group is not None and spec.group not in self.containers:
            raise ContlabError(f"there is no group {spec.group}", "Create it first.", exit_code=ExitCode.LESSON)
        parent = self.containers[spec.group].directories if spec.group else {}
        planned = cgroup.plan_cgroup(self.hierarchies, self._cgroup_name(name), spec.limits, parent)
        cgroup.require(spec.limits, planned.missing)
        at = self.directory
        places = Places(request.rootfs, f"{at}/root", f"{at}/lower", f"{at}/copy-{name}")
        plan = compile_plan(spec, places, planned, name)
        container = self._add(Container(name, planned, spec))
        container.root = plan.root
        container.copy = places.copy if plan.root == places.copy else ""
        container.first = Process(name, plan.operations, request.requested_at, None)
        try:
            self._give_birth(container.first, plan, planned.born_in, fds)
        except ContlabError:
            self._discard(container)
            raise

    def _give_birth(self, process: Process, plan: Plan, born_in: str, fds: list[int]) -> None:
        self._perform(process.container, 0, plan.before)
        place = len(plan.before)
        inner = place + 1 + len(plan.after)
        try:
            go, took = self._fork(
                process, plan.clone.flags, born_in, fds, lambda pipes: stage.run(inner, plan.inside, pipes)
            )
        except SyscallError as refusal:
            report = stage.Report(place, 0.0, refusal.errno or 0, str(refusal))
            self.voice.operation(process.container, plan.clone, report)
            raise failure(report, plan.clone) from None
        try:
            self.voice.operation(process.container, plan.clone, stage.Report(place, took))
            self._perform(process.container, place + 1, plan.after, process.pid)
            os.write(go, b"g")
        finally:
            os.close(go)

    def _fork(
        self, process: Process, flags: CLONE, born_in: str, fds: list[int], child: Callable[[stage.Pipes], None]
    ) -> tuple[int, float]:
        inherited = (self.control.fileno(), self.loop.fd)
        go, took = process.fork(flags, born_in, fds, inherited, child)
        self.processes[process.pid] = process
        self.loop.watch(process.report, lambda: self._heard(process))
        self.loop.watch(process.pidfd, lambda: self._exited(process))
        return go, took

    def _exec(self, request: protocol.Exec, fds: list[int]) -> None:
        container = self.containers.get(request.container)
        first = container.first if container else None
        if container is None or container.spec is None or first is None or first.pid not in self.processes:
            message = f"{request.container} is not running, so nothing more can run in it"
            raise ContlabError(message, "Start it again.", exit_code=ExitCode.RUNTIME)
        spec, target = container.spec, first.pid
        environment = ENVIRONMENT | spec.environment | request.environment
        operations = (*privileges(spec), Execute(request.command, tuple(environment.items())))
        process = Process(request.container, operations, request.requested_at, request.exec_id)
        kinds = [kind.value for kind in Namespace if spec.own(kind)]
        chroot = spec.root is RootMethod.CHROOT
        unified = container.directories.get(cgroup.UNIFIED, "")
        try:
            go, _ = self._fork(
                process, CLONE(0), unified, fds, lambda pipes: stage.join(target, kinds, chroot, operations, pipes)
            )
            try:
                for directory in {d for key, d in container.directories.items() if key and d != unified}:
                    Linux().write(f"{directory}/cgroup.procs", str(process.pid))
                os.write(go, b"g")
            finally:
                os.close(go)
        except SyscallError as refusal:
            raise failure(stage.Report(-1, 0.0, refusal.errno or 0, str(refusal)), None) from None

    def _heard(self, process: Process) -> None:
        reports, ended = process.reports()
        for report in reports:
            if report.pid:
                self._goes_on_as(process, report.pid)
            elif process.exec_id is None and report.index >= 0:
                self.voice.operation(process.container, process.operations[report.index], report)
        if ended:
            self.loop.forget(process.report)
            os.close(process.report)
            process.report = -1
            if process.failure is None:
                self._started(process)

    def _goes_on_as(self, process: Process, pid: int) -> None:
        self.loop.forget(process.pidfd)
        self.processes.pop(process.pid)
        process.replace(pid)
        self.processes[pid] = process
        self.loop.watch(process.pidfd, lambda: self._exited(process))

    def _started(self, process: Process) -> None:
        process.started = True
        self.voice.started(process, self.containers[process.container])

    def _exited(self, process: Process) -> None:
        if process.report != -1:
            # What it had to say comes first, and may be that another process goes on in its place.
            pid = process.pid
            self._heard(process)
            if process.pid != pid:
                return
        if process.report != -1:  # a grandchild may hold the other end
            self.loop.forget(process.report)
            os.close(process.report)
            process.report = -1
        self.loop.forget(process.pidfd)
        self.processes.pop(process.pid, None)
        status = process.reap()
        container = self.containers[process.container]
        if not process.started:
            self._never_ran(process, container)
            return
        kills = cgroup.oom_kills(container.directories)
        self.voice.exited(process, status, oom_killed=kills > container.oom_kills)
        container.oom_kills = kills

    def _never_ran(self, process: Process, container: Container) -> None:
        report = process.failure or stage.Report(-1, 0.0, 0, "it was killed before its command ran")
        operation = process.operations[report.index] if report.index >= 0 else None
        if process.exec_id is None:
            self._discard(container)
        self.voice.failed(process.container, failure(report, operation), process.exec_id)

    def _signal(self, request: protocol.Signal) -> None:
        for process in self.processes.values():
            if process.container == request.container and process.exec_id == request.exec_id:
                process.kill(request.number, request.group)

    def _ask_hostname(self, name: str) -> None:
        container = self.containers.get(name)
        first = container.first if container else None
        self.voice.hostname(name, first.nodename() if first and first.pid in self.processes else None)

    def _close(self, name: str) -> None:
        for child in [c for c in self.containers.values() if c.spec and c.spec.group == name]:
            self._close(child.name)
        container = self.containers.get(name)
        removed = self._discard(container) if container else ()
        self.voice.removed(name, removed)

    def _discard(self, container: Container) -> tuple[str, ...]:
        """Kill it, reap it, remove its cgroup and its copy of a root; returns what was removed."""
        ours = [p for p in self.processes.values() if p.container == container.name]
        for process in ours:
            process.kill()
        removed = cgroup.remove(container.directories, reap=lambda: self._reap(container.name))
        while any(p.container == container.name for p in self.processes.values()):
            self._reap(container.name, wait=True)
        if container.copy and os.path.isdir(container.copy):
            shutil.rmtree(container.copy)
            removed = (*removed, container.copy)
        self.containers.pop(container.name, None)
        return removed

    def _reap(self, name: str, wait: bool = False) -> None:
        for process in [p for p in self.processes.values() if p.container == name]:
            if wait or process.dead():
                self._exited(process)
        self._reap_strays()

    def _reap_strays(self) -> None:
        """Orphans of containers without a PID namespace of their own come to us (PR_SET_CHILD_SUBREAPER)."""
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
                if found.si_pid in self.processes:
                    return
                os.waitpid(found.si_pid, 0)

    def _close_all(self) -> None:
        # Groups last: their directories hold the others'.
        for container in sorted(self.containers.values(), key=lambda c: c.spec is None):
            self._discard(container)
        shutil.rmtree(self.directory, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self.directory}.lock")


def main(argv: Sequence[str] = sys.argv) -> None:
    """``python -m contlab.runtime.supervisor FD RUN ROOT``: ROOT holds one directory for each run."""
    control = socket.socket(fileno=int(argv[1]))
    control.set_inheritable(False)
    run, root = argv[2], argv[3]
    sweep.hold(root, run)
    directory = f"{root}/contlab-{run}"
    for name in ("root", "lower"):
        os.makedirs(f"{directory}/{name}", mode=0o755)
    set_name("contlab:super")
    prctl(PR.SET_CHILD_SUBREAPER, 1)
    Supervisor(control, run, directory).serve()


if __name__ == "__main__":
    main()
