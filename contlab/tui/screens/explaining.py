"""ExplainingScreen: a screen whose panels can be asked what their rows show."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.screen import Screen

from contlab.lab.glossary import Shown, explain
from contlab.tui.screens.fields import FieldsScreen
from contlab.tui.widgets.marking import WHAT
from contlab.tui.widgets.panel import Panel


class ExplainingScreen(Screen[None]):
    """The key works from anywhere: without a panel that has the focus, the first one in sight that knows gets it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("i", "ask_panel", "What is this?", show=False, tooltip=WHAT)]

    def looked_at(self) -> Shown:
        """What the panels show: whose fields they are."""
        raise NotImplementedError

    def reveal(self) -> Panel | None:
        """Bring a panel into sight, where none is."""
        return None

    def action_ask_panel(self) -> None:
        """Take a panel, so that its rows can be asked about."""
        there = (panel for panel in self.query(Panel) if panel.is_on_screen and panel.marked is not None)
        if (panel := next(there, None) or self.reveal()) is None:
            self.notify("There is no panel here to ask about: it comes with an experiment or a container.")
        else:
            panel.focus()
            self.notify("↑ ↓ mark a row of the panel, i says what it shows, Tab goes to the next panel.")

    @on(Panel.Asked)
    def _explain(self, message: Panel.Asked) -> None:
        shown, row = self.looked_at(), message.row
        self.app.clear_notifications()  # they would lie over the box
        self.app.push_screen(FieldsScreen(message.title, [explain(key, row.subject, shown) for key in row.keys], shown))
