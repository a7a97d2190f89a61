"""A line of page names, one of them chosen; for panes that share a place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from textual import events
from textual.content import Content
from textual.message import Message
from textual.reactive import reactive
from textual.style import Style
from textual.widget import Widget

from contlab.tui.pages import NAMES


class PageBar(Widget):
    """Names of pages; a click goes there."""

    DEFAULT_CSS = """
    PageBar { height: auto; background: $background; padding: 0 1; }
    """

    @dataclass
    class Turned(Message):
        """A page was asked for."""

        page: str

    pages: reactive[tuple[str, ...]] = reactive((), layout=True)
    """Their ids."""
    page: reactive[str] = reactive("")
    """The chosen one."""

    def __init__(self, names: Mapping[str, str] = NAMES, *, id: str | None = None) -> None:
        """``names``: a page's id -> what it is called."""
        super().__init__(id=id)
        self._names = names

    def render(self) -> Content:
        """The chosen one is reversed and bold, so that colour isn't needed to see it."""
        return Content("").join(self._label(page) for page in self.pages)

    def _label(self, page: str) -> Content:
        style = "bold reverse $primary" if page == self.page else "$foreground-muted"
        return Content.styled(f" {self._names[page]} ", style).stylize(Style.from_meta({"page": page}))

    def on_click(self, event: events.Click) -> None:
        """Go to the page under the pointer."""
        if page := event.style.meta.get("page"):
            self.post_message(self.Turned(page))
