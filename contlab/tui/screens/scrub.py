"""ScrubScreen: a lesson being played that one can pause, to look at what was. The lesson itself goes on meanwhile."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.binding import Binding, BindingType
from textual.reactive import reactive

from contlab.tui.evidence import Evidence
from contlab.tui.moment import NOWHERE, Kind, Spot
from contlab.tui.screens.play import PlayScreen
from contlab.tui.widgets.scrubbar import ScrubBar

_TOLD = Kind.HAPPENING + Kind.GRAVE + Kind.STEP


class ScrubScreen(PlayScreen):
    """Pausing holds the panels at a moment of the timeline; the brackets move it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(
            "p", "pause", "Pause", show=False, tooltip="Pause the panels while the lesson goes on, or let them go on"
        ),
        Binding(
            "[",
            "scrub(-1)",
            "Moment back",
            show=False,
            tooltip="Pause, and a moment back: an operation, an event, a sample",
        ),
        Binding("]", "scrub(1)", "Moment on", show=False, tooltip="A moment on"),
        Binding(
            "{",
            f"scrub(-1, '{_TOLD}')",
            "Event back",
            show=False,
            tooltip="Pause, and back to what happened before; operations and samples are left out",
        ),
        Binding("}", f"scrub(1, '{_TOLD}')", "Event on", show=False, tooltip="On to what happened next"),
        Binding(
            "(", f"scrub(-1, '{Kind.STEP}')", "Step back", show=False, tooltip="Pause, and back to where the step began"
        ),
        Binding(")", f"scrub(1, '{Kind.STEP}')", "Step on", show=False, tooltip="On to where the next step began"),
    ]

    ALLOW_IN_MAXIMIZED_VIEW = "Footer, ScrubBar"

    paused: reactive[bool] = reactive(False, bindings=True, init=False)
    spot: reactive[Spot] = reactive(NOWHERE)
    """Where one is while paused."""

    _place = 0
    """The moment that is shown while paused."""

    @property
    def shown(self) -> Evidence:
        """What the panels show: how things are, or how they were."""
        return self.timeline.at(self._place) if self.paused else self.timeline.evidence

    @property
    def printed(self) -> tuple[str, int]:
        """The output, and how many characters of it are no longer there."""
        if self.paused:
            return self.timeline.printed(self._place)
        scrollback = self.timeline.scrollback
        return scrollback.text, scrollback.dropped

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Forward is nothing to go to but from the past."""
        if action == "scrub":
            return self.paused or parameters[0] == -1
        return super().check_action(action, parameters)

    def action_pause(self) -> None:
        """Hold the panels at what is newest, or let them go there."""
        if self.paused:
            self.paused = False
            self.timeline.let_go()
        else:
            self._seek(self.timeline.last)

    def action_scrub(self, by: int, kinds: str = "") -> None:
        """To the moment before or after, of these kinds."""
        self._seek(self.timeline.near(self._place if self.paused else self.timeline.last, by, kinds))

    def keep_up(self) -> None:
        """The timeline has grown: the bar shows it, and panels whose moment is no longer kept go to the oldest."""
        if not self.paused:
            return
        overtaken = self._place < self.timeline.first
        if overtaken:
            self._seek(self.timeline.first)
        self.spot = self.timeline.spot(self._place, overtaken or (self.spot.overtaken and self.spot.number == 1))

    @on(ScrubBar.Sought)
    def _sought(self, message: ScrubBar.Sought) -> None:
        self._seek(self.timeline.first + message.offset)

    def _seek(self, place: int) -> None:
        self._place = min(max(place, self.timeline.first), self.timeline.last)
        self.spot = self.timeline.spot(self._place)
        self.paused = True
        self.show()

    def show(self) -> None:
        """Hand what is shown to the panels."""
        raise NotImplementedError
