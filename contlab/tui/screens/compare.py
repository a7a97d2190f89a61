"""Compare: a container and a virtual machine side by side, measured while one looks."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable
from typing import ClassVar

from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.getters import query_one
from textual.screen import Screen
from textual.widgets import Footer, OptionList, Static
from textual.widgets.option_list import Option
from textual.worker import Worker, WorkerState

from contlab.errors import ContlabError
from contlab.lab.compare import Comparison, Measuring
from contlab.tui.screens.error import ErrorScreen
from contlab.tui.text import safe
from contlab.tui.theme import DARK, THEMES
from contlab.tui.widgets.choices import Choices
from contlab.tui.widgets.comparison import details, line

Comparing = Callable[[], AsyncGenerator[Measuring | Comparison, None]]

_BAR = 20


class CompareScreen(Screen[None]):
    """A list of rows; what the highlighted one means below it."""

    CSS = """
    CompareScreen {
        background: $background;
        #head { height: auto; padding: 0 2; background: $panel; }
        #rows {
            height: 3fr; border: round $border; border-title-color: $foreground-muted; border-title-style: bold;
            background: $background; scrollbar-size-vertical: 1; padding: 0 1;
            &:focus { border: round $primary; border-title-color: $primary; }
        }
        #about {
            height: 2fr; border: round $border; border-title-color: $foreground-muted; padding: 0 1;
            scrollbar-size-vertical: 1;
            &:focus { border: round $primary; border-title-color: $primary; }
        }
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("r", "again", "Measure again", tooltip="Measure everything once more"),
        Binding("tab", "app.focus_next", "Switch", show=False),
        Binding("escape", "stop", "Stop", key_display="Esc", tooltip="Stop measuring"),
        Binding("q", "leave", "Leave", tooltip="Stop measuring, clean up and leave"),
        Binding("ctrl+c,ctrl+q", "leave", "Leave", show=False, priority=True),
    ]

    listing = query_one("#rows", Choices)
    head = query_one("#head", Static)
    about = query_one("#text", Static)

    def __init__(self, comparing: Comparing) -> None:
        super().__init__()
        self._comparing = comparing
        self.comparison: Comparison | None = None
        self.measuring: Measuring | None = None
        self._worker: Worker[None] | None = None

    def compose(self) -> ComposeResult:
        """Head, list, description."""
        yield Static(id="head", markup=False)
        yield Choices(id="rows")
        with VerticalScroll(id="about"):
            yield Static(id="text", markup=False)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Measuring begins at once."""
        self.listing.border_title = Content("Container and virtual machine")
        self.query_one("#about").border_title = Content("What it means")
        self.listing.focus()
        self.action_again()

    def on_resize(self) -> None:
        """Rows are as wide as the list."""
        self.call_after_refresh(self._show)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Measure again when nothing is measured, stop when something is."""
        running = self._worker is not None and not self._worker.is_finished
        return not running if action == "again" else running if action == "stop" else True

    def action_again(self) -> None:
        """Measure everything anew; the old figures stay until then."""
        self._worker = self.run_worker(self._measure(), group="compare", exclusive=True, exit_on_error=False)

    async def action_stop(self) -> None:
        """End what is being measured; returns when nothing of it is left."""
        if self._worker is not None and not self._worker.is_finished:
            self.measuring = Measuring(0, 0, "stopping: the guest and the containers are being ended")
            self._show_head()
            self._worker.cancel()
            with contextlib.suppress(Exception):
                await self._worker.wait()

    async def leave(self) -> None:
        """The app ends: nothing of what is measured stays."""
        await self.action_stop()

    async def action_leave(self) -> None:
        """Stop, and go."""
        await self.action_stop()
        if isinstance(self.app, CompareApp):
            self.app.exit()
        else:
            self.dismiss()

    async def on_unmount(self) -> None:
        """However the screen goes, nothing of it stays."""
        if self._worker is not None and not self._worker.is_finished:
            self._worker.cancel()

    async def _measure(self) -> None:
        async with contextlib.aclosing(self._comparing()) as told:
            async for one in told:
                if isinstance(one, Comparison):
                    self.comparison = one
                    self._show()
                else:
                    self.measuring = one
                    self._show_head()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """It is over, well or not."""
        if event.worker is not self._worker:
            return
        if event.worker.is_finished:
            self.measuring = None
            self._show_head()
        self.refresh_bindings()
        if event.state is WorkerState.ERROR and (error := event.worker.error) is not None:
            known = isinstance(error, ContlabError)
            words = error.message if isinstance(error, ContlabError) else f"{type(error).__name__}: {error}"
            hint = error.hint if isinstance(error, ContlabError) else "Press r to measure again."
            self.app.push_screen(ErrorScreen(words if known else f"contlab made a mistake: {words}", hint))

    @on(OptionList.OptionHighlighted)
    def _describe(self) -> None:
        found = None if self.comparison is None else self.comparison.row(self._highlighted())
        if found is not None and self.comparison is not None:
            width = self.query_one("#about").container_size.width - 6
            self.about.update(details(found, self.comparison, max(30, width)))

    def _highlighted(self) -> str:
        place = self.listing.highlighted
        return "" if place is None else self.listing.get_option_at_index(place).id or ""

    def _show(self) -> None:
        """All rows anew, the highlighted one kept."""
        self._show_head()
        if self.comparison is None:
            return
        width = max(30, self.listing.size.width - 5)
        kept = self.listing.highlighted
        drawn = [Option(line(row, width), id=row.key) for row in self.comparison.rows]
        self.listing.clear_options()
        self.listing.add_options(drawn)
        self.listing.highlighted = min(kept or 0, len(drawn) - 1)

    def _show_head(self) -> None:
        parts = [Content.assemble(("contlab compare", "bold $primary"), ("   " + self._which(), "$foreground-muted"))]
        if (now := self.measuring) is not None:
            full = round(now.done / now.of * _BAR) if now.of else 0
            bar = f"{'━' * full}{'╌' * (_BAR - full)} " if now.of else ""
            parts.append(Content.assemble((bar, "$accent"), safe(now.words)))
        parts += [safe(words, "$warning") for words in (self.comparison.why if self.comparison else ())]
        self.head.update(Content("\n").join(parts))

    def _which(self) -> str:
        if self.comparison is None:
            return "the same root file system, the same commands"
        if self.comparison.vm == "model":
            of = f"the VM is a model ({self.comparison.conditions.get('model', '')})"
            return of if self.comparison.complete else f"{of} until a guest has booted"
        return {"tcg": "the VM is emulated (TCG): not a VM's real cost", "kvm": "the VM runs under KVM"}.get(
            self.comparison.accelerator, ""
        )


class CompareApp(App[None]):
    """The Compare screen and nothing else."""

    TITLE = "contlab compare"

    def __init__(self, comparing: Comparing) -> None:
        super().__init__()
        self._comparing = comparing

    def on_mount(self) -> None:
        """contlab's themes; then the screen."""
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = DARK.name
        self.push_screen(CompareScreen(self._comparing))
