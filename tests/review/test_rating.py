"""Rating and undoing notes, with other writers and with SIGKILL."""

from __future__ import annotations

import os
import signal
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contlab.review import rating
from contlab.review.log import Log, State
from contlab.review.note import Schedule, parse, reschedule
from contlab.review.osr import Rating
from contlab.review.rating import Context
from contlab.review.refusal import NoteRefusal, Reason
from contlab.review.settings import Settings

USERS_NOTE = (Path(__file__).parents[1] / "data" / "review" / "why-containers.md").read_bytes()
LATE = Context(date(2026, 11, 23), Settings(), {})
LARGE = USERS_NOTE + b"\n" + b"more\n" * 4000


@pytest.fixture
def log(tmp_path):
    with Log(tmp_path / "data" / "review.sqlite3") as log:
        yield log


@pytest.fixture
def note(tmp_path):
    path = tmp_path / "vault" / "Why containers.md"
    path.parent.mkdir()
    path.write_bytes(USERS_NOTE)
    return path


def rate(log: Log, path: Path, grade: str = "good", context: Context = LATE, shown: bytes | None = None):
    return rating.rate(log, path.parent, path, Rating(grade), context, path.read_bytes() if shown is None else shown)


def test_the_users_note_rated_good_late_comes_back_in_1793_days(log, note):
    made = rate(log, note)
    assert made.schedule == Schedule(date(2031, 10, 21), 1793, 250)
    expected = USERS_NOTE.replace(b"2026-04-25", b"2031-10-21").replace(b"611", b"1793")
    assert note.read_bytes() == made.after == expected


def test_a_change_shown_is_not_written(note):
    assert rating.change(note, USERS_NOTE, Rating.HARD, LATE).schedule == Schedule(date(2027, 10, 21), 332, 230)
    assert note.read_bytes() == USERS_NOTE


@pytest.mark.parametrize(
    ("grade", "due", "interval", "ease"),
    [("easy", "2023-09-10", 4, 270), ("good", "2023-09-09", 3, 250), ("hard", "2023-09-07", 1, 230)],
)
def test_a_first_review_starts_from_the_base_ease(log, note, grade, due, interval, ease):
    note.write_bytes(b"#review\n")
    made = rate(log, note, grade, Context(date(2023, 9, 6), Settings(), {}))
    assert made.schedule == Schedule(date.fromisoformat(due), interval, ease)


def test_a_first_review_starts_from_its_neighbours_ease(log, note):
    note.write_bytes(b"#review\n")
    made = rate(log, note, "easy", Context(date(2023, 9, 6), Settings(), {}, first_ease=252))
    assert made.schedule == Schedule(date(2023, 9, 10), 4, 272)


def test_a_note_reviewed_by_the_plugin_meanwhile_is_not_multiplied_twice(log, note):
    """The plugin rewrites the properties between what was shown and the key press: the person is told."""
    by_plugin = USERS_NOTE.replace(b"2026-04-25", b"2031-10-21").replace(b"611", b"1793").replace(b"  - ", b"- ")
    note.write_bytes(by_plugin)
    with pytest.raises(
        NoteRefusal, match="already reviewed elsewhere since it was shown: it is due 2031-10-21"
    ) as caught:
        rate(log, note, shown=USERS_NOTE)
    assert caught.value.reason is Reason.REVIEWED_ELSEWHERE
    assert note.read_bytes() == by_plugin
    assert log.history() == []


def test_an_edit_of_the_body_meanwhile_is_kept(log, note):
    note.write_bytes(USERS_NOTE + b"\nadded meanwhile")
    made = rate(log, note, shown=USERS_NOTE)
    assert made.after.endswith(b"\nadded meanwhile")
    assert made.schedule.interval == 1793


def test_two_contlabs_rating_the_same_note_count_once(log, note, tmp_path):
    """Each shows the note before either has rated it."""
    rate(log, note, shown=USERS_NOTE)
    with Log(tmp_path / "data" / "review.sqlite3") as other, pytest.raises(NoteRefusal, match="already reviewed"):
        rate(other, note, shown=USERS_NOTE)
    assert len(log.history()) == 1


def test_schedules_kept_elsewhere_are_refused(log, note):
    elsewhere = Context(LATE.on, Settings(data_store="SINGLE_FILE"), {})
    with pytest.raises(NoteRefusal, match="SINGLE_FILE") as caught:
        rate(log, note, context=elsewhere)
    assert caught.value.reason is Reason.OTHER_STORE


def test_a_due_day_beyond_the_calendar_is_refused(log, note):
    with pytest.raises(NoteRefusal, match="beyond the calendar") as caught:
        rate(log, note, context=Context(LATE.on, Settings(maximum_interval=9e9), None), shown=make_far(note))
    assert caught.value.reason is Reason.OUT_OF_RANGE


def make_far(note: Path) -> bytes:
    note.write_bytes(USERS_NOTE.replace(b"611", b"99999999"))
    return note.read_bytes()


def test_every_rating_can_be_undone_byte_for_byte(log, note):
    seen = []
    day = LATE.on
    for grade in ("good", "hard", "easy", "hard", "good"):
        seen.append(note.read_bytes())
        due = rate(log, note, grade, Context(day, Settings(), {})).schedule.due
        day = due + timedelta(days=3)
    while last := log.last():
        rating.undo(log, last)
        assert note.read_bytes() == seen.pop()
    assert seen == []
    assert log.history() == []


def test_undo_after_an_edit_of_the_body_takes_back_the_values_alone(log, note):
    rate(log, note)
    note.write_bytes(note.read_bytes() + b"\nadded later")
    rating.undo(log, log.last())
    assert note.read_bytes() == USERS_NOTE + b"\nadded later"
    assert log.last() is None


