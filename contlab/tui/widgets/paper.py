"""The paper: a note or a card, its answers covered until they are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import unquote

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.getters import query_one
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Markdown, Static

from contlab.tui.notetext import parser, steady
from contlab.tui.reviewing import Paper
from contlab.tui.widgets.panel import SCROLLING

SCROLLING_WITHOUT_SPACE: list[BindingType] = [
    *(binding for binding in SCROLLING if isinstance(binding, Binding) and binding.action != "page_down"),
    Binding("pagedown", "page_down", show=False),
]
"""Space is the screen's: it uncovers, then pages."""


class PaperView(VerticalScroll, inherit_bindings=False):
    """Title in the border, facts in the first line, then the text."""

    DEFAULT_CSS = """
    PaperView {
        border: round $border;
        border-title-color: $primary;
        border-title-style: bold;
        border-subtitle-color: $foreground-muted;
        padding: 0 1;
        scrollbar-size-vertical: 1;
        scrollbar-background: $background;
        scrollbar-color: $border;
        background: $background;
        &:focus { border: round $primary; }
        #head { height: auto; color: $foreground-muted; }
        #notice { height: auto; color: $warning; }
        #body { margin: 1 0 0 0; max-width: 100; }
        .-empty { display: none; }
        Markdown { padding: 0; background: $background; }
        MarkdownParagraph { margin: 0 0 1 0; }
        MarkdownBulletList MarkdownParagraph, MarkdownOrderedList MarkdownParagraph { margin: 0; }
        MarkdownFence { margin: 0 0 1 0; }
        MarkdownH1, MarkdownH2, MarkdownH3, MarkdownH4, MarkdownH5, MarkdownH6 {
            margin: 0 0 1 0; color: $primary; text-style: bold; content-align: left middle; background: $background;
        }
    }
    """
    HELP: ClassVar[str] = (
        "What is reviewed: a note, or a card. Say what you remember, then uncover it and rate yourself.\n"
        "⟳ marks what a lesson can show live; its number is that of the list. [[Links]] say when their note is due."
    )
    BINDINGS: ClassVar[list[BindingType]] = SCROLLING_WITHOUT_SPACE

    @dataclass
    class Again(Message):
        """A mark was clicked, by its number."""

        number: int

    @dataclass
    class Asked(Message):
        """A link was clicked: what is that?"""

        name: str
        is_note: bool

    paper: reactive[Paper] = reactive(Paper())

    body = query_one("#body", Markdown)

    def compose(self) -> ComposeResult:
        """Facts, notice, text."""
        yield Static(id="head", markup=False)
        yield Static(id="notice", markup=False)
        yield Markdown(id="body", open_links=False, parser_factory=parser)

    async def watch_paper(self, old: Paper, paper: Paper) -> None:
        """Another paper, or more of it."""
        self.border_title = Content(steady(paper.title))
        for name, said in (("#head", " · ".join(paper.head)), ("#notice", paper.notice)):
            line = self.query_one(name, Static)
            line.set_class(not said, "-empty")
            line.update(Content(steady(said)))
        if paper.text != old.text:
            await self.body.update(paper.text)
        if paper.title != old.title or paper.head != old.head:
            self.scroll_home(animate=False)

    def on_markdown_link_clicked(self, event: Markdown.LinkClicked) -> None:
        """A mark, a wiki-link, or an address, which is only shown."""
        event.stop()
        kind, _, rest = event.href.partition(":")
        if kind == "again" and rest.isdecimal():
            self.post_message(self.Again(int(rest)))
        else:
            is_note = kind == "note"
            self.post_message(self.Asked(unquote(rest) if is_note else event.href, is_note))

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Say when there is more below."""
        super().watch_scroll_y(old_value, new_value)
        self._point()

    def watch_show_vertical_scrollbar(self) -> None:
        """There is more than fits, or not any longer."""
        self.call_after_refresh(self._point)

    def _point(self) -> None:
        more = self.show_vertical_scrollbar and self.scroll_y < self.max_scroll_y
        self.border_subtitle = Content("↓ more · Space") if more else None
