"""LessonGuests: the virtual machines of one lesson. Each boots while one reads, and is looked into from then on."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import shlex
import time
from collections.abc import Callable, Mapping
from functools import partial

import msgspec

from contlab.course.facts import RunResult
from contlab.course.lesson import Run, Step, Vm
from contlab.errors import ContlabError, UnavailableError
from contlab.lab.guest import EndedError, Guests, RunningGuest
from contlab.lab.guest_starter import guests_of
from contlab.lab.output import KEPT, SHOWN
from contlab.observe.snapshot import Booting, Snapshot, Unavailable
from contlab.runtime.client import Runtime
from contlab.vm.agent import SilentError
from contlab.vm.machine import Machine, Reason
from contlab.vm.qemu import Accelerator

PACE = 1.0
"""Seconds between two looks into a guest: each costs an emulated one more than half a second of its processor."""

PATIENCE = 10.0
"""Seconds after which a guest that doesn't answer a look is said not to; an emulated one under load takes a few."""

LOST = 255
"""Exit code of a command whose guest ended, or stopped answering, before it did; ssh(1) uses the same."""


class _Boot:
    """One guest from its boot to its end."""

    def __init__(self, task: asyncio.Task[None]) -> None:
        self.task = task
        self.began = time.monotonic()
        self.machine: Machine | None = None
        """The attempt that is being made."""
        self.guest: RunningGuest | None = None
        self.settled = asyncio.Event()
        """It is up, or it is known why it isn't."""
        self.looking: asyncio.Task[None] | None = None
        """The latest look into it; there is one at a time, for a guest that is stopped would answer all of them."""
        self.asked = 0.0
        """When that look began."""


