"""LiveLab: the real containers and guests of one lesson, opened and closed as one."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import msgspec

from contlab.course.facts import FactContext, RunResult
from contlab.course.lesson import Container, Lesson, Run, Step
from contlab.course.variables import LAB, pid_variable
from contlab.errors import ContlabError, RuntimeFailure, TraceError
from contlab.lab.actions import act, wake
from contlab.lab.guests_of import LessonGuests
from contlab.lab.inhabitant import Inhabitant
from contlab.lab.lent import LentSource
from contlab.lab.output import OutputReader
from contlab.lab.protocol import Happened, News, Output, Sampled, Trouble
from contlab.lab.record import Began, Entered, Finished, Item, Looked, Opened, Recorder, Settled
from contlab.lab.walls import housed, make_machine, refuse_bare
from contlab.observe.host import host_facts
from contlab.observe.sampler import Sampler, Target
from contlab.observe.snapshot import Snapshot
from contlab.observe.source import HostSource
from contlab.runtime import events
from contlab.runtime.client import Runtime
from contlab.runtime.handle import Execution
from contlab.runtime.spec import ContainerSpec

MACHINE = "machine"
"""The group that stands for the host: the parent cgroup of all containers of the lab."""
RESTING, BUSY = 0.5, 0.2
"""Seconds between two samples: when nothing is run, and while something is."""


class LiveLab:
    """Fulfils ``protocol.Lab`` with the kernel. Open it with ``await LiveLab.open(lesson)``."""

    recorded = False

    def __init__(self, lesson: Lesson, recorder: Recorder, sudo: bool = False) -> None:
        self._lesson = lesson
        self._recorder = recorder
        self._runtime = Runtime(sudo)
        self._folder = f"{self._runtime.directory}/lab"
        """The lesson's own folder, $LAB; the supervisor makes it, and it goes with the run."""
        self._source = LentSource(self._runtime) if sudo else HostSource()
        self._inhabitants: dict[str, Inhabitant] = {}
        self._guests = LessonGuests(self._runtime, sudo)
        self._results: dict[str, RunResult] = {}
        self._queue: asyncio.Queue[News | None] = asyncio.Queue()
        self._current: Execution | None = None
        self._sampling: asyncio.Task[None] | None = None
        self._unrecorded: TraceError | None = None
        """Why the recording broke off."""
        self._one_at_a_time = asyncio.Lock()
        self._closed = False

    @classmethod
    async def open(cls, lesson: Lesson, record: Path | None = None, *, sudo: bool = False) -> LiveLab:
        """Start the supervisor and make the pretend machine, its limits read back from the kernel.

        ``record``: a file that everything is recorded to. ``sudo``: the supervisor is started by sudo(8).
        """
        host = await asyncio.to_thread(host_facts, HostSource())
        lab = cls(lesson, Recorder(record, lesson, host.kernel), sudo)
        lab._runtime.listen(lab._heard)
        try:
            lab._recorder.write(Opened(lesson.id, host.kernel, host.hostname))
            await lab._runtime.start()
            if not lab._runtime.admin:
                refuse_bare(lesson)
            if missing := await make_machine(lab._runtime, MACHINE, lesson):
                lab.warn(f"reduced: the pretend machine has no limits: {missing.message}", missing.hint)
        except BaseException:
            await lab.close()
            raise
        lab._sampling = asyncio.create_task(lab._sample_on())
        return lab

    # --- the protocol -----------------------------------------------------------------------------------------------

    async def enter(self, step: Step) -> None:
        """Open the step's containers; one of the same name is replaced. Its guests boot while one reads."""
        self._note(Entered(step.slug))
        for block in step.of(Container):
            await self._remove(block.name)
            await self._place(block)
        await self._guests.enter(step)
        await self._tell_sample()
        self._note(Settled())

    async def run(self, run: Run) -> RunResult:
        """One command in its container or guest, to its end or its time limit."""
        if run.container in self._guests:
            self._note(Began(run.name))
            tell = partial(self._tell_output, run.name)
            return await self._ended(await self._guests.run(run, self._environment(), tell))
        inhabitant = self._inhabitants.get(run.container)
        if inhabitant is None:
            raise RuntimeFailure(f"the container {run.container} is not open", "Restart the step.")
        if run.action is not None:
            self._note(Began(run.name))
            return await self._ended(await act(inhabitant, run))
        await wake(inhabitant)
        reader = OutputReader(partial(self._tell_output, run.name))
        inhabitant.heard_by(reader)
        null = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        command = ("/bin/sh", "-c", run.command)
        begun = time.monotonic()
        self._note(Began(run.name))
        try:
            stdio = (null, reader.write_fd, reader.write_fd)
            execution = await inhabitant.running.exec(command, stdio, self._environment())
        finally:
            os.close(null)
            reader.child_has_it()
        self._current = execution
        try:
            exited, timed_out = await self._finish(execution, run.timeout)
        finally:
            self._current = None
        reader.drain()
        seconds = round(time.monotonic() - begun, 3)
        result = RunResult(
            name=run.name, container=run.container, exit_code=exited.status, signal=exited.signal, output=reader.kept,
            seconds=seconds, timed_out=timed_out,
        )  # fmt: skip
        return await self._ended(result)

    async def _ended(self, result: RunResult) -> RunResult:
        self._results[result.name] = result
        await self._tell_sample()
        self._note(Finished(result))
        return result

    async def facts(self) -> FactContext:
        """Everything as it is now."""
        host = await asyncio.to_thread(host_facts, self._source)
        await self._guests.look()
        snapshots = await self._sample()
        self._put(Sampled(snapshots))  # what is judged by is also what is seen
        self._note(Looked())
        return FactContext(
            snapshots=snapshots,
            runs=dict(self._results),
            host_kernel=host.kernel,
            host_hostname=host.hostname,
        )

    async def news(self) -> AsyncIterator[News]:
        """Everything that happens, in order, until the lab is closed."""
        while (item := await self._queue.get()) is not None:
            yield item

    async def interrupt(self) -> None:
        """Kill the command that is running now."""
        self._guests.interrupt()
        if self._current is not None:
            await self._current.signal(signal.SIGKILL, group=True)

    async def close(self) -> None:
        """End everything; returns when nothing is left. TraceError when not all could be recorded."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._sampling is not None:
                self._sampling.cancel()
                await asyncio.wait((self._sampling,))
            await self._guests.close()
        finally:
            await self._close_containers()
        if self._sampling is not None and not self._sampling.cancelled():
            self._sampling.result()  # a mistake in it is not swallowed
        if self._unrecorded is not None:
            raise self._unrecorded

    async def _close_containers(self) -> None:
        try:
            await self._runtime.close()
        finally:
            for inhabitant in self._inhabitants.values():
                inhabitant.close()
            self._inhabitants.clear()
            self._recorder.close()
            self._queue.put_nowait(None)

    # --- containers -------------------------------------------------------------------------------------------------

    async def _place(self, block: Container) -> None:
        spec = self._at_home(block.spec)
        stdin, held = os.pipe2(os.O_CLOEXEC)
        reader = OutputReader(partial(self._tell_output, block.name))
        try:
            running = await self._runtime.spawn(block.name, spec, (stdin, reader.write_fd, reader.write_fd))
        except BaseException:
            reader.close()
            os.close(held)
            raise
        finally:
            os.close(stdin)
            reader.child_has_it()
        started = running.started.result()
        sampler = Sampler(self._source, Target(block.name, started.pid, started.cgroups, peers=started.peers))
        self._inhabitants[block.name] = Inhabitant(running, sampler, reader, held)

    async def _remove(self, name: str) -> None:
        if (inhabitant := self._inhabitants.get(name)) is not None:
            await inhabitant.running.close()
            self._inhabitants.pop(name).close()

    def _at_home(self, spec: ContainerSpec) -> ContainerSpec:
        """The spec in this lab: in its machine, and knowing what its commands may name."""
        binds = tuple(
            msgspec.structs.replace(bind, source=bind.source.replace(f"${LAB}", self._folder, 1)) for bind in spec.binds
        )
        environment = spec.environment | self._environment()
        spec = msgspec.structs.replace(spec, group=MACHINE, binds=binds, environment=environment)
        return housed(spec, self._runtime.admin)

    def _environment(self) -> dict[str, str]:
        """$LAB, and $NAME_PID for every container: its first process as the host counts, dead or alive."""
        pids = {pid_variable(name): str(each.running.pid) for name, each in self._inhabitants.items()}
        return pids | {LAB: self._folder}

    async def _finish(self, execution: Execution, limit: float) -> tuple[events.ExecExited, bool]:
        try:
            return await asyncio.wait_for(execution.wait(), limit), False
        except TimeoutError:
            await execution.signal(signal.SIGKILL, group=True)
            return await execution.wait(), True

    # --- watching ---------------------------------------------------------------------------------------------------

    async def _sample(self) -> dict[str, Snapshot]:
        """All containers now, and guests as last seen.

        Samplers remember the previous look for their rates, so one caller at a time.
        """
        async with self._one_at_a_time:
            for name, inhabitant in list(self._inhabitants.items()):
                hostname = await self._runtime.hostname(name)
                inhabitant.sampler.target = replace(inhabitant.sampler.target, hostname=hostname)
            samplers = {name: inhabitant.sampler for name, inhabitant in self._inhabitants.items()}
            return await asyncio.to_thread(_look, samplers) | self._guests.seen()

    async def _tell_sample(self) -> None:
        self._put(Sampled(await self._sample()))

    async def _sample_on(self) -> None:
        while True:
            await asyncio.sleep(RESTING if self._current is None else BUSY)
            try:
                await self._tell_sample()
            except ContlabError as error:
                self._put(Trouble(error.message, error.hint))
                return
            except Exception as error:
                self._put(Trouble(f"watching has stopped: {error!r}", "Leave the lesson to have a report written."))
                raise  # out of close()

    def _heard(self, event: events.AnyEvent) -> None:
        if isinstance(event, events.LinkIs) and (inhabitant := self._inhabitants.get(event.container)):
            inhabitant.sampler.target = replace(inhabitant.sampler.target, cut=not event.up)
        if not isinstance(event, events.HostnameIs | events.Ready | events.LinkRead):
            self._put(Happened(event))

    def warn(self, message: str, hint: str) -> None:
        """Tell it with the news."""
        self._put(Trouble(message, hint))

    def _tell_output(self, run: str, text: str) -> None:
        self._put(Output(run, text))

    def _put(self, item: News) -> None:
        self._note(item)
        self._queue.put_nowait(item)

    def _note(self, item: Item) -> None:
        """Into the recording. A disk that takes no more ends the recording, not the lesson."""
        try:
            self._recorder.write(item)
        except TraceError as error:
            self._recorder.close()
            self._recorder = Recorder(None, self._lesson)
            self._unrecorded = error
            self._put(Trouble(error.message, error.hint))


def _look(samplers: dict[str, Sampler]) -> dict[str, Snapshot]:
    """In a worker thread: only reads."""
    return {name: sampler.sample(time.monotonic_ns() / 1000) for name, sampler in samplers.items()}
