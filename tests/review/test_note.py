from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contlab.review.note import (
    _FRONTMATTER,
    BOM,
    BrokenSchedule,
    Schedule,
    find_properties,
    find_schedule,
    parse,
    parse_date,
    reschedule,
)
from contlab.review.refusal import NoteRefusal, Reason

USERS_NOTE = (Path(__file__).parents[1] / "data" / "review" / "why-containers.md").read_bytes()
DUE = date(2031, 10, 21)
KEYS = "sr-due: 2026-04-25\nsr-interval: 611\nsr-ease: 250\n"


def rescheduled(text: str | bytes) -> bytes:
    return reschedule(parse(text.encode() if isinstance(text, str) else text), DUE, 1793, 230)


def refusal(text: str | bytes) -> Reason:
    with pytest.raises(NoteRefusal) as caught:
        rescheduled(text)
    assert caught.value.message
    assert caught.value.hint
    return caught.value.reason


def test_the_users_note_is_read():
    assert parse(USERS_NOTE).schedule == Schedule(date(2026, 4, 25), 611, 250)


def test_only_three_values_of_the_users_note_change():
    expected = (
        USERS_NOTE.replace(b"2026-04-25", b"2031-10-21")
        .replace(b"sr-interval: 611", b"sr-interval: 1793")
        .replace(b"sr-ease: 250", b"sr-ease: 230")
    )
    assert rescheduled(USERS_NOTE) == expected


@pytest.mark.parametrize(
    "before",
    [
        f"---\n{KEYS}---\nbody",
        f"---\n{KEYS}---",
        f"---\r\n{KEYS}---\r\nbody\r\n".replace("\n", "\r\n").replace("\r\r", "\r"),
        f"\ufeff---\n{KEYS}---\nbody\n",
        "---\nsr-ease: 250\ntitle: x\nsr-interval: 611\nsr-due: 2026-04-25\n---\nbody",
        "---\nsr-due: \"2026-04-25\"\nsr-interval: '611'\nsr-ease: 250 # percent\n---\n",
        "---\nsr-due :   2026-04-25  \nsr-interval:\t611\nsr-ease: 250\t# tab\n---\n",
        f"---  \ntags: [a, 'b']  # flow\nx: yes\nat: 12:30\nn: 007\nnil: ~\n{KEYS}---\t\nbody\n\n",
        f"---\n{KEYS}nested:\n  sr-due: mine\n  list:\n  - 1\n---\n---\nsr-due: in the body\n---\n",
        f"---\ntext: |\n  a block\n  sr-due: text\n{KEYS}---\nbody",
        f"---\n{{{{title}}}}: template\n{KEYS}---\nbody",
        f"---\ntags:\n- a\n-   b\n{KEYS}---\n",
    ],
)
def test_everything_but_the_three_values_stays(before):
    data = before.encode()
    after = rescheduled(data)
    back = after.replace(b"2031-10-21", b"2026-04-25").replace(b"1793", b"611").replace(b"230", b"250")
    assert back == data
    assert parse(after).schedule == Schedule(DUE, 1793, 230)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("body", "---\nsr-due: 2031-10-21\nsr-interval: 1793\nsr-ease: 230\n---\nbody"),
        ("", "---\nsr-due: 2031-10-21\nsr-interval: 1793\nsr-ease: 230\n---\n"),
        ("a\r\nb", "---\r\nsr-due: 2031-10-21\r\nsr-interval: 1793\r\nsr-ease: 230\r\n---\r\na\r\nb"),
        ("\ufeffbody", "\ufeff---\nsr-due: 2031-10-21\nsr-interval: 1793\nsr-ease: 230\n---\nbody"),
        ("---\n---\nx", "---\nsr-due: 2031-10-21\nsr-interval: 1793\nsr-ease: 230\n---\nx"),
        ("---\na: b\n---", "---\na: b\nsr-due: 2031-10-21\nsr-interval: 1793\nsr-ease: 230\n---"),
        (
            "---\nsr-due:\nsr-interval: # none\na: b\n---\nx",
            "---\nsr-due: 2031-10-21\nsr-interval: 1793 # none\na: b\nsr-ease: 230\n---\nx",
        ),
        ('---\nsr-ease: ""\n---\nx', '---\nsr-ease: "230"\nsr-due: 2031-10-21\nsr-interval: 1793\n---\nx'),
    ],
)
def test_missing_lines_are_inserted_last_in_the_plugins_order(before, after):
    assert parse(before.encode()).schedule is None
    assert rescheduled(before) == after.encode()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"---\n{KEYS}sr-due: 2026-04-26\n---\n", Reason.DUPLICATE_KEY),
        (f"---\n{KEYS}", Reason.UNTERMINATED),
        ("---\n\nA rule, then prose.\n", Reason.UNTERMINATED),
        (f"---\ntitle: a: b\n{KEYS}---\n", Reason.INVALID_YAML),
        (f"---\nplain prose\n---\n{KEYS}", Reason.INVALID_YAML),
        (f"---\na: 1\na: 2\n{KEYS}---\n", Reason.INVALID_YAML),
        (f"---\na: \x01\n{KEYS}---\n", Reason.INVALID_YAML),
        (f"---\na: {'[' * 100}\n{KEYS}---\n", Reason.INVALID_YAML),
        ('---\n"sr-due": 2026-04-25\nsr-interval: 1\nsr-ease: 250\n---\n', Reason.HIDDEN_KEY),
        ("---\n{sr-due: 2026-04-25, sr-interval: 1, sr-ease: 250}\n---\n", Reason.HIDDEN_KEY),
        ("---\nsr-due: [2026-04-25]\nsr-interval: 1\nsr-ease: 250\n---\n", Reason.HIDDEN_KEY),
        ("---\nsr-due:\n  - 2026-04-25\nsr-interval: 1\nsr-ease: 250\n---\n", Reason.HIDDEN_KEY),
        ("---\nsr-due: 2026-04-25\n  and more\nsr-interval: 1\nsr-ease: 250\n---\n", Reason.BROKEN_SCHEDULE),
        ("---\nsr-due: &d 2026-04-25\nsr-interval: 1\nsr-ease: 250\n---\n", Reason.BROKEN_SCHEDULE),
        ("---\nsr-due: soon\nsr-interval: 1\nsr-ease: 250\n---\n", Reason.BROKEN_SCHEDULE),
        ("---\nsr-due: Invalid date\nsr-interval: NaN\nsr-ease: NaN\n---\n", Reason.BROKEN_SCHEDULE),
        ("---\nsr-due: null\nsr-interval: null\nsr-ease: null\n---\n", Reason.BROKEN_SCHEDULE),
        ("---\n{title: x}\n---\n", Reason.INVALID_YAML),
        ("---\ntext: 'quoted\n  to the end'\n...\n---\n", Reason.INVALID_YAML),
        (f"---\r{KEYS}---\r".replace("\n", "\r"), Reason.OLD_LINE_ENDS),
        (b"---\nsr-due: 2026-04-25\n---\ncaf\xe9", Reason.NOT_UTF8),
    ],
)
def test_a_note_is_refused_in_words(text, reason):
    assert refusal(text) is reason


