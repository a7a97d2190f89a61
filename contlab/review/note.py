"""Note: one Markdown file's bytes, its review schedule, and the smallest edit that changes that schedule.

An edit replaces the text of three values, ``sr-due``, ``sr-interval`` and ``sr-ease``, or inserts their lines. All
other bytes stay: line ends, byte order mark, comments, quotes, list style, a missing final newline, the body. Where
that can't be promised the note is refused, in words.
"""

from __future__ import annotations

import re
from datetime import date, datetime

import msgspec

from contlab.review import properties
from contlab.review.properties import Properties
from contlab.review.refusal import NoteRefusal, Reason

KEYS = ("sr-due", "sr-interval", "sr-ease")
"""In the order the plugin writes them."""

BOM = b"\xef\xbb\xbf"
_OPENING = re.compile(rb"(?:\xef\xbb\xbf)?---[ \t]*(\r?\n|\r|\Z)")
_FRONTMATTER = re.compile(rb"(?:\xef\xbb\xbf)?---[ \t]*\r?\n(.*?)^---[ \t]*(?:\r?\n|\Z)", re.MULTILINE | re.DOTALL)
_KEY = re.compile(rb"^(sr-due|sr-interval|sr-ease)[ \t]*:", re.MULTILINE)
_VALUE = re.compile(
    rb"""(?:[ \t]+(?:"(?P<double>[^"\r\n]*)"|'(?P<single>[^'\r\n]*)'|(?P<bare>[^\s"'\#][^\r\n]*?)))?
        (?:[ \t]+\#[^\r\n]*|[ \t]*)(?=\r?\n)
        (?!\r?\n(?:-[ \t\r\n]|[ \t]+[^\s\#]))""",
    re.VERBOSE,
)
"""What follows a key's colon on its line. A value that goes on in the next line is none."""
_USUAL = re.compile(
    rb"sr-due: (\d{4}-\d\d-\d\d)\r?\nsr-interval: (\d{1,9})\r?\nsr-ease: (\d{1,9})\r?\n(?![ \t]|-[ \t\r\n])"
)
"""The three lines as the plugin writes them."""
_NUMBER = re.compile(r"[0-9]{1,9}(\.[0-9]*)?")


class Schedule(msgspec.Struct, frozen=True, gc=False):
    """When a note comes back."""

    due: date
    interval: float
    """Days."""
    ease: float
    """Percent."""


class BrokenSchedule(msgspec.Struct, frozen=True):
    """Review keys whose values can't be read: listed for the owner, never rewritten."""

    why: str


class Value(msgspec.Struct, frozen=True):
    """One review key's value in the file."""

    start: int
    end: int
    """Byte offsets of the value's text, without its quotes; of the place behind the colon where there is none."""
    text: str
    bare: bool = True
    """False inside quotes."""
    readable: bool = True


class Note(msgspec.Struct, frozen=True):
    """A note as read. ``parse`` makes it."""

    data: bytes
    start: int
    """Where the properties begin, behind the opening fence; 0 when there are none."""
    end: int
    """Where the closing fence begins; equals ``start`` when there are no properties."""
    values: dict[str, tuple[Value, ...]]
    schedule: Schedule | BrokenSchedule | None
    """None: never reviewed (one of the three keys is missing or empty)."""

    @property
    def has_frontmatter(self) -> bool:
        """Whether the note has properties, be they empty."""
        return self.start > 0

    @property
    def frontmatter(self) -> bytes:
        """What stands between the fences."""
        return self.data[self.start : self.end]

    @property
    def body(self) -> bytes:
        """What follows the closing fence's line."""
        if not self.has_frontmatter:
            return self.data.removeprefix(BOM)
        _, _, body = self.data[self.end :].partition(b"\n")
        return body


def find_properties(data: bytes) -> tuple[int, int]:
    """Where a note's properties begin and end; (0, 0) when it has none."""
    if data.startswith(b"---\n"):  # as nearly every note has them
        end = data.find(b"\n---", 3) + 1
        if end and data.startswith(b"\n", end + 3):
            return 4, end
    found = _FRONTMATTER.match(data)
    return found.span(1) if found else (0, 0)


def find_schedule(data: bytes, start: int, end: int) -> Schedule | BrokenSchedule | None:
    """The schedule in the properties between ``start`` and ``end``: what ``parse`` finds, several times faster."""
    if (at := data.find(b"sr-", start, end)) < 0:
        return None
    usual = _USUAL.match(data, at)
    if usual and data[at - 1] == 0x0A and data.find(b"sr-", usual.end(), end) < 0:
        due, interval, ease = usual.groups()
        if day := parse_date(due.decode()):
            return Schedule(day, float(interval), float(ease))
    return _schedule(_values(data, start, end))


def parse(data: bytes) -> Note:
    """Read a note. Nothing is refused here: what can't be written may still be shown."""
    start, end = find_properties(data)
    values = _values(data, start, end)
    return Note(data, start, end, values, _schedule(values))


def _values(data: bytes, start: int, end: int) -> dict[str, tuple[Value, ...]]:
    values: dict[str, tuple[Value, ...]] = {}
    for line in _KEY.finditer(data, start, end):
        key = line[1].decode()
        values[key] = (*values.get(key, ()), _value(data, line.end()))
    return values


