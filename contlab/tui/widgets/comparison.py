"""The comparison, drawn: a line for each row, and all that is known of one of them. Pure: rows in, ``Content`` out."""

from __future__ import annotations

from collections.abc import Iterator

from textual.content import Content

from contlab.lab.compare import Cell, Comparison, Fit, Row, squares
from contlab.lab.compare_rows import within
from contlab.linux.sizes import format_size
from contlab.tui.text import cell, hang, safe, wrap
from contlab.tui.units import duration

WIDE = 96
"""Columns from which container and VM stand beside each other."""

_MARGIN = 11
_BAR = 24
_LONGEST = 14
"""Steps of a birth that are shown; the shortest others are added up."""


def line(row: Row, width: int) -> Content:
    """One row in the list: label, both figures, how many times, and where each is from."""
    if width >= WIDE:
        return _beside(row, width)
    lines = [Content.assemble(safe(row.label, "bold"), _times(row))]
    lines += _under("container", row.container, "$success", width)
    lines += _under("VM", row.vm, "$secondary", width)
    if row.note:
        lines += wrap(safe(row.note, "$warning"), width)
    return Content("\n").join(lines)


def _beside(row: Row, width: int) -> Content:
    label = 29
    room = (width - label - 12) // 2
    note = row.note.partition(":")[0]  # the whole stands in the details

    def columns(first: Content, container: str, vm: str, styles: tuple[str, str]) -> Content:
        cells = [first, cell(container, room, styles[0]), cell(vm, room, styles[1])]
        return Content("  ").join(cells)

    muted = "$foreground-muted italic"
    first = columns(cell(row.label, label, "bold"), _text(row.container), _text(row.vm), ("$success", "$secondary"))
    second = columns(cell(note, label, "$warning"), _tag(row.container), _tag(row.vm), (muted, muted))
    return Content("\n").join([Content.assemble(first, _times(row)), second])


def _under(name: str, one: Cell | None, style: str, width: int) -> list[Content]:
    said = Content.assemble((_text(one), style), (f"  · {_tag(one)}" if one else "", "$foreground-muted italic"))
    return hang(cell(name, _MARGIN, "$foreground-muted"), said, width)


def _text(one: Cell | None) -> str:
    return "…" if one is None else one.text


def _tag(one: Cell | None) -> str:
    return "" if one is None else one.tag


def _times(row: Row) -> Content:
    if row.ratio is None:
        return Content("")
    return Content.styled(f"  ×{row.ratio:,.0f}" if row.ratio >= 9.95 else f"  ×{row.ratio:.2g}", "$accent bold")


def details(row: Row, comparison: Comparison, width: int) -> Content:
    """What a row means, all its figures, and the waterfall or the picture that belongs to it."""
    lines: list[Content] = [*wrap(safe(row.label, "bold $primary"), width)]
    if row.note:
        lines += wrap(safe(row.note, "$warning bold"), width)
    lines += [*wrap(safe(row.explanation), width), Content("")]
    for name, one, style in (
        ("host", row.host, ""),
        ("container", row.container, "$success"),
        ("VM", row.vm, "$secondary"),
        ("cited VM", row.cited, "$foreground-muted"),
    ):
        if one is not None:
            said = Content.assemble((f"{one.text}{within(one)}", style), (f"  · {one.tag}", "$foreground-muted italic"))
            lines += hang(cell(name, _MARGIN, "$foreground-muted"), said, width)
    for name, one in (("container", row.container), ("VM", row.vm)):
        if one is not None and one.steps:
            lines += [Content(""), Content.styled(f"{name}: where the time goes", "bold"), *waterfall(one, width)]
    if row.key == "density" and comparison.fit is not None:
        lines += [Content(""), *picture(comparison.fit, width)]
    return Content("\n").join(lines)


def waterfall(one: Cell, width: int) -> Iterator[Content]:
    """A birth's steps, each with its stretch of the time axis."""
    whole = sum(step.microseconds for step in one.steps) or 1.0
    longest = sorted((step.microseconds for step in one.steps), reverse=True)[: _LONGEST - 1]
    least = longest[-1] if len(one.steps) > _LONGEST else 0.0
    before = others = 0.0
    bar = _BAR if width >= 70 else 10
    for step in one.steps:
        start = int(before / whole * bar)
        before += step.microseconds
        if step.microseconds < least:
            others += step.microseconds
            continue
        length = max(1, min(bar - start, round(step.microseconds / whole * bar)))
        yield Content.assemble(
            cell(step.name, max(12, width - bar - 10)),
            cell(duration(step.microseconds), 9, "$foreground-muted", right=True),
            " ",
            (f"{' ' * start}{'█' * length}", "$primary"),
        )
    if others:
        few = sum(step.microseconds < least for step in one.steps)
        name = cell(f"{few} shorter ones", max(12, width - bar - 10), "$foreground-muted italic")
        yield Content.assemble(name, cell(duration(others), 9, "$foreground-muted", right=True))


def picture(fit: Fit, width: int) -> Iterator[Content]:
    """How many fit in this host's memory, drawn."""
    columns = max(10, width - _MARGIN - 1)
    containers, vms, each = squares(fit, columns * 5)
    yield Content.styled(f"in {format_size(fit.room)} of this host's memory; ■ is {each}", "$foreground-muted")
    for name, count, number, style in (
        ("containers", containers, fit.containers, "$success"),
        ("VMs", vms, fit.vms, "$secondary"),
    ):
        names = [name, f"{number:,}"]
        for place in range(max(2, -(-count // columns))):
            drawn = "■" * max(0, min(columns, count - place * columns))
            yield Content.assemble(cell(names[place] if place < 2 else "", _MARGIN, "bold"), (drawn, style))