class LessonGuests:
    """What ``LiveLab`` asks of its guests. One that can't be had is a snapshot that says why; the lesson goes on."""

    def __init__(self, runtime: Runtime, sudo: bool) -> None:
        self.snapshots: dict[str, Snapshot] = {}
        """Guest -> its latest snapshot; the ``guest`` of one that boots is Booting, of one that isn't there
        Unavailable."""
        self._runtime, self._sudo = runtime, sudo
        self._guests: Guests | None = None
        self._boots: dict[str, _Boot] = {}
        self._busy: RunningGuest | None = None
        self._stopped = asyncio.Event()
        """Who waits for a guest to come up is to wait no longer."""

    def __contains__(self, name: str) -> bool:
        return name in self._boots

    async def enter(self, step: Step) -> None:
        """Begin to boot the step's guests; one of the same name is replaced."""
        for vm in step.of(Vm):
            await self._end(vm.name)
            self._boots[vm.name] = _Boot(asyncio.create_task(self._live(vm)))
            self.snapshots[vm.name] = _booting(vm.name, self._boots[vm.name])

    def seen(self) -> dict[str, Snapshot]:
        """The snapshots, those that boot as far as they are now."""
        return self.snapshots | {
            name: _booting(name, boot) for name, boot in self._boots.items() if not boot.settled.is_set()
        }

    async def run(self, run: Run, environment: Mapping[str, str], tell: Callable[[str], None]) -> RunResult:
        """One command, once its guest is up; ``missing`` says why where it can't be."""
        boot, began = self._boots[run.container], time.monotonic()
        printed = _Printed(tell)
        stopped, guest = await self._stopped_before(boot), boot.guest
        if stopped or guest is None:
            why = f"stopped: {run.container} was still booting" if stopped else _why(self.snapshots[run.container])
            printed.say(why)
            return _result(run, printed, LOST, began, missing=why)
        known = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in environment.items())
        self._busy = guest
        try:
            ran = await guest.run(known + run.command, run.timeout, printed.take)
            result = _result(run, printed, ran.exit_code, began, timed_out=ran.timed_out)
        except UnavailableError as error:
            printed.say(error.message)
            result = _result(run, printed, LOST, began, timed_out=isinstance(error, SilentError))
        finally:
            self._busy = None
        await self._look(boot)
        return result

    async def look(self) -> None:
        """Take the snapshots anew; those that boot are waited for, and those that don't answer for ``PATIENCE``."""
        await asyncio.gather(*(boot.settled.wait() for boot in self._boots.values()))
        await asyncio.gather(*(self._look(boot) for boot in self._boots.values()))

    async def _stopped_before(self, boot: _Boot) -> bool:
        """Wait for a guest to be up, or known not to be; True when the waiting was stopped before that."""
        self._stopped.clear()
        waits = [asyncio.create_task(event.wait()) for event in (boot.settled, self._stopped)]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
        return not boot.settled.is_set()

    def interrupt(self) -> None:
        """Kill the command that is running now, or don't wait for its guest any longer."""
        self._stopped.set()
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
        for task in (boot.task, boot.looking):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        if self._guests is not None:
            await self._guests.end(name)

    async def _live(self, vm: Vm) -> None:
        """Boot it and look into it until it ends."""
        boot = self._boots[vm.name]
        try:
            if self._guests is None:
                self._guests = guests_of(self._runtime, sudo=self._sudo)
            boot.guest = await self._guests.boot(vm.name, vm.memory, on_start=partial(setattr, boot, "machine"))
            await self._look(boot)
        except ContlabError as error:
            hint = f" ({error.hint.splitlines()[0]})" if error.hint else ""
            self.snapshots[vm.name] = _absent(
                vm.name, Unavailable(f"the guest {vm.name} isn't there: {error.message}{hint}")
            )
        finally:
            boot.settled.set()
        while boot.guest is not None and self.snapshots[vm.name].alive:
            await asyncio.sleep(PACE)
            await self._look(boot)

    async def _look(self, boot: _Boot) -> None:
        """Its snapshot as it is now or later; that it doesn't answer, when it doesn't. Then nobody waits for it again
        until it does."""
        called = time.monotonic()
        while boot.guest is not None and not _ended(self.snapshots[boot.guest.name]):
            if boot.looking is None or boot.looking.done():
                boot.asked = time.monotonic()
                boot.looking = asyncio.create_task(self._see(boot.guest))
            left = boot.asked + PATIENCE - time.monotonic()
            await asyncio.wait((boot.looking,), timeout=max(0.0, left))
            if not boot.looking.done():
                why = f"the guest {boot.guest.name} has not answered for {time.monotonic() - boot.asked:.0f} s"
                self.snapshots[boot.guest.name] = _silent(boot.guest, why)
                return
            if boot.looking.cancelled():
                return  # it is being replaced
            boot.looking.result()
            if boot.asked >= called:
                return

    async def _see(self, guest: RunningGuest) -> None:
        try:
            snapshot = await guest.sample()
        except EndedError as error:
            machine = guest.outside(error.message)
            panicked = error.ending.reason is Reason.PANIC
            machine = msgspec.structs.replace(machine, ended=error.message, panicked=panicked)
            known = {"kernel": guest.machine.release, "guest": machine}
            snapshot = msgspec.structs.replace(_absent(guest.name, Unavailable(error.message)), **known)
        except UnavailableError as error:
            snapshot = _silent(guest, error.message)
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


def _booting(name: str, boot: _Boot) -> Snapshot:
    seconds = round(time.monotonic() - boot.began, 1)
    return _absent(name, Booting(f"the guest {name} is still booting", seconds, _stage(boot.machine)))


def _stage(machine: Machine | None) -> str:
    if machine is None:
        return "its kernel and its files are put together"
    way = "KVM" if machine.guest.accelerator is Accelerator.KVM else "emulation"
    return f"{'its kernel starts' if machine.speaks else 'firmware loads its kernel'}, under {way}"


def _absent(name: str, guest: Unavailable) -> Snapshot:
    unknown = Unavailable(guest.reason)
    return Snapshot(
        target=name,
        at=time.monotonic_ns() / 1000,
        alive=False,
        processes=unknown,
        mounts=unknown,
        namespaces=unknown,
        cgroup=unknown,
        network=unknown,
        guest=guest,
    )


def _silent(guest: RunningGuest, why: str) -> Snapshot:
    """One that is there, and doesn't say how it is."""
    known = {"alive": True, "kernel": guest.machine.release, "guest": guest.outside(why)}
    return msgspec.structs.replace(_absent(guest.name, Unavailable(why)), **known)


def _ended(snapshot: Snapshot) -> bool:
    return not snapshot.alive and not isinstance(snapshot.guest, Unavailable)


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
