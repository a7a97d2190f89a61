"""What the lab's news become on the way to the screen."""

from __future__ import annotations

from dataclasses import dataclass

from textual.message import Message


class NewsArrived(Message):
    """The timeline has heard something. A slow screen draws but the newest of it."""

    def can_replace(self, message: Message) -> bool:
        """Both are drawn as one."""
        return isinstance(message, NewsArrived)


@dataclass
class TroubleArrived(Message):
    """Something went wrong outside a call."""

    message: str
    hint: str = ""


class LabEnded(Message):
    """The lab's news ended: it was closed, or it died."""
