"""What the client asks of the supervisor. Answers are events (``events``), which draws the conversation."""

from __future__ import annotations

import msgspec

from contlab.runtime.spec import ContainerSpec, Limits

MESSAGE_SIZE = 1 << 17
"""The most bytes of one request."""

MOST_DESCRIPTORS = 16
"""The most descriptors that come along with one."""


class Window(msgspec.Struct, frozen=True, array_like=True):
    """A terminal's size, in characters."""

    rows: int = 24
    columns: int = 80


class Request(msgspec.Struct, frozen=True, tag_field="request", kw_only=True):
    """Base: which container or group it is about."""

    container: str


class CreateGroup(Request, frozen=True, kw_only=True, tag="group"):
    """Make a parent cgroup. Answered by GroupReady or Failed."""

    limits: Limits


class Spawn(Request, frozen=True, kw_only=True, tag="spawn"):
    """Make a container; its stdin, stdout and stderr come along as three descriptors, then those of ``keep``.

    Started or Failed.
    """

    spec: ContainerSpec
    rootfs: str
    """The built tree; "" when it keeps the host's root, or an elevated supervisor is to build it itself."""
    keep: tuple[int, ...] = ()
    """The numbers under which the command has further descriptors."""
    terminal: Window | None = None
    """It gets a terminal of its own for the three: they are one socket, over which the terminal's master comes back."""
    tell: bool = True
    """Each operation, by OperationDone; else only what is refused."""
    remove: bool = False
    """As soon as its first process has ended, remove what is left of it: Removed then comes unasked."""
    requested_at: float
    """CLOCK_MONOTONIC, µs."""


class Exec(Request, frozen=True, kw_only=True, tag="exec"):
    """Run a further command in a running container; three descriptors. ExecStarted or Failed, then ExecExited."""

    exec_id: int
    command: tuple[str, ...]
    environment: dict[str, str] = {}
    terminal: Window | None = None
    """As ``Spawn`` says."""
    requested_at: float


class Signal(Request, frozen=True, kw_only=True, tag="signal"):
    """Send a signal to the first process, or to a further command. Silent when it is already gone."""

    number: int
    exec_id: int | None = None
    group: bool = False
    """To all of its process group: the command and what it started without leaving the group."""


class AskHostname(Request, frozen=True, kw_only=True, tag="hostname"):
    """What the container's uts namespace says. HostnameIs."""


class ReadLink(Request, frozen=True, kw_only=True, tag="readlink"):
    """A link in /proc of one of its processes, which takes more rights than the client has. LinkRead."""

    path: str


class Freeze(Request, frozen=True, kw_only=True, tag="freeze"):
    """Stop every process of it (or of a group) at once, or let them go on. FrozenIs."""

    frozen: bool


class SetLink(Request, frozen=True, kw_only=True, tag="link"):
    """Pull its network cable, or plug it in again. LinkIs."""

    up: bool


class Close(Request, frozen=True, kw_only=True, tag="close"):
    """Kill what is in it and remove what is left. Removed."""


AnyRequest = CreateGroup | Spawn | Exec | Signal | AskHostname | ReadLink | Freeze | SetLink | Close

_encoder = msgspec.json.Encoder()
_decoder: msgspec.json.Decoder[AnyRequest] = msgspec.json.Decoder(AnyRequest)


def encode(request: AnyRequest) -> bytes:
    """One message."""
    return _encoder.encode(request)


def decode(message: bytes) -> AnyRequest:
    """The request of one message; ``msgspec.ValidationError`` when it is none."""
    return _decoder.decode(message)
