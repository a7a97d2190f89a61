"""The supervisor: one single-threaded process a run, which forks, reaps, meters and cleans.

It exists so that a container costs what the kernel charges and not what starting Python charges, and because the
app, which has threads, can't unshare. Started by the client with one end of a SOCK_SEQPACKET pair.
"""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import sys
from collections.abc import Sequence

from contlab.errors import ContlabError, LessonError, NotPermittedError, RuntimeFailure
from contlab.linux.batch import REFUSED
from contlab.linux.errno import SyscallError
from contlab.runtime import cgroup, protocol, stage, sweep
from contlab.runtime.answers import Answers
from contlab.runtime.births import Births
from contlab.runtime.children import Children
from contlab.runtime.container import Container, valid_name
from contlab.runtime.failure import failure, in_words, never_ran
from contlab.runtime.ground import Ground, connect, detach
from contlab.runtime.loop import Loop
from contlab.runtime.plan import joining
from contlab.runtime.planner import Planner
from contlab.runtime.process import Process, Status
from contlab.runtime.rootless import adapt
from contlab.runtime.spec import Limits
from contlab.runtime.voice import Voice
from contlab.runtime.wiring import Wiring

BIRTH = 0.02
"""Seconds that pass, on a slow machine, until a process is its command."""


class Supervisor:
    """What it is asked for, and what it tells: requests, containers, events."""

    def __init__(self, control: socket.socket, ground: Ground) -> None:
        run, directory = ground.run, ground.directory
        self.control = control
        self.ground = ground
        self.loop = Loop()
        self.voice = Voice(control, f"{directory}/scratch/new", self.loop.stop)
        self.children = Children(self.loop, self)
        self.wiring = Wiring(directory, f"contlab-{run}")
        self.births = Births(self.voice, self.children, self.wiring, f"{directory}/scratch/new")
        self.planner = Planner(ground)
        self.containers: dict[str, Container] = {}
        self.answers = Answers(self.voice, self.containers, self.children, self.wiring)

    def serve(self) -> None:
        """Until the client is gone; then remove everything."""
        self.loop.catch_signals(self.children.reap_strays)
        self.loop.watch(self.control.fileno(), self._receive)
        self.loop.before_waiting(self._speak)
        self.loop.when_quiet(self.voice.speak)
        self.loop.quiet = BIRTH
        self.voice.ready(self.ground.rights.admin)
        try:
            self.loop.run()
        finally:
            self._close_all()

    def _speak(self) -> None:
        # Who is on the way to a command comes first, for a moment.
        if not self.children.at_work or self.voice.kept_for > BIRTH:
            self.voice.speak()

    # --- requests ---------------------------------------------------------------------------------------------------

    def _receive(self) -> None:
        try:
            message, fds, _, _ = socket.recv_fds(self.control, protocol.MESSAGE_SIZE, protocol.MOST_DESCRIPTORS)
            for fd in fds:
                os.set_inheritable(fd, False)  # recv_fds takes flags, and drops them: no MSG_CMSG_CLOEXEC
        except ConnectionResetError:  # it is gone, and did not read all that we said
            message, fds = b"", []
        if not message:
            self.loop.stop()
            return
        container, exec_id = "", None
        try:
            request = protocol.decode(message)
            container = request.container
            exec_id = request.exec_id if isinstance(request, protocol.Exec) else None
            expected = 3 + len(request.keep) if isinstance(request, protocol.Spawn) else 3
            if isinstance(request, protocol.Spawn | protocol.Exec) and len(fds) != expected:
                raise RuntimeFailure(f"{len(fds)} descriptors came with a request, not {expected}", "See `ulimit -n`.")
            self._handle(request, fds)
        except Exception as error:  # whatever it was: the other containers go on
            self.voice.failed(container, in_words(error), exec_id)
        finally:
            for fd in fds:
                os.close(fd)

    def _handle(self, request: protocol.AnyRequest, fds: list[int]) -> None:
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
                self.answers.hostname(request.container)
            case protocol.ReadLink():
                self.answers.link_in_proc(request.path)
            case protocol.Freeze():
                self.answers.freeze(request.container, request.frozen)
            case protocol.SetLink():
                self.answers.cable(request.container, request.up)
            case protocol.Close():
                self._close(request.container)

    def _create_group(self, name: str, limits: Limits) -> None:
        planned = self.planner.group(name, limits)
        group = self._add(Container(name, planned))
        try:
            self.births.perform(name, 0, planned.make)
        except BaseException:
            self._discard(group)
            raise
        self.voice.group_ready(group)

    def _spawn(self, request: protocol.Spawn, fds: list[int]) -> None:
        (spec, told), name = adapt(request.spec, self.ground.rights), request.container
        if spec.group is not None and spec.group not in self.containers:
            raise LessonError(f"there is no group {spec.group}", "Create it first.")
        parent = self.containers[spec.group].directories if spec.group else {}
        planned = self.planner.cgroup(name, spec, parent)
        container = self._add(Container(name, planned, spec))
        process: Process | None = None
        try:
            cable = self.wiring.plug_in(name, spec)
            tree = self.planner.tree(request, spec)
            plan = self.planner.plan(spec, tree, planned, name, cable, request.terminal)
            container.root, container.goes_at_end = plan.root, request.remove
            if not request.tell:
                self.voice.untold.add(name)
            container.missing = container.missing | told
            container.copy = plan.root if plan.copied else ""
            if cable:
                container.peers = {cable.interface: cable.peer}
                self.wiring.announce(cable.network)
            process = Process(name, plan.operations, request.requested_at, None)
            self.births.give(process, plan, fds, request.keep)
        except BaseException:
            if process:
                self.children.abandon(process)
            self._discard(container)
            raise

    def _exec(self, request: protocol.Exec, fds: list[int]) -> None:
        name = request.container
        first = self.children.first(name)
        if first is None:
            raise RuntimeFailure(f"{name} is not running, so nothing more can run in it", "Start it again.")
        container = self.containers[name]
        assert container.spec is not None
        operations = tuple(joining(container.spec, request.command, request.environment, request.terminal))
        process = Process(name, operations, request.requested_at, request.exec_id)
        try:
            self.births.send_in(process, container.spec, container.directories, first.pid, fds)
        except SyscallError as refusal:
            self.children.abandon(process)
            raise failure(stage.Report(-1, 0.0, refusal.errno or 0, str(refusal)), None) from None

    def _signal(self, request: protocol.Signal) -> None:
        for process in self.children.of(request.container):
            if process.exec_id == request.exec_id:
                process.pass_on(request.number, request.group)

    def _close(self, name: str) -> None:
        for child in [c for c in self.containers.values() if c.spec and c.spec.group == name]:
            self._close(child.name)
        container = self.containers.get(name)
        self.voice.removed(name, self._discard(container) if container else ())

    # --- births -----------------------------------------------------------------------------------------------------

    def _add(self, container: Container) -> Container:
        if not valid_name(container.name):
            raise LessonError(f"{container.name!r} can't be a name", "Take letters, digits, dots and dashes, up to 60.")
        if container.name in self.containers:
            raise RuntimeFailure(f"there is a {container.name} already", "Close it first, or give another name.")
        self.containers[container.name] = container
        return container

    # --- what the children do ---------------------------------------------------------------------------------------

    def reported(self, process: Process, reports: list[stage.Report]) -> None:
        """Operations of the plan's inner half are done, or were refused."""
        if process.exec_id is None:
            for report in reports:
                if report.index >= 0:
                    self.voice.operation(process.container, process.operations[report.index], report)

    def started(self, process: Process) -> None:
        """exec succeeded."""
        self.voice.started(process, self.containers[process.container])

    def ended(self, process: Process, status: Status) -> None:
        """A command is over, or never was one."""
        container = self.containers[process.container]
        kills = cgroup.oom_kills(container.directories)
        by_oom, container.oom_kills = kills > container.oom_kills, kills
        if process.started:
            self.voice.exited(process, status, by_oom)
            if process.exec_id is None and container.goes_at_end and not container.closing:
                self._remove(container)
            return
        if process.plan and status.exit_code == REFUSED and not container.closing:
            error = self._try_again(process)
            if error is None:
                return
        else:
            error = never_ran(process, status, by_oom)
        if process.exec_id is None and not container.closing:
            try:
                self._discard(container)
            except ContlabError as remains:
                error.message += f"; and {remains.message}"
        self.voice.failed(process.container, error, process.exec_id)

    def _try_again(self, process: Process) -> ContlabError | None:
        try:
            self.births.give_again(process)
        except (ContlabError, OSError) as error:
            return in_words(error)
        finally:
            process.let_go()
        return None

    # --- ends -------------------------------------------------------------------------------------------------------

    def _discard(self, container: Container) -> tuple[str, ...]:
        """Kill it, reap it, remove its cgroup and its copy of a root; returns what was removed."""
        container.closing = True
        for process in self.children.of(container.name):
            process.kill()
        removed = cgroup.remove(container.directories, reap=lambda: self.children.reap_dead(container.name))
        self.children.end(container.name)
        if container.copy:
            removed = (*removed, *sweep.remove_tree(container.copy))
        self.wiring.unplug(container.name)
        self.containers.pop(container.name)
        self.voice.untold.discard(container.name)
        return removed

    def _remove(self, container: Container) -> None:
        try:
            self.voice.removed(container.name, self._discard(container))
        except ContlabError as error:
            self.voice.failed(container.name, error, None)

    def _close_all(self) -> None:
        self.births.close()
        # Groups last: their directories hold the others'. What resists is left to the sweep, which can say so.
        for container in sorted(self.containers.values(), key=lambda c: c.spec is None):
            with contextlib.suppress(ContlabError, OSError):
                self._discard(container)
        self.ground.give_back([*self.containers])


def main(argv: Sequence[str] = sys.argv) -> None:
    """``python -m contlab.runtime.supervisor FD|SOCKET RUN ROOT``: ROOT holds one directory for each run."""
    try:
        control, elevated = connect(argv[1])
        ground = Ground(argv[3], argv[2], elevated)
    except OSError as error:
        sys.exit(f"{error.filename or argv[1]}: {error.strerror}")
    except NotPermittedError as error:
        sys.exit(error.message)
    detach()
    gc.freeze()  # the collector writes to all that it looks at, and after a fork every page written to is copied
    Supervisor(control, ground).serve()


if __name__ == "__main__":
    main()
