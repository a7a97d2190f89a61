"""Which container the panels show."""

from __future__ import annotations

from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from contlab.tui.text import safe


class Selector(Widget):
    """The containers of the lesson on one line; ``t`` goes to the next."""

    DEFAULT_CSS = """
    Selector { height: 1; padding: 0 1; background: $background; text-wrap: nowrap; }
    """

    containers: reactive[tuple[tuple[str, str], ...]] = reactive(())
    """As ``PlayScreen.containers``."""
    chosen: reactive[str] = reactive("")
    kernel: reactive[str] = reactive("")

    def render(self) -> Content:
        """``▸ tenant   neighbour (gone)        Linux 6.1.0``."""
        if not self.containers:
            return Content.styled("no container yet", "$foreground-muted italic")
        left = Content("   ").join(self._label(name, how) for name, how in self.containers)
        hint = Content.styled("   t: next", "$foreground-muted")
        if len(self.containers) > 1 and left.cell_length + hint.cell_length <= self.size.width:
            left = Content.assemble(left, hint)
        right = safe(f"Linux {self.kernel}" if self.kernel else "", "$foreground-muted")
        gap = self.size.width - left.cell_length - right.cell_length
        return Content.assemble(left, " " * gap, right) if gap >= 2 else left

    def _label(self, name: str, how: str) -> Content:
        gone = Content.styled(f" ({how})", "$accent" if how == "booting" else "$error") if how else Content("")
        if name == self.chosen:
            return Content.assemble(("▸ ", "bold $primary"), safe(name, "bold $primary"), gone)
        return Content.assemble("  ", safe(name, "$foreground-muted"), gone)
