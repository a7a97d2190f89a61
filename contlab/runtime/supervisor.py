"""The supervisor: one single-threaded process a run, which forks, reaps, meters and cleans.

It exists so that a container costs what the kernel charges and not what starting Python charges, and because the
app, which has threads, can't unshare. Started by the client with one end of a SOCK_SEQPACKET pair.
"""

from __future__ import annotations

import contextlib
import errno
import os
import selectors
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence

import msgspec

from contlab.errors import ContlabError, ExitCode
from contlab.linux.errno import SyscallError
from contlab.linux.flags import PR
from contlab.linux.syscalls import clone3, pidfd_send_signal, prctl, set_name
from contlab.runtime import cgroup, events, protocol, stage, sweep
from contlab.runtime.kernel import Linux
from contlab.runtime.operation import Clone, Execute, Operation
from contlab.runtime.plan import ENVIRONMENT, Places, Plan, compile_plan, privileges
from contlab.runtime.spec import ContainerSpec, Limits, Namespace, RootMethod

MESSAGE_SIZE = 1 << 17
"""The most bytes of one request."""


def now() -> float:
    """CLOCK_MONOTONIC, µs."""
    return time.monotonic_ns() / 1000


class Process:
    """A container's first process, or a further command in it: a child of the supervisor."""

    def __init__(self, container: str, requested_at: float, operations: Sequence[Operation]) -> None:
        self.container = container
        self.requested_at = requested_at
        self.operations = operations
        self.exec_id: int | None = None
        self.pid = 0
        self.pidfd = -1
        self.report = -1
        self.started = False
        self.failure: stage.Report | None = None
        self.buffer = b""


class Container:
    """What the supervisor knows of one container, or of a group (which has no processes)."""

    def __init__(self, name: str, directories: dict[str, str], spec: ContainerSpec | None = None) -> None:
        self.name = name
        self.directories = directories
        self.spec = spec
        self.missing: dict[str, str] = {}
        self.root = ""
        self.copy = ""
        self.parent = ""
        self.first: Process | None = None
        self.oom_kills = 0


