"""A list to choose from whose keys show in the footer."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widgets import OptionList


class Choices(OptionList):
    """An OptionList; options are ``Content``, never markup."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "select", "Choose", key_display="⏎", tooltip="Take the highlighted line"),
        Binding("down", "cursor_down", "Move", key_display="↑↓", tooltip="Highlight another line"),
    ]

    def __init__(self, *, id: str, classes: str | None = None, compact: bool = False) -> None:
        super().__init__(id=id, classes=classes, compact=compact, markup=False)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Left and right turn pages: a list is never wider than its place."""
        return action not in ("scroll_left", "scroll_right")
