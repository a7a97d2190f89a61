"""Help, made from the bindings that are valid now and from what the panels say about themselves."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from contlab.tui.text import safe
from contlab.tui.widgets.panel import Panel


class HelpScreen(ModalScreen[None]):
    """Keys first, then the panels: what each shows as a whole. Of its fields, the glossary speaks."""

    DEFAULT_CSS = """
    HelpScreen {
        align: center middle;
        VerticalScroll {
            width: 84; max-width: 94%; height: auto; max-height: 94%;
            border: round $primary; border-title-color: $primary; border-title-style: bold;
            border-subtitle-color: $foreground-muted;
            background: $surface; padding: 0 2; scrollbar-size-vertical: 1;
        }
        Static { height: auto; margin: 1 0 0 0; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,enter,q,ctrl+c", "dismiss", "Close", priority=True)
    ]

    def __init__(self, of: Screen[object]) -> None:
        super().__init__()
        self._keys = [_key(active, of) for active in of.active_bindings.values() if _told(active)]
        self._panels = [panel for panel in of.query(Panel) if panel.HELP]

    def compose(self) -> ComposeResult:
        """Two lists."""
        with VerticalScroll() as box:
            box.border_title, box.border_subtitle = Content("Help"), Content("Esc closes")
            yield Static(Content("\n").join([Content.styled("Keys that work now", "bold"), *self._keys]), markup=False)
            for panel in self._panels:
                yield Static(Content.assemble((panel.TITLE, "bold"), "\n", panel.HELP or ""), markup=False)
            yield Static(
                "Tab moves between panels. In the one that has the focus ↑ ↓ mark a row, i says what it shows, and "
                "Page Up/Down scroll."
            )


def _told(active: ActiveBinding) -> bool:
    return active.enabled and bool(active.binding.tooltip)


def _key(active: ActiveBinding, screen: Screen[object]) -> Content:
    binding = active.binding
    shown = screen.app.get_key_display(binding)
    return Content.assemble((f"{shown:>8}  ", "$accent bold"), safe(binding.tooltip))
