"""PlayScreen: the keys of a lesson and the workers behind them. What is drawn, its subclass composes."""

from __future__ import annotations

import contextlib
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any, ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.reactive import reactive
from textual.worker import Worker, WorkerState

from contlab.course.lesson import Hint, Lesson
from contlab.course.session import Phase, Prediction
from contlab.errors import ContlabError
from contlab.lab.protocol import Happened, Lab, News, Trouble
from contlab.runtime.events import OperationDone
from contlab.tui.course import Course
from contlab.tui.messages import LabEnded, NewsArrived, TroubleArrived
from contlab.tui.player import Activity, Player
from contlab.tui.pump import pump
from contlab.tui.screens.error import ErrorScreen
from contlab.tui.screens.explaining import ExplainingScreen
from contlab.tui.text import script
from contlab.tui.timeline import Timeline
from contlab.tui.view import NOTHING, StepView, view_of


class PlayScreen(ExplainingScreen):
    """One lesson being played. Every key is valid only when ``check_action`` says so; the footer shows just those."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "go_on", "Go on", key_display="⏎", tooltip="Do what the prompt says"),
        Binding("r", "run", "Run", tooltip="Run the command that is shown"),
        Binding("escape", "interrupt", "Stop it", key_display="Esc", tooltip="Kill the running command"),
        Binding("ctrl+c", "stop", "Stop", show=False, priority=True, tooltip="Kill the running command; else leave"),
        Binding("h", "hint", "Hint", tooltip="One more hint"),
        Binding("b", "back", "Back", tooltip="Back a step; its containers are made anew"),
        Binding("s", "skip", "Skip", tooltip="On to the next step without finishing this one"),
        Binding("R", "restart", "Restart", show=False, tooltip="Make this step's containers anew and begin it again"),
        Binding("right", "turn(1)", "Panels", key_display="←→", tooltip="The next page of panels"),
        Binding("left", "turn(-1)", "Panels", show=False),
        Binding("t", "container", "Container", tooltip="Show the next container or guest in the panels"),
        Binding("c", "by_hand", "By hand", show=False, tooltip="Operations as the commands that do them by hand"),
        Binding("z", "zoom", "Zoom", show=False, tooltip="Give the focused panel the whole screen, or take it back"),
        Binding("l", "lessons", "Lessons", show=False, tooltip="Close this lesson and go to the list"),
        Binding("1", "predict(0)", "Predict 1", show=False, tooltip="Answer with choice 1; 2, 3 ... likewise"),
        *(Binding(str(n), f"predict({n - 1})", f"Predict {n}", show=False) for n in range(2, 10)),
    ]

    view: reactive[StepView] = reactive(NOTHING, bindings=True, init=False)
    page: reactive[str] = reactive("", bindings=True, init=False)
    choice: reactive[tuple[str, ...]] = reactive((), bindings=True)
    """The pages that take turns."""
    containers: reactive[tuple[tuple[str, str], ...]] = reactive((), bindings=True)
    """Names of containers and guests, and what is wrong with each, in a word; "" when it runs."""
    chosen: reactive[str] = reactive("", init=False)
    """The container or guest that the panels show."""
    progress: reactive[str] = reactive("")
    """The kernel operation done last, while a step is being opened; how far a guest is, while one waits for it."""
    by_hand: reactive[bool] = reactive(False)

    def __init__(self, lesson: Lesson, course: Course) -> None:
        super().__init__()
        self.course = course
        self.player = Player(lesson, course.open_lab, self._changed, course.progress.next_step(lesson))
        self.timeline = Timeline()
        self._gone = False

    def on_mount(self) -> None:
        """The lab opens as soon as the screen is there."""
        self._changed()
        self._play(self._open())

    async def on_unmount(self) -> None:
        """However the screen goes, nothing of the lab stays."""
        self._gone = True
        with contextlib.suppress(ContlabError):  # ``leave`` has told it
            await self.player.close()

    def tell(self, message: str, hint: str = "") -> None:
        """Show what went wrong and what mends it; not twice over: a lab in trouble says so at every sample."""
        if not isinstance(self.app.screen, ErrorScreen):
            self.app.push_screen(ErrorScreen(message, hint))

    async def leave(self) -> None:
        """End the lab; the prompt says so until it is done. ContlabError when something was left."""
        await self.player.close()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Whether a key means anything now."""
        view, ready = self.view, self.view.activity is Activity.READY
        match action:
            case "go_on":
                return ready and view.phase is not Phase.DONE
            case "run":
                return ready and view.next_run is not None
            case "predict":
                choices = view.question.choices if view.question else ()
                return ready and isinstance(parameters[0], int) and parameters[0] < len(choices)
            case "interrupt":
                return view.activity is Activity.RUNNING
            case "hint":
                return bool(view.hints_left) and ready
            case "back":
                return view.number > 1 and ready
            case "skip":
                return ready and bool(view.following) and not view.judged
            case "restart":
                return view.activity in (Activity.STUCK, Activity.LOST) or ready
            case "turn":
                return len(self.choice) > 1
            case "container":
                return len(self.containers) > 1
            case _:
                return True

    def action_go_on(self) -> None:
        """What the prompt says; where the prompt is out of sight, bring it into sight first."""
        if self.view.phase is Phase.RUN:
            self.action_run()
        elif "lesson" in self.choice and self.page != "lesson":
            self.page = "lesson"
        elif self.view.phase in (Phase.READ, Phase.EXPLAIN):
            self._play(self.player.go_on())

    def action_run(self) -> None:
        """Run the command that is next."""
        if (run := self.view.next_run) is not None and self._play(self.player.run()):
            self.timeline.give(run.name, "\n  ".join(script(run.command)))
            self.post_message(NewsArrived())

    def action_predict(self, choice: int) -> None:
        """Answer the question."""
        if self.check_action("predict", (choice,)):
            self._play(self.player.predict(choice))

    def action_stop(self) -> None:
        """Ctrl-C: kill the running command, else leave cleanly."""
        if self.view.activity is Activity.RUNNING:
            self.action_interrupt()
        else:
            self.app.call_later(self.app.action_quit)

    @work(group="interrupt", exit_on_error=False)
    async def action_interrupt(self) -> None:
        """Kill the running command."""
        await self.player.interrupt()

    def action_hint(self) -> None:
        """One more rung."""
        hints: tuple[Hint, ...] = self.player.session.step.of(Hint)
        self.player.session.hints_shown = min(len(hints), self.player.session.hints_shown + 1)
        self._changed()

    def action_back(self) -> None:
        """The step before, made anew."""
        self._play(self.player.enter(self.player.session.index - 1))

    def action_skip(self) -> None:
        """The next step, this one unfinished."""
        self._play(self.player.enter(self.player.session.index + 1))

    def action_restart(self) -> None:
        """This step again, with a new lab if the old one is gone."""
        self._play(self._open() if self.player.lab is None else self.player.enter())

    def action_turn(self, by: int) -> None:
        """Another page of panels."""
        place = self.choice.index(self.page) if self.page in self.choice else 0
        self.page = self.choice[(place + by) % len(self.choice)]

    def action_container(self) -> None:
        """The next container's panels."""
        names = [name for name, _ in self.containers]
        self.chosen = names[(names.index(self.chosen) + 1) % len(names)] if self.chosen in names else names[0]

    def action_by_hand(self) -> None:
        """Descriptions or commands."""
        self.by_hand = not self.by_hand

    @work(group="quit", exit_on_error=False)
    async def action_lessons(self) -> None:
        """Back to the list."""
        await self.leave()
        self.dismiss()

    def _changed(self) -> None:
        if self._gone:
            return
        old, self.view = self.view, view_of(self.player)
        if self.view.phase is Phase.EXPLAIN and old.phase is not Phase.EXPLAIN:
            session = self.player.session
            when = datetime.now(UTC).isoformat(timespec="seconds")
            self._save(session.lesson, session.step.slug, tuple(session.predictions), when)

    @work(thread=True, group="save", exit_on_error=False)
    def _save(self, lesson: Lesson, slug: str, predictions: tuple[Prediction, ...], when: str) -> None:
        """Writing waits for the disk, so it is done beside the event loop."""
        self.course.progress.finish(lesson, slug, predictions, when)

    def _play(self, act: Coroutine[Any, Any, None]) -> bool:
        """One act at a time: a key pressed while another act runs is not kept for later; False then."""
        if any(worker.group == "play" and not worker.is_finished for worker in self.workers):
            act.close()
            return False
        self.run_worker(act, group="play", exit_on_error=False)
        return True

    async def _open(self) -> None:
        lab = await self.player.open()
        self._follow(lab)
        await self.player.enter()

    @work(group="news", exit_on_error=False)
    async def _follow(self, lab: Lab) -> None:
        """Until the lab's news end."""
        await pump(lab, self._hear)
        if self.player.lab is lab:
            self.post_message(LabEnded())

    def _hear(self, news: News) -> None:
        self.timeline.hear(news)
        match news:
            case Happened(event=OperationDone(describe=describe)) if self.view.activity is Activity.OPENING:
                self.progress = describe
            case Trouble(message=message, hint=hint):
                self.post_message(TroubleArrived(message, hint))
        self.post_message(NewsArrived())

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """An act failed: say why, and what mends it."""
        if event.state is not WorkerState.ERROR:
            return
        error = event.worker.error
        if isinstance(error, ContlabError):
            self.tell(error.message, error.hint)
        else:
            self.tell(f"contlab made a mistake: {type(error).__name__}: {error}", "Press R to begin the step again.")
