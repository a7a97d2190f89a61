"""Events of the runtime as plain sentences. Names and messages in them are still raw text: draw them with ``safe``."""

from __future__ import annotations

import signal

from contlab.lab.column import State, state, words
from contlab.observe.snapshot import GuestSample, Snapshot
from contlab.runtime.events import (
    AnyEvent,
    ExecExited,
    ExecStarted,
    Exited,
    Failed,
    FrozenIs,
    GroupReady,
    LinkIs,
    OperationDone,
    Removed,
    Started,
)
from contlab.tui.units import duration


def sentence(event: AnyEvent) -> str:
    """What happened, for people; "" when another panel tells it (a kernel operation that went well)."""
    match event:
        case OperationDone(errno=0):
            return ""
        case OperationDone():
            return f"{event.describe}: refused, {event.error or f'errno {event.errno}'}"
        case Started():
            return f"runs as PID {event.pid}, ready after {duration(event.ready_us)}" + _missing(event.missing)
        case GroupReady():
            return "the machine's limits are in force" + _missing(event.missing)
        case ExecStarted():
            return f"a command runs as PID {event.pid}, ready after {duration(event.ready_us)}"
        case ExecExited():
            return f"the command (PID {event.pid}) {_ending(event)}"
        case Exited():
            return f"its PID 1 (PID {event.pid} on the host) {_ending(event)}, and with it all its processes"
        case Failed():
            return f"could not start: {event.message}"
        case FrozenIs():
            return event.message or ("all its processes are frozen" if event.frozen else "its processes go on")
        case LinkIs():
            return event.message or ("its cable is plugged in" if event.up else "its cable is pulled out")
        case Removed():
            return "removed: nothing of it is left on the host"
        case _:
            return ""


def of_qemu(event: AnyEvent) -> str:
    """The same of a guest's QEMU, which is a process on the host as any other."""
    match event:
        case Started():
            return f"its QEMU runs as PID {event.pid} on the host"
        case Exited():
            return f"its QEMU (PID {event.pid} on the host) {_ending(event)}"
        case Removed():
            return ""
        case _:
            return sentence(event)


def of_guest(before: Snapshot, now: Snapshot) -> str:
    """What became of a virtual machine between two samples; "" when it goes on as it was."""
    was, how = state(before), state(now)
    if was is how or how is State.NONE:
        return ""
    if how is State.UP and isinstance(now.guest, GuestSample) and was is not State.SILENT:
        return f"is up, {duration(now.guest.boot_seconds * 1e6)} after it was asked for, with a kernel of its own"
    return "is booting" if how is State.BOOTING else words(now.target, now)


def signal_name(number: int) -> str:
    """``SIGKILL`` for 9; the number itself where the kernel has no name for it."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _ending(event: Exited) -> str:
    if event.oom_killed:
        return "was killed: out of memory"
    if event.signal:
        return f"was killed by {signal_name(event.signal)}"
    return f"exited with {event.exit_code}"


def _missing(missing: dict[str, str]) -> str:
    return "".join(f"; without {limit}: {reason}" for limit, reason in missing.items())
