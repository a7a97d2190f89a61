"""The desk: what a screen reads and writes, with other writers about."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from contlab.review.cards import Draft
from contlab.review.desk import Desk
from contlab.review.links import Lessons
from contlab.review.osr import Rating
from contlab.review.refusal import NoteRefusal, Reason
from contlab.review.session import Item, Kind
from contlab.review.shown import Outcome
from contlab.review.vault import open_vault

USERS_NOTE = (Path(__file__).parents[1] / "data" / "review" / "why-containers.md").read_bytes()
RATED = USERS_NOTE.replace(b"2026-04-25", b"2031-10-21").replace(b"611", b"1793")
LATE = date(2026, 11, 23)
NEW = "---\ntags: [review]\n---\ntext"


@pytest.fixture
def note(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "vault" / "Why containers.md"
    (path.parent / ".obsidian").mkdir(parents=True)
    path.write_bytes(USERS_NOTE)
    return path


def desk_of(note: Path, *drafts: Draft, on: date | None = LATE) -> Desk:
    def sync(deck):
        deck.sync(drafts, {draft.source for draft in drafts}, drop=False)

    return Desk(open_vault(note.parent), sync, Lessons(()), on=on, log=note.parents[1] / "log" / "review.sqlite3")


def test_the_users_note_and_its_card_are_there(note):
    desk = desk_of(note)
    first, second = desk.open()

    assert Item(Kind.NOTE, "Why containers.md", "Why containers", late=212) == first
    assert (Kind.CARD, "What does provisioning mean?", True) == (second.kind, second.title, second.is_new)
    table = desk.table()
    assert (1, 1, 0, 1) == (table.due, table.overdue, table.new, table.cards)


def test_it_shows_what_each_rating_would_do_and_the_note_repaired(note):
    desk = desk_of(note)
    shown = desk.show(desk.open()[0])

    assert {
        Rating.HARD: Outcome("10.9 months", "2027-10-21"),
        Rating.GOOD: Outcome("4.9 years", "2031-10-21"),
        Rating.EASY: Outcome("7.9 years", "2034-10-21"),
    } == shown.outcomes
    assert ("✅", "due 2026-04-25, 212 days late", "every 1.7 years", "ease 250", "memory now ≈88%") == shown.about
    assert shown.text.startswith("\n⬅️ [[FEM Docker]]")
    assert shown.raw.startswith("\n‚¨ÖÔ∏è [[FEM Docker]]")
    assert "### Why [[Containers]]?" == shown.text.split("\n")[10 - shown.first_line]


def test_what_a_rating_promised_is_what_it_does(note):
    desk = desk_of(note)
    shown = desk.show(desk.open()[0])
    rated = desk.rate(shown, Rating.GOOD)

    assert RATED == note.read_bytes()
    assert "Why containers: good, due 2031-10-21" == rated.words
    assert not rated.edited
    assert (0, 0) == (desk.table().due, desk.table().overdue)
    assert not desk.is_due(shown.item)


def test_any_number_of_reviews_is_taken_back_byte_for_byte_also_by_a_later_session(note):
    desk = desk_of(note)
    item, card = desk.open()
    desk.rate(desk.show(item), Rating.GOOD)
    desk.rate(desk.show(card), Rating.AGAIN)
    desk.rate(desk.show(card), Rating.EASY)
    desk.rate(desk.show(item), Rating.HARD)

    later = desk_of(note)
    later.open()
    assert "Why containers.md: hard" == later.undo().words
    assert RATED == note.read_bytes()
    assert ["easy", "again"] == [later.undo().words.rpartition(" ")[2] for _ in range(2)]
    taken = later.undo()
    assert USERS_NOTE == note.read_bytes()
    assert item == taken.item
    assert later.undo() is None
    assert 1 == later.table().due


def test_a_note_reviewed_elsewhere_since_it_was_shown_is_not_multiplied_twice(note):
    desk = desk_of(note)
    shown = desk.show(desk.open()[0])
    plugin = USERS_NOTE.replace(b"2026-04-25", b"2031-10-21").replace(b"611", b"1793")
    note.write_bytes(plugin)

    assert desk.has_changed(shown)
    with pytest.raises(NoteRefusal, match="already reviewed elsewhere") as refused:
        desk.rate(shown, Rating.GOOD)
    assert Reason.REVIEWED_ELSEWHERE is refused.value.reason
    assert plugin == note.read_bytes()
    assert not desk.is_due(shown.item)
    assert desk.undo() is None


def test_an_edit_since_the_note_was_shown_is_kept_and_told(note):
    desk = desk_of(note)
    shown = desk.show(desk.open()[0])
    note.write_bytes(USERS_NOTE + b"\nmore")

    assert desk.rate(shown, Rating.GOOD).edited
    assert RATED + b"\nmore" == note.read_bytes()


def test_a_card_reviewed_in_another_contlab_since_it_was_shown_is_not_reviewed_twice(note):
    one, other = desk_of(note), desk_of(note)
    card = one.open()[1]
    other.open()
    shown = one.show(card)
    other.rate(other.show(card), Rating.GOOD)

    with pytest.raises(NoteRefusal, match="reviewed in another contlab"):
        one.rate(shown, Rating.GOOD)


def test_a_forgotten_card_comes_back_within_the_session_and_an_easy_one_does_not(note):
    desk = desk_of(note)
    card = desk.open()[1]
    again = desk.rate(desk.show(card), Rating.AGAIN)
    hard = desk.rate(desk.show(card), Rating.HARD)
    easy = desk.rate(desk.show(card), Rating.EASY)

    assert again.again_at is not None
    assert 590 <= (again.again_at - desk.now()).total_seconds() <= 600
    assert hard.again_at is not None
    assert easy.again_at is None


def test_a_note_that_is_gone_is_told_in_words(note):
    desk = desk_of(note)
    item = desk.open()[0]
    shown = desk.show(item)
    note.unlink()

    assert desk.has_changed(shown)
    for act in (lambda: desk.show(item), lambda: desk.rate(shown, Rating.GOOD)):
        with pytest.raises(NoteRefusal, match=r"Why containers\.md can't be read: No such file"):
            act()


def test_a_note_that_can_t_be_written_is_shown_with_the_reason_in_place_of_ratings(note):
    (note.parent / "yaml.md").write_text("---\na: [\nsr-due: 2026-01-01\nsr-interval: 1\nsr-ease: 250\n---\n")
    desk = desk_of(note)
    shown = next(desk.show(item) for item in desk.open() if item.title == "yaml")

    assert {} == shown.outcomes
    assert "not valid YAML" in shown.refusal


def test_broken_and_unreadable_notes_are_listed_with_their_reasons(note):
    (note.parent / "when.md").write_text("---\nsr-due: soon\nsr-interval: 1\nsr-ease: 250\n---\n")
    (note.parent / "nowhere.md").symlink_to("none")
    desk = desk_of(note)

    assert "when" not in [item.title for item in desk.open()]
    assert ("when.md", "sr-due is 'soon', which is no date") in desk.table().broken


def test_notes_of_one_day_come_by_their_page_rank(note):
    head = "---\nsr-due: 2026-04-25\nsr-interval: 1\nsr-ease: 250\n---\n"
    for name, text in (("A", "[[C]]"), ("B", "[[C]]"), ("C", "")):
        (note.parent / f"{name}.md").write_text(head + text)

    assert ["C", "A", "B", "Why containers"] == [item.title for item in desk_of(note).open() if item.kind is Kind.NOTE]


def test_without_a_vault_there_are_the_lessons_cards(tmp_path):
    def sync(deck):
        deck.sync([Draft("lesson:a/b/step", "Who?", "PID 1")], {"lesson:a/b/step"})

    desk = Desk(None, sync, Lessons(()), log=tmp_path / "review.sqlite3")
    [item] = desk.open()
    shown = desk.show(item)

    assert ("Who?", "PID 1") == (shown.question, shown.text)
    assert ("from the lesson a/b/step", "never reviewed") == shown.about
    assert [("a/b", "step")] == [(link.targets[0].lesson, link.targets[0].step) for link in shown.links]
    assert desk.rate(shown, Rating.GOOD).again_at is None
    assert "" == desk.table().vault


def test_a_review_of_another_vault_is_taken_back_and_said(note, tmp_path):
    other = tmp_path / "other" / "Note.md"
    other.parent.mkdir()
    other.write_bytes(USERS_NOTE)
    log = note.parents[1] / "log" / "review.sqlite3"
    elsewhere = Desk(open_vault(other.parent), lambda deck: None, Lessons(()), on=LATE, log=log)
    elsewhere.rate(elsewhere.show(elsewhere.open()[0]), Rating.GOOD)

    desk = desk_of(note)
    desk.open()
    taken = desk.undo()

    assert taken.item is None
    assert f"Note.md: good, in {other.parent}" == taken.words
    assert USERS_NOTE == other.read_bytes()


def test_a_link_s_note_is_told(note):
    (note.parent / "FEM Docker.md").write_text("---\nsr-due: 2027-01-01\nsr-interval: 9\nsr-ease: 250\n---\n")
    desk = desk_of(note)
    desk.open()

    assert "FEM Docker.md: due 2027-01-01" == desk.about("FEM Docker")
    assert "Nowhere: no such note in this vault" == desk.about("Nowhere")
