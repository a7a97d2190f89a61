"""Live: an experiment of a lesson done again beside the note: its commands, what they print, what the kernel says."""

from __future__ import annotations

from typing import ClassVar

import msgspec
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static

from contlab.course.lesson import Run
from contlab.lab.again import Again, Doing
from contlab.observe.diff import Change
from contlab.observe.snapshot import PidView, Unavailable
from contlab.tui.text import clip, safe
from contlab.tui.view import NOTHING, StepView
from contlab.tui.widgets.output import Output
from contlab.tui.widgets.paper import SCROLLING_WITHOUT_SPACE
from contlab.tui.widgets.processes import Processes
from contlab.tui.widgets.record import Record


class Printed(Output):
    """The output, in the room its place gives it."""

    def built(self) -> None:
        """Its height isn't its own affair."""
        super(Output, self).built()


class Said(VerticalScroll, can_focus=True, inherit_bindings=False):
    """The record, scrolling."""

    BINDINGS: ClassVar[list[BindingType]] = SCROLLING_WITHOUT_SPACE


class LiveView(msgspec.Struct, frozen=True, kw_only=True):
    """The experiment as it stands."""

    lesson: str = ""
    step: str = ""
    doing: Doing = Doing.OPENING
    running: str = ""
    """The command that runs."""
    ready_us: float = 0.0
    """µs until the container's first process ran; 0: not known."""
    container: str = ""
    recorded: bool = False
    record: StepView = NOTHING


def live_view(again: Again, ready_us: float) -> LiveView:
    """Its state as a value."""
    session = again.session
    run = session.next_run if again.doing is Doing.RUNNING else None
    record = StepView(
        phase=session.phase,
        runs=session.step.of(Run),
        results=tuple(session.results),
        judgements=tuple(session.judgements),
    )
    return LiveView(
        lesson=session.lesson.title,
        step=session.step.title,
        doing=again.doing,
        running=" ".join(run.command.split()) if run else "",
        ready_us=ready_us,
        container=again.container,
        recorded=again.lab is not None and again.lab.recorded,
        record=record,
    )


class Live(Vertical):
    """Headline, output, record, processes."""

    DEFAULT_CSS = """
    Live {
        #line { height: auto; padding: 0 1; }
        #printed { height: 1fr; min-height: 3; max-height: 100%; }
        #record { height: auto; max-height: 60%; scrollbar-size-vertical: 1; background: $background; }
        Record { margin: 0; }
        #tree { height: 9; }
    }
    """
    HELP: ClassVar[str] = "The experiment, done again in a fresh lab. Esc ends it."

    view: reactive[LiveView] = reactive(LiveView())
    text: reactive[str] = reactive("")
    processes: reactive[tuple[PidView, ...] | Unavailable] = reactive(())
    changes: reactive[tuple[Change, ...]] = reactive(())

    def compose(self) -> ComposeResult:
        """Top down."""
        here = Live
        yield Static(id="line", markup=False)
        yield Printed(id="printed").data_bind(here.text)
        with Said(id="record"):
            yield Record(markup=False)
        yield Processes(id="tree").data_bind(here.processes, here.changes)

    def watch_view(self, view: LiveView) -> None:
        """Another command, or the kernel's word."""
        self.query_one(Record).view = view.record
        self.query_one("#line", Static).update(_headline(view, self.size.width or 60))

    def on_resize(self) -> None:
        """Another width."""
        self.watch_view(self.view)


def _headline(view: LiveView, width: int) -> Content:
    stamp = Content.styled(" RECORDED ", "bold reverse $warning") if view.recorded else Content.styled(
        " LIVE ", "bold reverse $success"
    )  # fmt: skip
    title = clip(f"{view.lesson} › {view.step}", width - stamp.cell_length - 3)
    first = Content.assemble(stamp, " ", (title, "bold $primary"))
    ready = f"{view.container} ready in {view.ready_us / 1000:.0f} ms · " if view.ready_us else ""
    said = {
        Doing.OPENING: "making its containers…",
        Doing.RUNNING: f"$ {view.running}",
        Doing.DONE: "done; the containers live on · Esc ends them",
        Doing.FAILED: "it could not be done",
        Doing.CLOSED: "ended",
    }[view.doing]
    return Content.assemble(first, "\n", safe(clip(ready + said, width - 2), "$foreground-muted"))
