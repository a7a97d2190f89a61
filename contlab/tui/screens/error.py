"""What went wrong, and what mends it."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from contlab.tui.widgets.record import lines


class ErrorScreen(ModalScreen[None]):
    """A message and a hint; any of the keys closes it."""

    DEFAULT_CSS = """
    ErrorScreen {
        align: center middle;
        VerticalScroll {
            width: 72; max-width: 90%; height: auto; max-height: 80%;
            border: round $error; border-title-color: $error; border-title-style: bold;
            background: $surface; padding: 1 2;
        }
        Static { height: auto; margin: 0 0 1 0; }
        #close { color: $foreground-muted; margin: 0; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,escape,q,ctrl+c", "dismiss", "Close", priority=True),
    ]

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__()
        self.message, self.hint = message, hint

    def compose(self) -> ComposeResult:
        """Message, hint, and how to close it."""
        with VerticalScroll() as box:
            box.border_title = Content("That did not work")
            yield Static(lines(self.message), id="message", markup=False)
            if self.hint:
                yield Static(Content.assemble(("→ ", "$accent bold"), lines(self.hint)), id="hint", markup=False)
            yield Static("Press Enter to close this", id="close", markup=False)
