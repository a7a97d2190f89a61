"""What the supervisor tells about a container's life, and the codec: one JSON object a line, one or more a message.

::

    client                         supervisor                     stage (the forked child)
      │  CreateGroup / Spawn + fds ──▶│
      │                               │ the plan's outer half: cgroup, limits read back
      │◀── OperationDone ... ─────────│
      │                               │ clone3 (by the nursery) ────▶│ waits
      │                               │ id maps, cables; its orders ▶│
      │◀── OperationDone ... ─────────│◀── each operation and its µs │ the plan's inner half
      │◀── Started (pid, host's view) │◀── end of file: exec worked  │ exec(command)
      │  Signal / Exec / Close ──────▶│
      │◀── Exited ────────────────────│ pidfd readable, waitid
      │◀── Removed ───────────────────│ cgroup removed, mounts gone
      ┆ end of file, either side: the other one is dead; what is left is removed

All times are CLOCK_MONOTONIC in microseconds, so that events and snapshots share one axis.
"""

from __future__ import annotations

from typing import Literal

import msgspec

Side = Literal["host", "container"]


class Event(msgspec.Struct, frozen=True, tag_field="event", kw_only=True):
    """Base of all events: which container (or group), and when."""

    container: str
    at: float
    """CLOCK_MONOTONIC, µs, when it ended."""


class Ready(Event, frozen=True, kw_only=True, tag="ready"):
    """The supervisor listens; ``container`` is empty."""

    pid: int
    """The supervisor, as the host sees it."""
    admin: bool = True
    """It has root's privileges; else it is a plain user, and specs are adapted (``rootless``)."""


class OperationDone(Event, frozen=True, kw_only=True, tag="operation"):
    """One kernel operation of the plan, done or failed."""

    index: int
    """Place in the plan, from 0."""
    operation: str
    """The operation's class name, e.g. ``PivotRoot``."""
    describe: str
    """For people: what the kernel is asked to do."""
    shell: str
    """The command that does the same by hand; empty where there is none."""
    side: Side
    """Who did it: the supervisor on the host, or the stage inside."""
    microseconds: float
    errno: int = 0
    """0, or why the kernel refused, as in errno(3)."""
    error: str = ""
    """Empty, or the learner's explanation of the refusal."""


class Started(Event, frozen=True, kw_only=True, tag="started"):
    """The command runs: exec(2) succeeded."""

    pid: int
    """As the host sees it."""
    ready_us: float
    """µs from the request to the running command."""
    cgroups: dict[str, str] = {}
    """Controller -> directory of the container's cgroup; v2's single directory under "" (empty key)."""
    missing: dict[str, str] = {}
    """What was asked for but this host lacks: limit -> reason, in words."""
    root: str = ""
    """The root file system's directory on the host ("" when it keeps the host's)."""
    unprotected: tuple[str, ...] = ()
    """The protections that it is without, in words (runtime.protection)."""
    peers: dict[str, str] = {}
    """Interface inside -> where the other end of its cable is, in words: /proc does not tell."""


class ExecStarted(Event, frozen=True, kw_only=True, tag="exec_started"):
    """A further command runs in a running container."""

    exec_id: int
    pid: int
    ready_us: float


class Exited(Event, frozen=True, kw_only=True, tag="exited"):
    """The container's first process is gone."""

    pid: int
    exit_code: int | None = None
    """0-255 when it exited by itself."""
    signal: int | None = None
    """The signal that killed it."""
    oom_killed: bool = False
    """Whether the kernel's OOM killer acted in its cgroup."""

    @property
    def status(self) -> int:
        """As a shell reports it: the exit code, or 128 + signal."""
        return 128 + self.signal if self.signal else self.exit_code or 0


class ExecExited(Exited, frozen=True, kw_only=True, tag="exec_exited"):
    """A further command is gone."""

    exec_id: int


class Failed(Event, frozen=True, kw_only=True, tag="failed"):
    """The container never ran: the plan stopped."""

    message: str
    hint: str = ""
    exit_code: int = 125
    exec_id: int | None = None
    """Set when it was a further command that failed; the container goes on."""


class Removed(Event, frozen=True, kw_only=True, tag="removed"):
    """Nothing of it is left on the host."""

    removed: tuple[str, ...] = ()
    """Cgroup directories and mounts that were taken away."""


class GroupReady(Event, frozen=True, kw_only=True, tag="group"):
    """A parent cgroup exists and its limits were read back."""

    cgroups: dict[str, str] = {}
    missing: dict[str, str] = {}


class HostnameIs(Event, frozen=True, kw_only=True, tag="hostname"):
    """The nodename of its uts namespace, as asked for."""

    hostname: str | None
    """None: it is gone, or its namespace can't be entered."""


class FrozenIs(Event, frozen=True, kw_only=True, tag="frozen"):
    """Whether its processes are stopped, as was asked for."""

    frozen: bool
    message: str = ""
    """Empty, or why it is not as it was asked for."""
    hint: str = ""


class LinkIs(Event, frozen=True, kw_only=True, tag="link"):
    """Whether its network cable is plugged in, as was asked for."""

    up: bool
    message: str = ""
    """Empty, or why it is not as it was asked for."""
    hint: str = ""


class LinkRead(Event, frozen=True, kw_only=True, tag="link_read"):
    """The text of a link in /proc, as asked for."""

    text: str
    errno: int = 0
    """0, or why it can't be read, as in errno(3)."""


AnyEvent = (
    FrozenIs
    | LinkIs
    | LinkRead
    | HostnameIs
    | Ready
    | OperationDone
    | Started
    | ExecStarted
    | Exited
    | ExecExited
    | Failed
    | Removed
    | GroupReady
)

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)


def encode(event: AnyEvent) -> bytes:
    """One line of JSON, without the newline."""
    return _encoder.encode(event)


def decode(line: bytes) -> AnyEvent:
    """The event of one line; ``msgspec.DecodeError`` or ``ValidationError`` when it is none."""
    return _decoder.decode(line)
