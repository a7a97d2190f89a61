"""The lesson's prose: what is to be read, what was said and done, and what the runs have unlocked."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.getters import query_one
from textual.reactive import reactive
from textual.widgets import Markdown

from contlab.tui.text import safe
from contlab.tui.view import NOTHING, StepView
from contlab.tui.widgets.panel import SCROLLING
from contlab.tui.widgets.record import Hints, Record


class Lesson(VerticalScroll, inherit_bindings=False):
    """One step of the lesson, scrolling."""

    DEFAULT_CSS = """
    Lesson {
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
        Markdown { padding: 0; margin: 0; background: $background; }
        Markdown.-empty { display: none; }
        MarkdownParagraph { margin: 0 0 1 0; }
        MarkdownListItem MarkdownParagraph { margin: 0; }
        MarkdownFence { margin: 0 0 1 0; }
        MarkdownH3 { margin: 0 0 1 0; }
    }
    """
    HELP = (
        "The lesson. Arrow keys and Page Up/Down scroll. What the kernel will show stays hidden until you have run it."
    )

    BINDINGS: ClassVar[list[BindingType]] = SCROLLING

    view: reactive[StepView] = reactive(NOTHING)

    before = query_one("#before", Markdown)
    after = query_one("#after", Markdown)

    def compose(self) -> ComposeResult:
        """Prose, record, prose after the runs, hints."""
        yield Markdown(id="before", open_links=False)
        yield Record(markup=False).data_bind(Lesson.view)
        yield Markdown(id="after", open_links=False)
        yield Hints(markup=False).data_bind(Lesson.view)

    async def watch_view(self, old: StepView, view: StepView) -> None:
        """Another step, phase or hint. Only what differs is parsed again."""
        self.border_title = safe(view.title)
        if view.before != old.before:
            await self._show(self.before, view.before)
        if view.after != old.after:
            await self._show(self.after, view.after)
        if (view.number, view.lesson) != (old.number, old.lesson):
            self.scroll_home(animate=False)
        elif view.judged and not old.judged:
            self.call_after_refresh(self.scroll_to_widget, self.query_one(Record), top=True, animate=False)
        elif len(view.hints) > len(old.hints):
            self.call_after_refresh(self.scroll_end, animate=False)

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

    async def _show(self, markdown: Markdown, text: str) -> None:
        markdown.set_class(not text, "-empty")
        await markdown.update(text)