class Supervisor:
    """The loop and its state."""

    def __init__(self, control: socket.socket, run: str, directory: str) -> None:
        self.control = control
        self.run_id = run
        self.directory = directory
        self.hierarchies = cgroup.read_hierarchies()
        self.containers: dict[str, Container] = {}
        self.processes: dict[int, Process] = {}
        self.selector = selectors.DefaultSelector()
        self.open = True
        self.killed = False

    # --- the loop ---------------------------------------------------------------------------------------------------

    def serve(self) -> None:
        """Until the client is gone; then remove everything."""
        wake, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(woken)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._terminate)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self.selector.register(self.control, selectors.EVENT_READ, self._receive)
        self.selector.register(wake, selectors.EVENT_READ, lambda: self._reap_strays(wake))
        try:
            while self.open:
                for key, _ in self.selector.select():
                    handle: Callable[[], None] = key.data
                    handle()
        finally:
            self._close_all()

    def _terminate(self, *_: object) -> None:
        self.open = False

    def _receive(self) -> None:
        message, fds, flags, _ = socket.recv_fds(self.control, MESSAGE_SIZE, 3, socket.MSG_CMSG_CLOEXEC)
        if not message:
            self.open = False
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
                case protocol.Close():
                    self._close(request.container)
        except ContlabError as error:
            self._tell(
                events.Failed(
                    container=request.container, at=now(), message=error.message, hint=error.hint,
                    exit_code=int(error.exit_code), exec_id=getattr(request, "exec_id", None),
                )
            )  # fmt: skip

    def _tell(self, event: events.AnyEvent) -> None:
        try:
            self.control.send(events.encode(event))
        except (BrokenPipeError, ConnectionResetError):
            self.open = False

    # --- groups and containers --------------------------------------------------------------------------------------

    def _create_group(self, name: str, limits: Limits) -> None:
        planned = cgroup.plan_cgroup(self.hierarchies, f"contlab-{self.run_id}-{name}", limits, {}, for_children=True)
        cgroup.require(limits, planned.missing)
        group = Container(name, planned.directories)
        self._add(group)
        if failure := self._perform(name, 0, planned.make):
            self._discard(group)
            raise _failure(failure, planned.make[failure.index])
        self._tell(events.GroupReady(container=name, at=now(), cgroups=planned.directories, missing=planned.missing))

    def _add(self, container: Container) -> None:
        if container.name in self.containers:
            raise ContlabError(f"there is a {container.name} already", "Close it first, or give another name.")
        self.containers[container.name] = container

    def _spawn(self, request: protocol.Spawn, fds: list[int]) -> None:
        spec, name = request.spec, request.container
        if spec.group is not None and spec.group not in self.containers:
            raise ContlabError(f"there is no group {spec.group}", exit_code=ExitCode.LESSON)
        parent = self.containers[spec.group].directories if spec.group else {}
        planned = cgroup.plan_cgroup(self.hierarchies, f"contlab-{self.run_id}-{name}", spec.limits, parent)
        cgroup.require(spec.limits, planned.missing)
        places = Places(
            request.rootfs, f"{self.directory}/root", f"{self.directory}/lower", f"{self.directory}/copy-{name}"
        )
        plan = compile_plan(spec, places, planned, name)
        container = Container(name, planned.directories, spec)
        container.missing, container.root = planned.missing, plan.root
        container.copy = places.copy if plan.root == places.copy else ""
        self._add(container)
        process = Process(name, request.requested_at, plan.operations)
        container.first = process
        try:
            self._give_birth(process, plan, planned.born_in, fds)
        except ContlabError:
            self._discard(container)
            raise

    def _give_birth(self, process: Process, plan: Plan, born_in: str, fds: list[int]) -> None:
        if failure := self._perform(process.container, 0, plan.before):
            raise _failure(failure, plan.before[failure.index])
        place = len(plan.before)

        def child(pipes: stage.Pipes) -> None:
            stage.run(place + 1 + len(plan.after), plan.inside, pipes)

        go = self._fork(process, place, plan.clone, born_in, fds, child)
        try:
            if failure := self._perform(process.container, place + 1, plan.after, process.pid):
                raise _failure(failure, plan.operations[failure.index])
            os.write(go, b"g")
        finally:
            os.close(go)

    def _fork(
        self, process: Process, index: int, clone: Clone, born_in: str, fds: list[int],
        child: Callable[[stage.Pipes], None],
    ) -> int:  # fmt: skip
        """clone3; returns the writing end of the newborn's "go" pipe."""
        go_read, go_write = os.pipe2(os.O_CLOEXEC)
        report_read, report_write = os.pipe2(os.O_CLOEXEC)
        directory = os.open(born_in, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC) if born_in else None
        begun = time.perf_counter_ns()
        try:
            process.pid, process.pidfd = clone3(clone.flags, directory)
            if process.pid == 0:
                # The newborn keeps nothing of the supervisor's but its own three ends.
                for end in (go_write, report_read, self.control.fileno(), self.selector.fileno()):
                    os.close(end)
                signal.set_wakeup_fd(-1)
                child(stage.Pipes(go_read, report_write, (fds[0], fds[1], fds[2])))
        except SyscallError as refusal:
            os.close(go_write)
            os.close(report_read)
            report = stage.Report(index, 0.0, refusal.errno or 0, str(refusal))
            self._tell_operation(process.container, clone, report)
            raise _failure(report, clone) from None
        finally:
            for end in (go_read, report_write, *(() if directory is None else (directory,))):
                os.close(end)
        if process.exec_id is None:
            self._tell_operation(process.container, clone, stage.Report(index, (time.perf_counter_ns() - begun) / 1000))
        process.report = report_read
        self.processes[process.pid] = process
        self.selector.register(report_read, selectors.EVENT_READ, lambda: self._read_report(process))
        self._watch(process)
        return go_write

    def _watch(self, process: Process) -> None:
        self.selector.register(process.pidfd, selectors.EVENT_READ, lambda: self._exited(process))

    def _perform(
        self, container: str, first: int, operations: Sequence[Operation], pid: int = 0
    ) -> stage.Report | None:
        """The supervisor's own half, in order; the report of the operation that failed, if one did."""
        kernel = Linux(pid)
        for index, operation in enumerate(operations, first):
            report = stage.timed(index, operation, kernel)
            self._tell_operation(container, operation, report)
            if report.errno:
                return report
        return None

    def _tell_operation(self, container: str, operation: Operation, report: stage.Report) -> None:
        remark = f" ({report.remark})" if report.remark else ""
        self._tell(
            events.OperationDone(
                container=container, at=now(), index=report.index, operation=type(operation).__name__,
                describe=operation.describe() + remark, shell=operation.shell(),
                side="container" if operation.inside else "host",
                microseconds=report.microseconds, errno=report.errno, error=report.error,
            )
        )  # fmt: skip

    # --- a further command in a container ---------------------------------------------------------------------------

    def _exec(self, request: protocol.Exec, fds: list[int]) -> None:
        container = self.containers.get(request.container)
        first = container.first if container else None
        if container is None or container.spec is None or first is None or first.pid not in self.processes:
            raise ContlabError(
                f"{request.container} is not running, so nothing more can run in it",
                "Start it again.", exit_code=ExitCode.RUNTIME,
            )  # fmt: skip
        spec, target = container.spec, first.pid
        environment = ENVIRONMENT | spec.environment | request.environment
        operations = (*privileges(spec), Execute(request.command, tuple(environment.items())))
        process = Process(request.container, request.requested_at, operations)
        process.exec_id = request.exec_id
        kinds = [kind.value for kind in Namespace if spec.own(kind)]
        chroot = spec.root is RootMethod.CHROOT

        def child(pipes: stage.Pipes) -> None:
            stage.join(target, kinds, chroot, operations, pipes)

        unified = container.directories.get(cgroup.UNIFIED, "")
        go = self._fork(process, 0, Clone((), unified), unified, fds, child)
        kernel = Linux(process.pid)
        try:
            for directory in dict.fromkeys(d for k, d in container.directories.items() if d != unified):
                kernel.write(f"{directory}/cgroup.procs", str(process.pid))
            os.write(go, b"g")
        except SyscallError as refusal:
            raise ContlabError(str(refusal), exit_code=ExitCode.CGROUP) from None
        finally:
            os.close(go)

    # --- what children tell -----------------------------------------------------------------------------------------

    def _read_report(self, process: Process) -> None:
        data = os.read(process.report, 1 << 16)
        process.buffer += data
        *lines, process.buffer = process.buffer.split(b"\n")
        for line in lines:
            self._take_report(process, stage.decoder.decode(line))
        if data:
            return
        self.selector.unregister(process.report)
        os.close(process.report)
        process.report = -1
        if process.failure is None and process.pid in self.processes:
            self._started(process)

    def _take_report(self, process: Process, report: stage.Report) -> None:
        if report.pid:
            self._replace(process, report.pid)
            return
        if report.errno:
            process.failure = report
        if process.exec_id is None:
            self._tell_operation(process.container, process.operations[report.index], report)

    def _replace(self, process: Process, pid: int) -> None:
        """The joiner forked into the PID namespace; its child, which is ours by CLONE_PARENT, is the command."""
        self.selector.unregister(process.pidfd)
        os.waitid(os.P_PIDFD, process.pidfd, os.WEXITED)
        os.close(process.pidfd)
        self.processes.pop(process.pid)
        process.pid, process.pidfd = pid, os.pidfd_open(pid)
        self.processes[pid] = process
        self._watch(process)

    def _started(self, process: Process) -> None:
        process.started = True
        at = now()
        ready = at - process.requested_at
        if process.exec_id is not None:
            self._tell(
                events.ExecStarted(
                    container=process.container, at=at, exec_id=process.exec_id, pid=process.pid, ready_us=ready
                )
            )
            return
        container = self.containers[process.container]
        execute = process.operations[-1]
        self._tell_operation(process.container, execute, stage.Report(len(process.operations) - 1))
        self._tell(
            events.Started(
                container=process.container, at=at, pid=process.pid, ready_us=ready, cgroups=container.directories,
                missing=container.missing, root=container.root,
            )
        )  # fmt: skip

    def _exited(self, process: Process) -> None:
        if process.report != -1:
            # What it still had to say comes first; its end of the pipe is closed by now, or some child holds it.
            self.selector.unregister(process.report)
            os.set_blocking(process.report, False)
            self._drain(process)
        status = os.waitid(os.P_PIDFD, process.pidfd, os.WEXITED)
        self.selector.unregister(process.pidfd)
        os.close(process.pidfd)
        self.processes.pop(process.pid, None)
        container = self.containers[process.container]
        if process.failure is not None:
            self._tell_failure(process, process.failure)
            if process.exec_id is None:
                self._discard(container)
            return
        if not process.started:
            self._started(process)
        killed = status is not None and status.si_code in (os.CLD_KILLED, os.CLD_DUMPED)
        number = status.si_status if status else 0
        kills = cgroup.oom_kills(container.directories)
        outcome = {
            "container": process.container, "at": now(), "pid": process.pid,
            "exit_code": None if killed else number, "signal": number if killed else None,
            "oom_killed": kills > container.oom_kills,
        }  # fmt: skip
        container.oom_kills = kills
        if process.exec_id is None:
            self._tell(msgspec.convert(outcome, events.Exited))
        else:
            self._tell(msgspec.convert(outcome | {"exec_id": process.exec_id}, events.ExecExited))

    def _drain(self, process: Process) -> None:
        try:
            while data := os.read(process.report, 1 << 16):
                process.buffer += data
        except BlockingIOError:
            pass
        *lines, process.buffer = process.buffer.split(b"\n")
        for line in lines:
            self._take_report(process, stage.decoder.decode(line))
        os.close(process.report)
        process.report = -1

    def _tell_failure(self, process: Process, report: stage.Report) -> None:
        operation = process.operations[report.index] if report.index >= 0 else Operation()
        error = _failure(report, operation)
        self._tell(
            events.Failed(
                container=process.container, at=now(), message=error.message, hint=error.hint,
                exit_code=int(error.exit_code), exec_id=process.exec_id,
            )
        )  # fmt: skip

    # --- ends -------------------------------------------------------------------------------------------------------

    def _signal(self, request: protocol.Signal) -> None:
        for process in self.processes.values():
            if process.container == request.container and process.exec_id == request.exec_id:
                try:
                    pidfd_send_signal(process.pidfd, request.number)
                except SyscallError as refusal:
                    if refusal.errno != errno.ESRCH:
                        raise ContlabError(str(refusal), exit_code=ExitCode.RUNTIME) from None

    def _close(self, name: str) -> None:
        container = self.containers.get(name)
        if container is None:
            self._tell(events.Removed(container=name, at=now()))
            return
        for child in [c for c in self.containers.values() if c.spec and c.spec.group == name]:
            self._close(child.name)
        self._tell(events.Removed(container=name, at=now(), removed=self._discard(container)))

    def _discard(self, container: Container) -> tuple[str, ...]:
        """Kill it, reap it, remove its cgroup and its copy of a root."""
        for process in [p for p in self.processes.values() if p.container == container.name]:
            pidfd_kill(process.pidfd)
        removed = cgroup.remove(container.directories, reap=lambda: self._reap(container.name))
        self._reap(container.name, wait=True)
        if container.copy and os.path.isdir(container.copy):
            shutil.rmtree(container.copy)
            removed = (*removed, container.copy)
        self.containers.pop(container.name, None)
        return removed

    def _reap(self, name: str, wait: bool = False) -> None:
        """Take the exit of this container's processes; what they had to tell is told."""
        for process in [p for p in self.processes.values() if p.container == name]:
            if wait or os.waitid(os.P_PIDFD, process.pidfd, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
                self._exited(process)
        self._reap_strays()

    def _reap_strays(self, wake: int | None = None) -> None:
        """Orphans of containers without a PID namespace of their own come to us (PR_SET_CHILD_SUBREAPER)."""
        if wake is not None:
            os.read(wake, 4096)
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if found is None or found.si_pid in self.processes:
                return
            os.waitpid(found.si_pid, 0)

    def _close_all(self) -> None:
        # Groups last: their directories hold the others'.
        for container in sorted(self.containers.values(), key=lambda c: c.spec is None):
            self._discard(container)
        shutil.rmtree(self.directory, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{self.directory}.lock")


def pidfd_kill(pidfd: int) -> None:
    """SIGKILL, and no complaint when it is dead already."""
    try:
        pidfd_send_signal(pidfd, signal.SIGKILL)
    except SyscallError as refusal:
        if refusal.errno != errno.ESRCH:
            raise


def _failure(report: stage.Report, operation: Operation) -> ContlabError:
    """What stopped the plan, for people, with the exit code that docker run and env(1) would give."""
    if isinstance(operation, Execute):
        known = {errno.ENOENT: ExitCode.NOT_FOUND, errno.EACCES: ExitCode.NOT_EXECUTABLE}
        code = known.get(report.errno, ExitCode.NOT_EXECUTABLE)
        return ContlabError(
            f"the command {operation.argv[0]} can't be run: {report.error}",
            "See what the container has with: contlab spawn -- ls /bin",
            exit_code=code,
        )
    what = operation.describe() if type(operation) is not Operation else "entering the container"
    code = ExitCode.CGROUP if "cgroup" in type(operation).__name__.lower() + report.error else ExitCode.RUNTIME
    if report.errno in (errno.EPERM, errno.EACCES) and os.getuid():
        code = ExitCode.NOT_PERMITTED
    return ContlabError(f"could not {what}: {report.error}", "Run `contlab doctor` to see why.", exit_code=code)


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
