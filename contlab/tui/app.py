"""ContlabApp: the lessons' list, the lesson being played, and a clean way out."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import termios
from collections.abc import Callable, Iterable
from functools import partial
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen, Screen

from contlab.course.lesson import Lesson
from contlab.errors import ContlabError
from contlab.tui.course import Course
from contlab.tui.reviewing import Reviewing
from contlab.tui.screens.compare import CompareScreen, Comparing
from contlab.tui.screens.error import ErrorScreen
from contlab.tui.screens.help import HelpScreen
from contlab.tui.screens.home import HomeScreen, LessonPicked
from contlab.tui.screens.learn import LearnScreen
from contlab.tui.screens.review import ReviewScreen
from contlab.tui.text import visible_lines
from contlab.tui.theme import DARK, THEMES

_PLACES = ("review", "compare")
"""Actions that lead from the list to another screen."""


class ContlabApp(App[None]):
    """Takes a course: lessons, labs, progress. Tests inject their own."""

    TITLE = "contlab"
    CSS_PATH = "app.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("question_mark", "help", "Help", key_display="?", tooltip="Keys, and what the panels show"),
        Binding("v", "review", "Review", tooltip="Review the notes and cards that are due"),
        Binding("c", "compare", "Compare", tooltip="A container and a virtual machine side by side, measured here"),
        Binding("q", "quit", "Quit", tooltip="End the lab, clean up and leave"),
        Binding("ctrl+q", "quit", "Quit", show=False, priority=True),
        Binding("ctrl+c", "quit", "Quit", show=False),
    ]

    def __init__(
        self,
        course: Course,
        first: Lesson | None = None,
        review: Callable[[], Reviewing] | None = None,
        *,
        review_first: bool = False,
        comparing: Comparing | None = None,
    ) -> None:
        """``first``: the lesson to begin with; without one, the list is shown. ``review``: makes what is reviewed.
        ``comparing``: measures what the Compare screen shows.
        """
        super().__init__()
        self.course, self._first = course, first
        self._review, self._review_first = review, review_first
        self._comparing = comparing
        self._leaving = False

    def on_mount(self) -> None:
        """The list first, and over it the lesson that was asked for."""
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = DARK.name
        if not self.is_headless:
            loop = asyncio.get_running_loop()
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, lambda: self.call_later(self.action_quit))
            signal.signal(signal.SIGHUP, lambda *_: self._hang_up(loop))
        self.push_screen(HomeScreen(self.course))
        if self._first is not None:
            self.push_screen(LearnScreen(self._first, self.course))
        if self._review_first:
            self.action_review()

    def on_lesson_picked(self, message: LessonPicked) -> None:
        """Play a lesson, from where it was left."""
        self.push_screen(LearnScreen(message.lesson, self.course))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The review and the comparison open from the list: beside a lesson's lab, nothing could be measured."""
        if action in _PLACES:
            there = self._review if action == "review" else self._comparing
            screen = next(screen for screen in reversed(self.screen_stack) if not isinstance(screen, ModalScreen))
            return there is not None and isinstance(screen, HomeScreen)
        return super().check_action(action, parameters)

    @work(group="play", exit_on_error=False)
    async def action_review(self) -> None:
        """Open the review; reading the lessons for its links waits for the disk."""
        if self._review is None:
            return
        try:
            self.push_screen(ReviewScreen(await asyncio.to_thread(self._review), self.course))
        except ContlabError as error:
            self.push_screen(ErrorScreen(error.message, error.hint))

    def action_compare(self) -> None:
        """Open the comparison; it begins to measure at once."""
        if self._comparing is not None:
            self.push_screen(CompareScreen(self._comparing))

    def action_help(self) -> None:
        """Keys and panels."""
        self.push_screen(HelpScreen(self.screen))

    async def action_quit(self) -> None:
        """Leave; a lab that is open is ended first. Asked twice, leave at once: the supervisor cleans up after us."""
        if self._leaving:
            self.exit()
        else:
            self._leaving = True
            self.run_worker(self._leave(), group="quit")

    def _hang_up(self, loop: asyncio.AbstractEventLoop) -> None:
        """SIGHUP. Where the terminal is gone, the event loop may be stuck for good: Textual's writing thread died of
        EIO, and nobody empties its queue. Then end at once; the supervisor sees it and cleans up."""
        try:
            termios.tcgetattr(sys.__stdin__.fileno() if sys.__stdin__ else 0)
        except termios.error:
            os._exit(128 + signal.SIGHUP)
        loop.call_soon_threadsafe(lambda: self.call_later(self.action_quit))

    async def _leave(self) -> None:
        try:
            for screen in self.screen_stack:
                if isinstance(screen, LearnScreen | ReviewScreen | CompareScreen):
                    await screen.leave()
        except ContlabError as error:
            self.exit(return_code=int(error.exit_code), message=Text(visible_lines(str(error))))
        else:
            self.exit()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Textual's own, and every key of the screen, or to another one, that is valid now."""
        yield from super().get_system_commands(screen)
        for active in screen.active_bindings.values():
            binding = active.binding
            if active.enabled and binding.tooltip and (active.node is screen or binding.action in _PLACES):
                run = partial(self.run_action, binding.action, active.node)
                yield SystemCommand(binding.description, binding.tooltip, run)