def test_undo_leaves_a_note_alone_that_was_reviewed_again_elsewhere(log, note):
    rate(log, note)
    newer = reschedule(parse(note.read_bytes()), date(2040, 1, 1), 3000, 250)
    note.write_bytes(newer)
    with pytest.raises(NoteRefusal) as caught:
        rating.undo(log, log.last())
    assert caught.value.reason is Reason.CHANGED_SINCE
    assert note.read_bytes() == newer
    assert log.last().state is State.DONE


@given(st.sampled_from(["good", "hard", "easy"]), st.binary(max_size=40), st.integers(-100, 4000))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
def test_any_rating_changes_three_values_or_is_refused_and_writes_nothing(tmp_path_factory, grade, noise, overdue):
    folder = tmp_path_factory.mktemp("vault")
    path = folder / "n.md"
    before = USERS_NOTE + noise
    path.write_bytes(before)
    context = Context(date(2026, 4, 25) + timedelta(days=overdue), Settings(), {})
    with Log(folder / "data" / "log.sqlite3") as log:
        try:
            made = rate(log, path, grade, context)
        except NoteRefusal:
            assert path.read_bytes() == before
            assert log.history() == []
        else:
            assert path.read_bytes() == made.after
            assert parse(made.after).body == parse(before).body
            assert parse(made.after).schedule == made.schedule
            rating.undo(log, log.last())
            assert path.read_bytes() == before


BOUNDARIES = ("open", "pread", "pwrite", "ftruncate", "fsync", "rename", "unlink", "fchown", "fchmod", "setxattr")


def killed(act, after: int, tear: bool) -> bool:
    """Run ``act`` in a child that SIGKILLs itself instead of its system call number ``after``; False: it had fewer.

    ``tear`` lets a fatal pwrite put down its first page, as the kernel may when the signal comes between pages.
    """
    if (child := os.fork()) == 0:
        calls = 0

        def counted(real, tears: bool):
            def call(*arguments, **named):
                nonlocal calls
                if calls == after:
                    if tears:
                        number, data, offset = arguments
                        real(number, data[: 4096 - offset % 4096], offset)
                    os.kill(os.getpid(), signal.SIGKILL)
                calls += 1
                return real(*arguments, **named)

            return call

        for name in BOUNDARIES:
            setattr(os, name, counted(getattr(os, name), tear and name == "pwrite"))
        try:
            act()
            os._exit(0)
        except BaseException:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, -signal.SIGKILL)
    return code != 0


def rate_anew(folder: Path) -> None:
    with Log(folder / "data" / "log.sqlite3") as log:
        rate(log, folder / "vault" / "n.md")


def undo_anew(folder: Path) -> None:
    with Log(folder / "data" / "log.sqlite3") as log:
        rating.undo(log, log.last())


def make_vault(folder: Path, data: bytes, linked: bool) -> Path:
    path = folder / "vault" / "n.md"
    path.parent.mkdir(parents=True)
    path.write_bytes(data)
    if linked:
        path.with_name("twin.md").hardlink_to(path)
    return path


@pytest.mark.parametrize("tear", [False, True], ids=["", "torn"])
@pytest.mark.parametrize("linked", [False, True], ids=["", "hard-linked"])
@pytest.mark.parametrize("data", [USERS_NOTE, LARGE], ids=["one page", "pages"])
@pytest.mark.parametrize("undoing", [False, True], ids=["rate", "undo"])
def test_sigkill_at_every_boundary_leaves_the_old_note_or_the_new(tmp_path, data, undoing, linked, tear):
    """Strictly so at once; a hard-linked note, which has to be written in place, at the next start at the latest."""
    after = rating.change(Path("n.md"), data, Rating.GOOD, LATE).after
    old, new = (after, data) if undoing else (data, after)
    outcomes = []
    for at in range(100):
        folder = tmp_path / str(at)
        path = make_vault(folder, data, linked)
        if undoing:
            rate_anew(folder)
        was_killed = killed(partial(undo_anew if undoing else rate_anew, folder), at, tear)
        if not linked:
            assert path.read_bytes() in (old, new), f"after {at} calls"
        with Log(folder / "data" / "log.sqlite3") as log:
            rating.recover(log)
            found = path.read_bytes()
            assert found in (old, new), f"after {at} calls and a new start"
            assert (log.last() is not None) == (found == after)
        assert {entry.name for entry in path.parent.iterdir()} == ({"n.md", "twin.md"} if linked else {"n.md"})
        outcomes.append(found)
        if not was_killed:
            break
    assert len(outcomes) > 4
    assert outcomes[0] == old
    assert outcomes[-1] == new


def test_sigkill_at_any_moment_leaves_the_old_note_or_the_new(tmp_path):
    """Wherever the kernel is: the killer doesn't ask."""
    path = make_vault(tmp_path, LARGE, linked=False)
    after = rating.change(path, LARGE, Rating.GOOD, LATE).after
    for delay in range(0, 6000, 150):
        reader, writer = os.pipe()
        if (child := os.fork()) == 0:
            os.write(writer, b".")
            while True:
                undo_anew(tmp_path) if path.read_bytes() == after else rate_anew(tmp_path)
        os.read(reader, 1)
        for _ in range(delay):
            os.getppid()
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reader), os.close(writer)
        assert path.read_bytes() in (LARGE, after)
        with Log(tmp_path / "data" / "log.sqlite3") as log:
            rating.recover(log)
            assert (log.last() is not None) == (path.read_bytes() == after)
