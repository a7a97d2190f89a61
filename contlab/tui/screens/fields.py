"""What is this? Each field of a row: its value now, what it means, the file it is from, the command that prints it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from contlab.lab.glossary import Field, Shown
from contlab.tui.text import safe, visible

_RECORDED = (
    "RECORDED elsewhere: the PIDs and paths are of that machine, and of then. To try a command here, take those of a "
    "container that runs."
)
_GUEST = (
    "Inside a virtual machine: its files are not the host's, and contlab reads them over a serial line. The commands "
    "boot another guest of the same kernel, and print what theirs are."
)
_LIVE = "The commands work in another terminal as they are; files of root's processes need root there, too (sudo)."


class FieldsScreen(ModalScreen[None]):
    """A box over the panels."""

    DEFAULT_CSS = """
    FieldsScreen {
        align: center middle;
        VerticalScroll {
            width: 92; max-width: 96%; height: auto; max-height: 94%;
            border: round $primary; border-title-color: $primary; border-title-style: bold;
            border-subtitle-color: $foreground-muted;
            background: $surface; padding: 0 1; scrollbar-size-vertical: 1;
        }
        Static { height: auto; }
        .-bare, Command { margin: 0 0 1 0; }
        #how { color: $foreground-muted; margin: 0; }
        #how.-warning { color: $warning; }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,i,q,enter", "dismiss", "Close", priority=True),
        Binding("ctrl+c", "copy", "Copy", priority=True),
    ]

    def __init__(self, title: str, fields: Sequence[Field], shown: Shown) -> None:
        super().__init__()
        self._title, self._fields, self._shown = title, fields, shown

    def compose(self) -> ComposeResult:
        """Those from one file together, then how to read them."""
        with VerticalScroll() as box:
            box.border_title = Content.assemble("What is this? · ", safe(self._title))
            box.border_subtitle = Content("↑↓ scroll · a click copies a command · Esc closes")
            for (file, command), fields in groupby(self._fields, lambda field: (field.file, field.command)):
                lines = [line for field in fields for line in _lines(field)]
                if file:
                    source = "" if file.startswith("no file") else "from "
                    lines.append(Content.assemble((source, "$foreground-muted"), safe(file, "$secondary")))
                yield Static(Content("\n").join(lines), classes="" if command else "-bare", markup=False)
                if command:
                    yield Command(command)
            if said := self._how():
                warns = "-warning" if self._shown.recorded else ""
                yield Static("\n".join(said), id="how", classes=warns, markup=False)

    def _how(self) -> list[str]:
        """What is to be known of the commands."""
        commands = [field.command for field in self._fields if field.command]
        guest = any("contlab vm run" in command for command in commands)
        said = [text for text, on in ((_RECORDED, self._shown.recorded), (_GUEST, guest)) if on]
        return said or ([_LIVE] if commands else [])

    def action_copy(self) -> None:
        """What the mouse has selected; without that, Ctrl-C closes."""
        if text := self.get_selected_text():
            self.app.copy_to_clipboard(text)
        else:
            self.dismiss()


class Command(Static):
    """A line for another terminal; a click copies it whole, however it is broken here."""

    def __init__(self, command: str) -> None:
        super().__init__(Content.assemble(("$ ", "$accent bold"), safe(command, "$accent")), markup=False)
        self._command = command

    def on_click(self) -> None:
        """Copy it."""
        self.app.copy_to_clipboard(self._command)
        self.notify(visible(self._command), title="Copied", markup=False)


def _lines(field: Field) -> Iterator[Content]:
    where = safe(f"  ({field.where})", "$foreground-muted") if field.where else Content("")
    yield Content.assemble(safe(field.name, "bold $primary"), "  ", safe(field.value, "bold"), where)
    yield safe(field.means)