def test_the_three_date_formats_of_the_plugin_are_read():
    day = date(2026, 4, 25)
    assert [parse_date(t) for t in ("2026-04-25", "25-04-2026", "Sat Apr 25 2026")] == [day] * 3
    assert [parse_date(t) for t in ("2026-13-01", "tomorrow", "", "2026-4-5x")] == [None] * 4


def test_a_decimal_interval_is_read():
    note = parse(b"---\nsr-due: 2026-04-25\nsr-interval: 2.5\nsr-ease: 250\n---\n")
    assert note.schedule == Schedule(date(2026, 4, 25), 2.5, 250)


def test_a_broken_schedule_says_what_is_broken():
    note = parse(b"---\nsr-due: 2026-04-25\nsr-interval: two\nsr-ease: 250\n---\n")
    assert note.schedule == BrokenSchedule("sr-interval is 'two', which is no number")


LINES = """title: x|tags:|  - a|- b|sr-due: 2026-04-25|sr-interval: 611|sr-ease: 250
|sr-ease:||#c|"sr-due": x|  sr-due: 1
|x: [1,|]|t: \u2502|...|---|---  |é: ✅|a: 'b|c'|\ufeff|sr-interval: [1]|sr-due : 2026-04-25|? sr-due|: 1|&a x: *a
|\u2028sr-due: 1|x: y\rz|t: >|sr-due: '2026-01-01' # c"""
line = st.sampled_from(LINES.replace("\n", "").split("|"))
note_bytes = st.builds(
    lambda bom, newline, lines, tail: bom + newline.join(lines).encode() + tail,
    st.sampled_from([b"", BOM]),
    st.sampled_from(["\n", "\r\n"]),
    st.lists(line, max_size=14).map(lambda lines: ["---", *lines[:-3], "---", *lines[-3:]])
    | st.lists(line, max_size=8),
    st.binary(max_size=8) | st.sampled_from([b"", b"\n", b"\r\n"]),
)


@given(note_bytes, st.dates(), st.integers(1, 36525), st.integers(130, 999))
def test_any_note_keeps_its_body_and_gets_its_three_values_or_is_refused(data, due, interval, ease):
    note = parse(data)
    try:
        after = reschedule(note, due, interval, ease)
    except NoteRefusal:
        return
    new = parse(after)
    assert new.schedule == Schedule(due, interval, ease)
    assert new.body == note.body
    assert without_schedule(after) == without_schedule(data)


def without_schedule(data: bytes) -> list[bytes]:
    note = parse(data)
    lines = note.frontmatter.split(b"\n") if note.has_frontmatter else []
    return [line for line in lines if line and not line.startswith(b"sr-")]


@given(note_bytes)
def test_the_quick_reading_of_a_schedule_finds_what_the_thorough_one_does(data):
    start, end = find_properties(data)
    note = parse(data)
    assert (start, end) == (note.start, note.end)
    assert find_schedule(data, start, end) == note.schedule
    if _FRONTMATTER.match(data):
        assert (start, end) == _FRONTMATTER.match(data).span(1)
