"""Learn: lesson left, evidence in the middle, VM right. Wiring only: the player decides, panels draw."""

from __future__ import annotations

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Horizontal, Vertical
from textual.reactive import reactive
from textual.widgets import Footer

from contlab.course.lesson import Container, Run
from contlab.lab.column import NOTHING, Column, State, column, guests, state, words
from contlab.lab.glossary import Shown
from contlab.observe.diff import Change
from contlab.observe.snapshot import (
    EMPTY,
    CgroupSample,
    GuestSample,
    MountTree,
    NamespaceSet,
    NetworkView,
    PidView,
    Snapshot,
    Unavailable,
)
from contlab.runtime.events import OperationDone
from contlab.tui.happening import Happening
from contlab.tui.messages import LabEnded, NewsArrived, TroubleArrived
from contlab.tui.pages import EVIDENCE, LARGE, MEDIUM, TALL, pages, settle
from contlab.tui.player import Activity
from contlab.tui.screens.scrub import ScrubScreen
from contlab.tui.view import StepView
from contlab.tui.widgets.cgroup import Cgroup
from contlab.tui.widgets.cue import Cue
from contlab.tui.widgets.events import Events
from contlab.tui.widgets.lesson import Lesson
from contlab.tui.widgets.machine import Machine
from contlab.tui.widgets.mounts import Mounts
from contlab.tui.widgets.namespaces import Namespaces
from contlab.tui.widgets.network import Network
from contlab.tui.widgets.operations import Operations
from contlab.tui.widgets.output import Output
from contlab.tui.widgets.pagebar import PageBar
from contlab.tui.widgets.panel import Panel
from contlab.tui.widgets.processes import Processes
from contlab.tui.widgets.prompt import Prompt
from contlab.tui.widgets.scrubbar import ScrubBar
from contlab.tui.widgets.selector import Selector
from contlab.tui.widgets.titlebar import TitleBar


