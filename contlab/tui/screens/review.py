"""Review: what is due, one note or card at a time, and beside it the experiment that shows it, done again."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from textual import events, on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.getters import query_one
from textual.reactive import reactive
from textual.widgets import Footer
from textual.worker import get_current_worker

from contlab.errors import ContlabError
from contlab.lab.again import Again, Doing, experiment
from contlab.lab.glossary import Shown
from contlab.lab.protocol import Happened, Lab, News, Output, Sampled, Trouble
from contlab.observe.diff import Change
from contlab.observe.snapshot import EMPTY, PidView, Unavailable
from contlab.tui.course import Course
from contlab.tui.evidence import Evidence
from contlab.tui.pages import MEDIUM, settle
from contlab.tui.pump import pump
from contlab.tui.reviewing import Choice, Reviewing, Turn
from contlab.tui.screens.asking import AskingScreen
from contlab.tui.screens.learn import LearnScreen
from contlab.tui.scrollback import Scrollback
from contlab.tui.widgets.ahead import Ahead
from contlab.tui.widgets.duelist import DueList
from contlab.tui.widgets.experiments import Experiments
from contlab.tui.widgets.grades import Grades
from contlab.tui.widgets.live import Live, LiveView, live_view
from contlab.tui.widgets.pagebar import PageBar
from contlab.tui.widgets.paper import PaperView
from contlab.tui.widgets.standing import StandingBar

WIDE = 170
"""Columns from which everything stands side by side."""
PAGES = {"paper": "Note", "experiments": "Run it again", "due": "Due", "ahead": "Ahead", "live": "Live"}


class ReviewScreen(AskingScreen):
    """What is on the screen, and the experiment beside the note."""

    CSS_PATH = "review.tcss"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (MEDIUM, "-medium"), (WIDE, "-wide")]
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("x", "run_again", "Run it again", tooltip="Do the marked experiment again, live, beside the note"),
        Binding("o", "open_lesson", "Lesson", show=False, tooltip="Open the lesson of the marked experiment"),
        Binding("escape", "end_live", "End it", key_display="Esc", tooltip="End the experiment and its containers"),
        Binding("right", "turn_page(1)", "Pages", key_display="←→", tooltip="The next page"),
        Binding("left", "turn_page(-1)", "Pages", show=False, tooltip="The page before"),
        Binding("l", "lessons", "Lessons", show=False, tooltip="Leave the review for the lessons"),
    ]

    page: reactive[str] = reactive("paper", init=False)
    pages: reactive[tuple[str, ...]] = reactive((), bindings=True)
    """Those that take turns."""
    live: reactive[LiveView | None] = reactive(None, bindings=True, init=False)
    text: reactive[str] = reactive("")
    processes: reactive[tuple[PidView, ...] | Unavailable] = reactive(())
    changes: reactive[tuple[Change, ...]] = reactive(())

    sheet = query_one("#paper", PaperView)
    experiments = query_one("#experiments", Experiments)

    def __init__(self, reviewing: Reviewing, course: Course) -> None:
        super().__init__(reviewing)
        self.course = course
        self._again: Again | None = None
        self._ending: set[asyncio.Task[None]] = set()
        self._scrollback, self._evidence = Scrollback(), Evidence()

    def compose(self) -> ComposeResult:
        """The wiring diagram."""
        here = ReviewScreen
        yield StandingBar().data_bind(here.standing)
        yield PageBar(PAGES, id="pages").data_bind(here.page, here.pages)
        with Horizontal(id="panes"):
            with Vertical(id="side"):
                yield DueList(id="due", classes="page").data_bind(here.upcoming)
                yield Ahead(id="ahead", classes="page").data_bind(here.table)
            with Vertical(id="middle"):
                yield PaperView(id="paper", classes="page").data_bind(here.paper)
                yield Experiments(id="experiments", classes="page").data_bind(choices=here.usable)
            yield Live(id="live", classes="page").data_bind(here.text, here.processes, here.changes)
        yield Grades(id="box").data_bind(here.turn, here.outcomes, here.said, here.told)
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """The note has the keys."""
        super().on_mount()
        self.sheet.focus()

    async def on_unmount(self) -> None:
        """However the screen goes, nothing of an experiment stays."""
        await self.leave()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether a key means anything now."""
        match action:
            case "run_again" | "open_lesson":
                return bool(self.usable)
            case "end_live":
                return self.live is not None
            case "turn_page":
                return len(self.pages) > 1
            case _:
                return super().check_action(action, parameters)

    def looked_at(self) -> Shown:
        """What the experiment's panel shows."""
        seen = self._evidence.snapshots.get(self._again.container if self._again else "", EMPTY)
        recorded = self.live is not None and self.live.recorded
        return Shown(self.processes, seen.cgroup, seen.guest is not None, recorded)

    # --- pages ------------------------------------------------------------------------------------------------------

    def on_resize(self, event: events.Resize) -> None:
        """Another room."""
        self._lay_out()

    def watch_page(self, page: str) -> None:
        """Another page is in sight."""
        for pane in self.query(".page"):
            pane.set_class(pane.id == page, "-on")
        self.query_one("#side").set_class(page in ("due", "ahead"), "-on")
        self.query_one("#middle").set_class(page in ("paper", "experiments"), "-on")
        if page != "ahead" or self.pages:
            self.query_one("#record" if page == "live" else f"#{page}").focus()

    def _lay_out(self) -> None:
        narrow = self.size.width < MEDIUM
        there = tuple(page for page in PAGES if page != "live" or self.live is not None)
        self.pages = there if narrow else ()
        self.page = settle(self.page, self.pages or ("paper",))
        self.watch_page(self.page)

    def action_turn_page(self, by: int) -> None:
        """Another page."""
        self.page = self.pages[(self.pages.index(self.page) + by) % len(self.pages)]

    def action_uncover(self) -> None:
        """Show the answer; where the note is out of sight, bring it into sight first."""
        if self.page != "paper":
            self.page = "paper"
        else:
            super().action_uncover()

    def action_read_on(self) -> None:
        """Page through the note."""
        self.page = "paper"
        self.sheet.action_page_down()

    @on(PageBar.Turned)
    def _turned(self, message: PageBar.Turned) -> None:
        self.page = message.page

    @on(DueList.Picked)
    def _picked(self, message: DueList.Picked) -> None:
        self.pick(message.item)
        self.page = "paper"

    @on(Grades.Given)
    def _given(self, message: Grades.Given) -> None:
        self.action_rate(message.rating)

    @on(Grades.Clicked)
    def _clicked(self) -> None:
        if self.turn is Turn.RECALL:
            self.action_uncover()
        else:
            self.action_go_on()

    @on(PaperView.Asked)
    def _asked(self, message: PaperView.Asked) -> None:
        self._say(self.desk.about(message.name) if message.is_note else message.name)

    # --- run it again -----------------------------------------------------------------------------------------------

    @on(PaperView.Again)
    def _marked(self, message: PaperView.Again) -> None:
        for choice in self.usable:
            if choice.number == message.number:
                self._run_again(choice)

    @on(Experiments.Wanted)
    def _wanted(self, message: Experiments.Wanted) -> None:
        self._run_again(message.choice)

    def action_run_again(self) -> None:
        """The highlighted one."""
        if (choice := self.experiments.chosen) is not None:
            self._run_again(choice)

    async def action_open_lesson(self) -> None:
        """The lesson itself, at that step."""
        if (choice := self.experiments.chosen) is not None:
            await self._end()
            lesson = self.lessons[choice.lesson]
            screen = LearnScreen(lesson, self.course)
            screen.player.session.go_to(experiment(lesson, choice.step) or 0)
            self.app.push_screen(screen)

    @work(group="live", exclusive=True, exit_on_error=False)
    async def action_end_live(self) -> None:
        """End it."""
        await self._end()

    def moved_on(self) -> None:
        """An experiment belongs to its note."""
        if self._again is not None:
            self.action_end_live()

    async def leave(self) -> None:
        """End the experiment; returns when nothing is left of it. May raise ContlabError."""
        if self._again is not None:
            self._ending.add(asyncio.create_task(self._again.close()))
            self._again = None
        if not self._ending:
            return
        # Waiting for them may be cut short by another key; the closing itself may not.
        done, _ = await asyncio.wait(set(self._ending))
        self._ending -= done
        for closed in done:
            closed.result()

    async def action_lessons(self) -> None:
        """Back to the list."""
        await self.leave()
        self.dismiss()

    @work(group="live", exclusive=True, exit_on_error=False)
    async def _run_again(self, choice: Choice) -> None:
        await self.leave()
        self._scrollback, self._evidence = Scrollback(), Evidence()
        again = Again(self.lessons[choice.lesson], choice.step, self.course.open_lab, self._played)
        self._again = again
        self._played()
        if self.pages:
            self.page = "live"
        try:
            lab = await again.open()
            self._follow(again, lab)
            await again.play()
        except ContlabError as error:
            if self._again is again and not get_current_worker().is_cancelled:
                self.tell(error.message, error.hint)

    async def _end(self) -> None:
        await self.leave()
        self.live, self.text, self.processes = None, "", ()
        self._lay_out()

    @work(group="news", exit_on_error=False)
    async def _follow(self, again: Again, lab: Lab) -> None:
        await pump(lab, lambda news: self._heard(again, news))

    def _heard(self, again: Again, news: News) -> None:
        if again is not self._again:
            return
        match news:
            case Output(text=text):
                self._scrollback.write(text)
                self.text = self._scrollback.text
            case Sampled(snapshots=snapshots):
                self._evidence.sampled(snapshots)
                self.processes = snapshots.get(again.container, EMPTY).processes
                self.changes = self._evidence.changes(again.container)
            case Happened(event=event):
                self._evidence.happened(event)
            case Trouble(message=message, hint=hint):
                self.tell(message, hint)
        self._played()

    def _played(self) -> None:
        """The experiment has come further."""
        if (again := self._again) is None or not self.is_mounted:
            return
        before = self.live
        if again.doing is Doing.RUNNING and (run := again.session.next_run) is not None:
            command = f"$ {' '.join(run.command.split())}\n"
            if not self._scrollback.text.endswith(command) and (before is None or before.running != command[2:-1]):
                self._scrollback.begin_line()
                self._scrollback.write(command)
                self.text = self._scrollback.text
        self.live = live_view(again, self._evidence.ready_us.get(again.container, 0.0))
        if before is None:
            self._lay_out()

    def watch_live(self, live: LiveView | None) -> None:
        """Make room for it, or give it back."""
        self.set_class(live is not None, "-live")
        if live is not None:
            self.query_one(Live).view = live
