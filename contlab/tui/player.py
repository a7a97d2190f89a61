"""Player: drives one lesson's session and its lab for a screen. No Textual here; a test can play it alone.

::

    OPENING ─▶ READY ─▶ RUNNING ─▶ JUDGING ─▶ READY ...
       │         ▲ the session's phase says what READY waits for
       └▶ STUCK ─┘ (the step could not be opened; or the lab died: LOST)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import StrEnum

from contlab.course.facts import FactContext
from contlab.course.lesson import Lesson
from contlab.course.session import Phase, Prediction, Session
from contlab.errors import ContlabError
from contlab.lab.protocol import Lab

LabFactory = Callable[[Lesson], Awaitable[Lab]]
"""Opens the live things of a lesson; may raise ContlabError."""


class Activity(StrEnum):
    """What the player is doing."""

    OPENING = "opening"
    """The step's containers are being made."""
    READY = "ready"
    """It is the learner's turn."""
    RUNNING = "running"
    """A command runs."""
    JUDGING = "judging"
    """The facts are being read."""
    STUCK = "stuck"
    """The step could not be opened or run; it can be started again."""
    LOST = "lost"
    """The lab is gone; it can be opened again."""
    CLOSING = "closing"
    """Everything is being ended."""


class Player:
    """One learner, one lesson, one lab. Every method that awaits the lab may raise ContlabError."""

    def __init__(self, lesson: Lesson, open_lab: LabFactory, changed: Callable[[], None], index: int = 0) -> None:
        self.session = Session(lesson, index)
        self.activity = Activity.OPENING
        self.lab: Lab | None = None
        self.answers: dict[int, tuple[Prediction, ...]] = {}
        """Judged predictions by step index: the lesson's score."""
        self._open_lab = open_lab
        self._changed = changed
        self._before: dict[int, FactContext] = {}
        """How things stood when each step was first entered: a repeated step is judged against the same."""

    async def open(self) -> Lab:
        """Open the lab; ``enter`` comes next."""
        self._be(Activity.OPENING)
        try:
            self.lab = await self._open_lab(self.session.lesson)
        except ContlabError:
            self._be(Activity.LOST)
            raise
        return self.lab

    async def enter(self, index: int | None = None) -> None:
        """Open a step's containers. Any step but the following one is reached through those before it, freshly made."""
        here = self.session.index
        target = here if index is None else index
        first = target if index == here + 1 else 0
        self.session.go_to(target)
        self._be(Activity.OPENING)
        with self._trouble():
            lab = self._need()
            for place in range(first, self.session.index + 1):
                if place not in self._before:
                    self._before[place] = await lab.facts()
                await lab.enter(self.session.lesson.steps[place])
        self._be(Activity.READY)

    async def go_on(self) -> None:
        """The reading is over, or on to the next step."""
        match self.session.phase:
            case Phase.READ:
                self.session.read(self._before[self.session.index])
                await self._settle()
                if self._nothing_to_explain():
                    await self.go_on()
            case Phase.EXPLAIN if not self.at_end:
                await self.enter(self.session.index + 1)
            case Phase.EXPLAIN:
                self.session.advance()
                self._changed()
            case _:
                pass

    async def predict(self, choice: int) -> None:
        """Answer the question that is asked."""
        self.session.predict(choice)
        await self._settle()

    async def run(self) -> None:
        """Run the command that is next, to its end."""
        if (run := self.session.next_run) is None:
            return
        self._be(Activity.RUNNING)
        with self._trouble(Activity.READY):
            self.session.ran(await self._need().run(run))
        await self._settle()

    async def interrupt(self) -> None:
        """Kill the command that is running."""
        if self.lab is not None and self.activity is Activity.RUNNING:
            await self.lab.interrupt()

    async def close(self) -> None:
        """End everything; returns when nothing is left."""
        self._be(Activity.CLOSING)
        if self.lab is not None:
            await self.lab.close()

    def lost(self) -> None:
        """The lab ended without being asked to."""
        if self.activity is not Activity.CLOSING:
            self.lab = None
            self._be(Activity.LOST)

    @property
    def at_end(self) -> bool:
        """The current step is the last."""
        return self.session.index + 1 == len(self.session.lesson.steps)

    def _nothing_to_explain(self) -> bool:
        """A step that was only to be read is over as soon as it was."""
        session = self.session
        said = session.predictions or session.results or session.judgements
        return session.phase is Phase.EXPLAIN and not said

    async def _settle(self) -> None:
        """Where only the kernel's judgement is missing, get it."""
        if self.session.phase is Phase.OBSERVE:
            self._be(Activity.JUDGING)
            with self._trouble():
                self.session.observe(await self._need().facts())
            self.answers[self.session.index] = tuple(self.session.predictions)
        self._be(Activity.READY)

    def _need(self) -> Lab:
        if self.lab is None:
            raise ContlabError("The lab is gone.", "Press R to open it again.")
        return self.lab

    def _be(self, activity: Activity) -> None:
        if self.activity is not Activity.CLOSING:
            self.activity = activity
        self._changed()

    def _trouble(self, then: Activity = Activity.STUCK) -> _Trouble:
        return _Trouble(self, then)


class _Trouble:
    """While a lab call runs: a ContlabError leaves the player in a state from which the learner can go on."""

    def __init__(self, player: Player, then: Activity) -> None:
        self._player, self._then = player, then

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None and self._player.activity is not Activity.LOST:
            self._player._be(self._then)
