"""What the lab's news become on the way to the screen."""

from __future__ import annotations

from dataclasses import dataclass

from textual.message import Message

from contlab.observe.snapshot import Snapshot
from contlab.runtime.events import AnyEvent


@dataclass
class SnapshotsArrived(Message):
    """All containers at one moment. A slow screen sees only the newest."""

    snapshots: dict[str, Snapshot]

    def can_replace(self, message: Message) -> bool:
        """A later sample says all that an earlier one did."""
        return isinstance(message, SnapshotsArrived)


@dataclass
class EventArrived(Message):
    """One event of the runtime. Never coalesced."""

    event: AnyEvent


class OutputArrived(Message):
    """A run printed something; the text waits in the screen's ``Scrollback``."""

    def can_replace(self, message: Message) -> bool:
        """The scrollback already holds both."""
        return isinstance(message, OutputArrived)


@dataclass
class TroubleArrived(Message):
    """Something went wrong outside a call."""

    message: str
    hint: str = ""


class LabEnded(Message):
    """The lab's news ended: it was closed, or it died."""