class LearnScreen(ScrubScreen):
    """What is on the screen, and which news goes to which panel."""

    CSS_PATH = "learn.tcss"
    HORIZONTAL_BREAKPOINTS = [
        (0, "-narrow"),
        (MEDIUM, "-medium"),
        (LARGE, "-large"),
    ]
    VERTICAL_BREAKPOINTS = [(0, "-short"), (TALL, "-tall")]

    BINDINGS = [Binding("v", "machine", "VM", tooltip="Go to the virtual machine's column, and back")]

    kernel: reactive[str] = reactive("")
    processes: reactive[tuple[PidView, ...] | Unavailable] = reactive(())
    mounts: reactive[MountTree | Unavailable] = reactive(MountTree())
    namespaces: reactive[NamespaceSet | Unavailable] = reactive(NamespaceSet())
    cgroup: reactive[CgroupSample | Unavailable] = reactive(Unavailable("nothing was sampled yet"))
    network: reactive[NetworkView | Unavailable] = reactive(NetworkView())
    changes: reactive[tuple[Change, ...]] = reactive(())
    history: reactive[tuple[float, ...]] = reactive(())
    operations: reactive[tuple[OperationDone, ...]] = reactive(())
    happenings: reactive[tuple[Happening, ...]] = reactive(())
    text: reactive[str] = reactive("")
    dropped: reactive[int] = reactive(0)
    unprotected: reactive[tuple[str, ...]] = reactive(())
    """Protections that the chosen container is without."""
    column: reactive[Column] = reactive(NOTHING)
    guest: reactive[GuestSample | Unavailable | None] = reactive(None)
    """The machine itself, where the panels show the inside of a virtual one."""
    in_guest: reactive[bool] = reactive(False)

    _beside = ""
    """The container that the virtual machine is compared with."""
    _paused_in = 0
    """The step at which the panels were paused."""
    _left = ""
    """The page that was left for the virtual machine's."""

    def compose(self) -> ComposeResult:
        """The wiring diagram."""
        here = LearnScreen
        yield TitleBar().data_bind(here.view, here.paused)
        yield PageBar(id="pages").data_bind(here.page, pages=here.choice)
        with Horizontal(id="panes"):
            with Vertical(id="lesson", classes="page"):
                yield Lesson(id="prose").data_bind(here.view)
                yield Output(id="output").data_bind(here.text, here.dropped)
                yield Prompt(id="prompt").data_bind(here.view, here.progress)
            with Vertical(id="evidence"):
                yield Selector().data_bind(here.containers, here.chosen, here.kernel)
                with Horizontal(id="boards"):
                    with Vertical(id="gauges"):
                        yield Processes(id="processes", classes="page").data_bind(
                            here.processes, here.in_guest, here.changes
                        )
                        yield Namespaces(id="namespaces", classes="page").data_bind(
                            here.namespaces, here.unprotected, here.in_guest, here.changes
                        )
                        yield Cgroup(id="cgroup", classes="page").data_bind(
                            here.cgroup, here.guest, here.history, here.changes
                        )
                    with Vertical(id="slot"):
                        yield PageBar(id="turns").data_bind(here.page, pages=here.choice)
                        yield Mounts(id="mounts", classes="page").data_bind(here.mounts, here.in_guest, here.changes)
                        yield Operations(id="operations", classes="page").data_bind(here.operations, here.by_hand)
                        yield Network(id="network", classes="page").data_bind(here.network, here.in_guest, here.changes)
                        yield Events(id="events", classes="page").data_bind(here.happenings)
            yield Machine(id="vm", classes="page").data_bind(here.column)
        yield Cue(id="cue").data_bind(here.view, here.progress)
        yield ScrubBar(id="scrub").data_bind(here.spot)
        yield Footer(show_command_palette=False, compact=True)

    def on_resize(self, event: events.Resize) -> None:
        """Another room: other pages take turns."""
        before, self.choice = self.choice, pages(event.size.width, event.size.height)
        # The prompt was beside the panels: where it has to share their place, it comes first.
        arrives = "lesson" in self.choice and "lesson" not in before
        self.page = "lesson" if arrives else settle(self.page, self.choice)

    def watch_page(self, page: str) -> None:
        """Another page is in sight."""
        for pane in self.query(".page"):
            pane.set_class(pane.id == page, "-on")
        evidence = page in EVIDENCE
        self.query_one("#evidence").set_class(evidence, "-on")
        self.query_one("#gauges").set_class(page in ("processes", "namespaces", "cgroup"), "-on")
        self.query_one("#slot").set_class(page in ("mounts", "operations", "network", "events"), "-on")
        self.query_one("#cue").set_class(page != "lesson", "-on")

    def watch_view(self, old: StepView, view: StepView) -> None:
        """Another step begins, or its containers are ready."""
        if (old.number, old.activity) != (view.number, view.activity) and view.activity is Activity.OPENING:
            self.timeline.begin_step(view.number, view.title)
            self.show()
        if old.activity is not view.activity:
            self._wait()
            self._compare()
        if (view.number != old.number and not self.paused) or not self.chosen:
            self.chosen = self._main_container() or self.chosen
        self._place_output()

    def watch_chosen(self) -> None:
        """Another container's panels."""
        self.show()

    def watch_paused(self, paused: bool) -> None:
        """What came in meanwhile is shown: of another step, if one has begun."""
        self.set_class(paused, "-paused")
        if paused:
            self._paused_in = self.view.number
            return
        if self.view.number != self._paused_in:
            self.chosen = self._main_container() or self.chosen
        self.show()

    @on(NewsArrived)
    def _arrived(self) -> None:
        self._wait()
        if self.paused:
            self.keep_up()
        else:
            self.show()

    @on(TroubleArrived)
    def _trouble(self, message: TroubleArrived) -> None:
        self.tell(message.message, message.hint)

    @on(LabEnded)
    def _ended(self) -> None:
        self.player.lost()

    @on(PageBar.Turned)
    def _turned(self, message: PageBar.Turned) -> None:
        self.page = message.page

    @on(Prompt.Chosen)
    def _chose(self, message: Prompt.Chosen) -> None:
        self.action_predict(message.choice)

    def show(self) -> None:
        """Hand the chosen container's slices to the panels; an equal one goes no further."""
        if not self.is_mounted:
            return
        evidence, name = self.shown, self.chosen
        self.text, self.dropped = self.printed
        self._place_output()
        self.containers = tuple((each, _how(snapshot)) for each, snapshot in evidence.snapshots.items())
        if not name and self.containers:
            self.chosen = name = self.containers[0][0]
        snapshot: Snapshot = evidence.snapshots.get(name, EMPTY)
        self.kernel = snapshot.kernel
        self.changes = evidence.changes(name)
        self.processes, self.mounts, self.namespaces = snapshot.processes, snapshot.mounts, snapshot.namespaces
        self.cgroup, self.network = snapshot.cgroup, snapshot.network
        # Before the chosen one is there, there is nothing to see but another one being made.
        made = self.spot.container if self.paused and name not in evidence.snapshots else ""
        self.history, self.operations = evidence.memory(name), evidence.operations(made or name)
        self.happenings = tuple(evidence.happenings)
        self.unprotected = evidence.unprotected.get(name, ())
        self.guest, self.in_guest = snapshot.guest, snapshot.guest is not None
        self._compare()

    def _compare(self) -> None:
        """The other column: the guest that is being looked at or worked with, beside such a container."""
        evidence, session = self.shown, self.player.session
        running = session.next_run if self.view.activity is Activity.RUNNING else None
        worked = [running.container] if running else [result.container for result in reversed(session.results)]
        machines = guests(evidence.snapshots)
        near = (self.chosen, *worked, self.column.guest, self._beside, self._main_container(), *evidence.snapshots)
        guest = next((name for name in near if name in machines), "")
        self._beside = next((name for name in near if name in evidence.snapshots and name not in machines), "")
        self.column = column(
            evidence.snapshots,
            self.course.comparison,
            guest=guest,
            container=self._beside,
            ready_us=evidence.ready_us.get(self._beside, 0.0),
            recorded=self.view.recorded,
        )

    def _wait(self) -> None:
        """What the prompt says of the guest that a command waits for."""
        run = self.player.session.next_run if self.view.activity is Activity.RUNNING else None
        snapshot = self.timeline.evidence.snapshots.get(run.container, EMPTY) if run else EMPTY
        if self.view.activity is not Activity.OPENING:
            self.progress = (
                f"{snapshot.target}: {words(snapshot.target, snapshot)}" if state(snapshot) is State.BOOTING else ""
            )

    def _place_output(self) -> None:
        """It is there while something was printed, little of it once the kernel has spoken."""
        view, output = self.view, self.query_one("#output")
        printed = bool(view.results) or view.activity is Activity.RUNNING
        output.set_class(bool(self.text) if self.paused else printed, "-on")
        output.set_class(view.judged, "-done")

    def _main_container(self) -> str:
        """The one that the step is about: where it runs its first command, else the first that it opens."""
        step = self.player.session.step
        opened: tuple[Container, ...] = step.of(Container)
        runs: tuple[Run, ...] = step.of(Run)
        return runs[0].container if runs else opened[0].name if opened else ""

    def looked_at(self) -> Shown:
        """What the panels show."""
        return Shown(self.processes, self.cgroup, self.in_guest, self.view.recorded)

    def reveal(self) -> Panel | None:
        """The processes, where the lesson has their place."""
        if "processes" in self.choice:
            self.page = "processes"
        return self.query_one(Processes)

    def action_machine(self) -> None:
        """To the virtual machine, and back to where one was."""
        machine = self.query_one(Machine)
        if "vm" in self.choice:
            self.page, self._left = (self._left or "lesson", "") if self.page == "vm" else ("vm", self.page)
        elif machine.has_focus:
            self.set_focus(None)
        else:
            machine.focus()

    def action_zoom(self) -> None:
        """Give the focused panel the whole screen, or take it back."""
        if self.maximized is not None:
            self.minimize()
        elif isinstance(self.focused, Panel):
            self.maximize(self.focused, container=False)


def _how(snapshot: Snapshot) -> str:
    """What is wrong with it, in a word; "" when it runs."""
    match state(snapshot):
        case State.NONE | State.UP:
            return "" if snapshot.alive else "gone"
        case other:
            return "gone" if other is State.ENDED else other.value