def _value(data: bytes, colon: int) -> Value:
    if (found := _VALUE.match(data, colon)) is None:
        return Value(colon, colon, "", readable=False)
    if (group := found.lastgroup) is None:
        return Value(colon, colon, "")
    return Value(*found.span(group), found[group].decode(errors="replace"), bare=group == "bare")


def _schedule(values: dict[str, tuple[Value, ...]]) -> Schedule | BrokenSchedule | None:
    for key, found in values.items():
        if len(found) > 1:
            return BrokenSchedule(f"{key} stands {len(found)} times")
        if not found[0].readable:
            return BrokenSchedule(f"{key} is more than a plain value on one line")
    due, interval, ease = (values[key][0].text if key in values else "" for key in KEYS)
    if not (due and interval and ease):
        return None
    if (day := parse_date(due)) is None:
        return BrokenSchedule(f"sr-due is {due!r}, which is no date")
    for key, text in (("sr-interval", interval), ("sr-ease", ease)):
        if not _NUMBER.fullmatch(text):
            return BrokenSchedule(f"{key} is {text!r}, which is no number")
    return Schedule(day, float(interval), float(ease))


def parse_date(text: str) -> date | None:
    """A date in one of the plugin's three formats: 2026-04-25, 25-04-2026, Sat Apr 25 2026."""
    try:
        if len(text) == 10 and text[4] == "-":
            return date.fromisoformat(text)
    except ValueError:
        return None
    for form in ("%d-%m-%Y", "%a %b %d %Y"):
        try:
            return datetime.strptime(text, form).date()
        except ValueError:
            continue
    return None


def reschedule(note: Note, due: date, interval: int, ease: int) -> bytes:
    """The note's bytes with a new schedule; ``NoteRefusal`` when that can't be done without touching anything else."""
    _check_form(note)
    before = properties.read(note.frontmatter, KEYS)
    _check_keys(note, before)
    texts = dict(zip(KEYS, (due.isoformat(), str(interval), str(ease)), strict=True))
    data = _edited(note, texts)
    new = parse(data)
    after = properties.read(new.frontmatter, KEYS)
    if (after.others, after.schedule, new.body) != (before.others, {k: [v] for k, v in texts.items()}, note.body):
        raise NoteRefusal(
            Reason.SIDE_EFFECT,
            "changing the three sr- values would change more of the note: its properties are not plain lines",
            "Write the properties as 'name: value' lines in Obsidian's source mode.",
        )
    return data


def _edited(note: Note, texts: dict[str, str]) -> bytes:
    newline = b"\r\n" if note.data.partition(b"\n")[0].endswith(b"\r") else b"\n"
    missing = b"".join(f"{key}: {text}".encode() + newline for key, text in texts.items() if key not in note.values)
    if not note.has_frontmatter:
        bom = BOM if note.data.startswith(BOM) else b""
        return bom + b"---" + newline + missing + b"---" + newline + note.data[len(bom) :]
    edits = [(note.end, note.end, missing)]
    for key, (value, *_) in note.values.items():
        space = b" " if value.bare and not value.text else b""
        edits.append((value.start, value.end, space + texts[key].encode()))
    data = note.data
    for start, end, new in sorted(edits, reverse=True):
        data = data[:start] + new + data[end:]
    return data


def _check_form(note: Note) -> None:
    try:
        note.data.decode()
    except UnicodeDecodeError as error:
        raise NoteRefusal(
            Reason.NOT_UTF8,
            f"the note is not UTF-8: byte {error.start} is {note.data[error.start]:#04x}",
            "Save it as UTF-8 in an editor; contlab never changes a note's encoding.",
        ) from error
    opening = _OPENING.match(note.data)
    if opening and opening[1] == b"\r":
        raise NoteRefusal(
            Reason.OLD_LINE_ENDS,
            "the note's lines end with a carriage return alone, as on old Macs",
            "Save it with LF or CRLF line ends in an editor.",
        )
    if opening and not note.has_frontmatter:
        raise NoteRefusal(
            Reason.UNTERMINATED,
            "the note's first line is ---, which opens its properties, but no line --- closes them",
            "Add the closing --- line (or a blank line before the first --- when it is meant as a rule).",
        )


def _check_keys(note: Note, seen: Properties) -> None:
    for key in KEYS:
        lines, found = note.values.get(key, ()), seen.schedule.get(key, [])
        if len(lines) > 1 or len(found) > 1:
            raise NoteRefusal(
                Reason.DUPLICATE_KEY,
                f"{key} stands more than once in the note's properties: which one counts is not known",
                "Delete all but one, then rate again.",
            )
        if len(lines) != len(found) or None in found:
            raise NoteRefusal(
                Reason.HIDDEN_KEY,
                f"{key} is not a plain line of its own in the note's properties, so it can't be changed alone",
                f"Write it as '{key}: value' at the start of a line.",
            )
    if isinstance(note.schedule, BrokenSchedule):
        raise NoteRefusal(
            Reason.BROKEN_SCHEDULE,
            f"the note's schedule can't be read: {note.schedule.why}",
            "Mend the three sr- lines by hand, or delete them to start the note anew.",
        )
