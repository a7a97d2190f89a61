"""AskingScreen: the keys of a review and the workers behind them. What is drawn, its subclass composes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.reactive import reactive
from textual.worker import Worker, WorkerState

from contlab.errors import ContlabError
from contlab.review.desk import Table
from contlab.review.osr import Rating
from contlab.review.refusal import NoteRefusal
from contlab.review.session import Item, Session
from contlab.review.shown import Outcome, Shown
from contlab.tui.notetext import steady
from contlab.tui.reviewing import Choice, Paper, Reviewing, Standing, Turn, choices, empty, paper
from contlab.tui.screens.error import ErrorScreen
from contlab.tui.screens.explaining import ExplainingScreen
from contlab.tui.widgets.ahead import NOTHING

WATCH = 2.0
"""Seconds between two looks at whether another program has changed the note that is shown."""


class AskingScreen(ExplainingScreen):
    """One session. Every key is valid only when ``check_action`` says so; the footer shows just those."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "uncover", "Uncover", key_display="Space", tooltip="Uncover the answer; then page through it"),
        Binding(
            "enter", "go_on", "Go on", key_display="⏎", tooltip="Uncover; after the last, go on for another session"
        ),
        Binding("a,1", "rate('again')", "Again", show=False, tooltip="It was forgotten; ask again soon (cards)"),
        Binding("h,2", "rate('hard')", "Hard", show=False, tooltip="It was remembered with effort"),
        Binding("g,3", "rate('good')", "Good", show=False, tooltip="It was remembered"),
        Binding("e,4", "rate('easy')", "Easy", show=False, tooltip="It was remembered at once"),
        Binding("u", "undo", "Undo", tooltip="Take the last review back, byte for byte; again and again"),
        Binding("n", "later", "Later", tooltip="Ask this one at the end of the session"),
        Binding("w", "raw", "As saved", show=False, tooltip="Show the note's encoding as it is saved, or repaired"),
        Binding("R", "again_from_disk", "Reload", show=False, tooltip="Read the vault again"),
    ]

    shown: reactive[Shown | None] = reactive(None, bindings=True, init=False)
    covered: reactive[bool] = reactive(True, bindings=True, init=False)
    raw: reactive[bool] = reactive(False, init=False)
    changed: reactive[bool] = reactive(False, init=False)
    """Another program has changed the note since it is shown."""
    busy: reactive[bool] = reactive(True, bindings=True, init=False)

    turn: reactive[Turn] = reactive(Turn.WAIT, bindings=True)
    paper: reactive[Paper] = reactive(Paper())
    usable: reactive[tuple[Choice, ...]] = reactive((), bindings=True)
    outcomes: reactive[Mapping[Rating, Outcome]] = reactive({})
    said: reactive[str] = reactive("")
    told: reactive[str] = reactive("")
    """What became of the last key."""
    table: reactive[Table] = reactive(NOTHING)
    standing: reactive[Standing] = reactive(Standing())
    upcoming: reactive[tuple[Item, ...]] = reactive(())

    def __init__(self, reviewing: Reviewing) -> None:
        super().__init__()
        self.desk, self.lessons, self.caps = reviewing.desk, reviewing.lessons, reviewing.caps
        self.session = Session((), self.desk.now(), self.caps)

    def on_mount(self) -> None:
        """Look at the vault."""
        self._draw()
        self._act(self._open)
        self.set_interval(WATCH, self._look)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether a key means anything now."""
        match action:
            case "uncover":
                return self.turn is Turn.RECALL
            case "go_on":
                return self.turn is Turn.CAPPED
            case "read_on":
                return self.turn is not Turn.RECALL
            case "rate":
                return self.turn is Turn.RATE and parameters[0] in self.outcomes
            case "later":
                return self.turn in (Turn.RECALL, Turn.RATE) and len(self.upcoming) > 1
            case "raw":
                return bool(self.shown and self.shown.raw)
            case "undo" | "again_from_disk":
                return not self.busy
            case _:
                return True

    def action_uncover(self) -> None:
        """Show the answer."""
        if self.turn is Turn.RECALL:
            self.covered = False

    def action_go_on(self) -> None:
        """As much again."""
        if self.turn is Turn.CAPPED:
            self.session.go_on(self.desk.now())
            self._act(self._present)

    def action_rate(self, grade: str) -> None:
        """Write the review; the next comes covered, so that a key held down rates once."""
        if self.check_action("rate", (grade,)):
            self._act(partial(self._rate, Rating(grade)))

    def action_undo(self) -> None:
        """One review back."""
        self._act(self._undo)

    def action_later(self) -> None:
        """To the end."""
        if not self.busy:
            self.session.skip(self.desk.now())
            self._act(self._present)

    def action_raw(self) -> None:
        """Repaired, or as saved."""
        self.raw = not self.raw

    def action_again_from_disk(self) -> None:
        """Everything is read again."""
        self._act(self._open)

    def pick(self, item: Item) -> None:
        """That one now."""
        if not self.busy and (self.session.current is None or item.id != self.session.current.id):
            self.session.choose(item)
            self._act(self._present)

    def tell(self, message: str, hint: str = "") -> None:
        """Show what went wrong and what mends it."""
        self.app.push_screen(ErrorScreen(message, hint))

    def moved_on(self) -> None:
        """Another item is shown."""

    async def _open(self) -> None:
        items = await asyncio.to_thread(self.desk.open)
        self.session.renew(items, self.desk.now())
        await self._present()

    async def _present(self) -> None:
        """Show what is asked now; what can't be read is told and passed over."""
        shown = None
        while shown is None and (item := self.session.current) is not None:
            try:
                shown = await asyncio.to_thread(self.desk.show, item)
            except NoteRefusal as error:
                self.tell(error.message, error.hint)
                self.session.drop(self.desk.now())
        self.table = await asyncio.to_thread(self.desk.table)
        if (self.shown.item.id if self.shown else None) != (shown.item.id if shown else None):
            self.moved_on()
        for name in (AskingScreen.raw, AskingScreen.changed):
            self.set_reactive(name, False)
        self.set_reactive(AskingScreen.covered, True)
        self.shown = shown

    async def _rate(self, grade: Rating) -> None:
        shown = self.shown
        assert shown is not None
        try:
            rated = await asyncio.to_thread(self.desk.rate, shown, grade)
        except NoteRefusal as error:
            self.tell(error.message, error.hint)
            if not await asyncio.to_thread(self.desk.is_due, shown.item):
                self.session.drop(self.desk.now())
        else:
            self.session.rated(self.desk.now(), rated.again_at)
            kept = "; what was edited meanwhile is kept" if rated.edited else ""
            self._say(f"{rated.words}{kept} · u takes it back")
        await self._present()

    async def _undo(self) -> None:
        taken = await asyncio.to_thread(self.desk.undo)
        if taken is None:
            self._say("There is no review to take back.")
            return
        self._say(f"taken back: {taken.words}")
        if taken.item is not None:
            self.session.take_back(taken.item)
        await self._present()

    def _say(self, words: str) -> None:
        self.told = steady(words)

    def _look(self) -> None:
        looking = any(worker.group == "look" and not worker.is_finished for worker in self.workers)
        if not (looking or self.busy or self.changed) and self.shown is not None and self.shown.path is not None:
            self._has_changed(self.shown)

    @work(group="look", exit_on_error=False)
    async def _has_changed(self, shown: Shown) -> None:
        changed = await asyncio.to_thread(self.desk.has_changed, shown)
        if changed and shown is self.shown and not self.busy:
            self.changed = True

    def _act(self, act: Callable[[], Awaitable[None]]) -> None:
        """One act at a time: a key pressed while another act runs is not kept for later."""
        if not any(worker.group == "play" and not worker.is_finished for worker in self.workers):
            self.busy = True
            self._acting(act)

    @work(group="play", exit_on_error=False)
    async def _acting(self, act: Callable[[], Awaitable[None]]) -> None:
        try:
            await act()
        finally:
            self.busy = False
            self._draw()

    def watch_covered(self) -> None:
        """Seen."""
        self._draw()

    def watch_raw(self) -> None:
        """Another encoding."""
        self._draw()

    def watch_changed(self) -> None:
        """Say so."""
        self._draw()

    def _draw(self) -> None:
        """Everything that follows from the state."""
        shown = self.shown
        self.turn = self._turn()
        self.usable = choices(shown, self.lessons, covered=self.covered)
        self.outcomes = shown.outcomes if shown else {}
        self.said = self._words()
        self.upcoming = self.session.upcoming
        done = len(self.session.done)
        vault = self.table.vault or "no vault"
        self.standing = Standing(vault, self.desk.day, done, len(self.upcoming))
        if shown is not None:
            self.paper = paper(shown, self.usable, covered=self.covered, raw=self.raw, changed=self.changed)
        else:
            self.paper = empty(self.turn, self.table, done)

    def _turn(self) -> Turn:
        if self.busy:
            return Turn.WAIT
        if self.shown is None:
            return Turn.CAPPED if self.session.upcoming else Turn.EMPTY
        return Turn.RECALL if self.covered else Turn.RATE

    def _words(self) -> str:
        done = len(self.session.done)
        match self.turn:
            case Turn.RECALL:
                return "Say it to yourself, or write it down.\nSpace uncovers the answer · n asks later"
            case Turn.RATE:
                return self.shown.refusal if self.shown else ""
            case Turn.CAPPED:
                left = len(self.session.upcoming)
                reached = self.session.capped(self.desk.now())
                return f"That was {reached}; {left} left.\nEnter goes on · u takes back · q leaves"
            case Turn.EMPTY:
                return f"{done} reviewed; nothing is left.\nu takes the last one back · l to the lessons · q leaves"
            case _:
                return "Reading and writing…"

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """An act failed: say why, and what mends it."""
        if event.state is not WorkerState.ERROR:
            return
        error = event.worker.error
        if isinstance(error, ContlabError):
            self.tell(error.message, error.hint)
        else:
            self.tell(f"contlab made a mistake: {type(error).__name__}: {error}", "Press R to read the vault again.")
