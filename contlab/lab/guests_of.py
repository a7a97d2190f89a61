"""LessonGuests: the virtual machines of one lesson. Each boots while one reads, and is looked into from then on."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import shlex
import time
from collections.abc import Callable, Mapping

import msgspec

from contlab.course.facts import RunResult
from contlab.course.lesson import Run, Step, Vm
from contlab.errors import ContlabError, UnavailableError
from contlab.lab.guest import EndedError, Guests, RunningGuest
from contlab.lab.guest_starter import guests_of
from contlab.lab.output import KEPT, SHOWN
from contlab.observe.snapshot import Snapshot, Unavailable
from contlab.runtime.client import Runtime
from contlab.vm.machine import Reason

PACE = 1.0
"""Seconds between two looks into a guest: each costs an emulated one more than half a second of its processor."""

LOST = 255
"""Exit code of a command whose guest ended, or stopped answering, before it did; ssh(1) uses the same."""


class _Boot:
    """One guest from its boot to its end."""

    def __init__(self, task: asyncio.Task[None]) -> None:
        self.task = task
        self.guest: RunningGuest | None = None
        self.settled = asyncio.Event()
        """It is up, or it is known why it isn't."""


class LessonGuests:
    """What ``LiveLab`` asks of its guests. One that can't be had is a snapshot that says why; the lesson goes on."""

    def __init__(self, runtime: Runtime, sudo: bool) -> None:
        self.snapshots: dict[str, Snapshot] = {}
        """Guest -> its latest snapshot; one that boots, or isn't there, has ``guest`` Unavailable."""
        self._runtime, self._sudo = runtime, sudo
        self._guests: Guests | None = None
        self._boots: dict[str, _Boot] = {}
        self._busy: RunningGuest | None = None

    def __contains__(self, name: str) -> bool:
        return name in self._boots

    async def enter(self, step: Step) -> None:
        """Begin to boot the step's guests; one of the same name is replaced."""
        for vm in step.of(Vm):
            await self._end(vm.name)
            self.snapshots[vm.name] = _absent(vm.name, f"the guest {vm.name} is still booting")
            self._boots[vm.name] = _Boot(asyncio.create_task(self._live(vm)))

    async def run(self, run: Run, environment: Mapping[str, str], tell: Callable[[str], None]) -> RunResult:
        """One command, once its guest is up; ``missing`` says why where it can't be."""
        boot, began = self._boots[run.container], time.monotonic()
        await boot.settled.wait()
        printed = _Printed(tell)
        if (guest := boot.guest) is None:
            printed.say(why := _why(self.snapshots[run.container]))
            return _result(run, printed, LOST, began, missing=why)
        known = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items())
        self._busy = guest
        try:
            ran = await guest.run(known + run.command, run.timeout, printed.take)
            result = _result(run, printed, ran.exit_code, began, timed_out=ran.timed_out)
        except UnavailableError as error:
            printed.say(error.message)
            result = _result(run, printed, LOST, began, timed_out=not isinstance(error, EndedError))
        finally:
            self._busy = None
        await self._look(guest)
        return result

    async def look(self) -> None:
        """Take the snapshots anew; those that boot are waited for."""
        await asyncio.gather(*(boot.settled.wait() for boot in self._boots.values()))
        await asyncio.gather(*(self._look(boot.guest) for boot in self._boots.values() if boot.guest is not None))

    def interrupt(self) -> None:
        """Kill the command that is running now."""
        if self._busy is not None:
            self._busy.machine.agent.kill()

    async def close(self) -> None:
        """End all; returns when none is left."""
        for name in list(self._boots):
            await self._end(name)
        if self._guests is not None:
            await self._guests.close()

    async def _end(self, name: str) -> None:
        if (boot := self._boots.pop(name, None)) is None:
            return
        boot.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await boot.task
        if self._guests is not None:
            await self._guests.end(name)

    async def _live(self, vm: Vm) -> None:
        """Boot it and look into it until it ends."""
        boot = self._boots[vm.name]
        try:
            if self._guests is None:
                self._guests = guests_of(self._runtime, sudo=self._sudo)
            boot.guest = await self._guests.boot(vm.name, vm.memory)
            await self._look(boot.guest)
        except ContlabError as error:
            hint = f" ({error.hint.splitlines()[0]})" if error.hint else ""
            self.snapshots[vm.name] = _absent(vm.name, f"the guest {vm.name} isn't there: {error.message}{hint}")
        finally:
            boot.settled.set()
        while boot.guest is not None and self.snapshots[vm.name].alive:
            await asyncio.sleep(PACE)
            await self._look(boot.guest)

    async def _look(self, guest: RunningGuest) -> None:
        last = self.snapshots[guest.name]
        if not (last.alive or isinstance(last.guest, Unavailable)):
            return  # it has ended
        try:
            snapshot = await guest.sample()
        except EndedError as error:
            machine = guest.outside(error.message)
            panicked = error.ending.reason is Reason.PANIC
            machine = msgspec.structs.replace(machine, ended=error.message, panicked=panicked)
            snapshot = msgspec.structs.replace(_absent(guest.name, error.message), guest=machine)
        except UnavailableError as error:
            known = {"alive": True, "kernel": guest.machine.release, "guest": guest.outside(error.message)}
            snapshot = msgspec.structs.replace(_absent(guest.name, error.message), **known)
        self.snapshots[guest.name] = snapshot


class _Printed:
    """What a command in a guest prints: kernel and program text, as it comes."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        self.kept = ""

    def take(self, piece: bytes) -> None:
        self._add(self._decoder.decode(piece))

    def say(self, words: str) -> None:
        """contlab's own words, on a line of their own."""
        self._add(f"\n{words}\n" if self.kept and not self.kept.endswith("\n") else f"{words}\n")

    def _add(self, text: str) -> None:
        self.kept = (self.kept + text)[-KEPT:]
        self._tell(text[-SHOWN:])


def _absent(name: str, why: str) -> Snapshot:
    unknown = Unavailable(why)
    return Snapshot(
        target=name,
        at=time.monotonic_ns() / 1000,
        alive=False,
        processes=unknown,
        mounts=unknown,
        namespaces=unknown,
        cgroup=unknown,
        network=unknown,
        guest=unknown,
    )


def _why(snapshot: Snapshot) -> str:
    return snapshot.guest.reason if isinstance(snapshot.guest, Unavailable) else "it has ended"


def _result(
    run: Run, printed: _Printed, status: int, began: float, *, timed_out: bool = False, missing: str = ""
) -> RunResult:
    return RunResult(
        name=run.name,
        container=run.container,
        exit_code=status,
        signal=status - 128 if 128 < status < 128 + 65 else None,
        output=printed.kept,
        seconds=round(time.monotonic() - began, 3),
        timed_out=timed_out,
        missing=missing,
    )
