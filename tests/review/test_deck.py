from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from contlab import paths
from contlab.course.catalogue import lesson_files
from contlab.course.document import read
from contlab.errors import ContlabError
from contlab.review.cards import Card, Draft, from_lesson, from_note, from_prediction, match
from contlab.review.deck import Deck, Synced
from contlab.review.log import Log
from contlab.review.osr import Rating
from contlab.review.settings import Settings
from contlab.review.undo import undo_last
from contlab.review.vault import open_vault, scan

USERS_NOTE = (Path(__file__).parents[1] / "data" / "review" / "why-containers.md").read_bytes()
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
FAR = datetime(2099, 1, 1, tzinfo=UTC)
DAY = date(2026, 11, 23)


@pytest.fixture
def deck(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with Log(tmp_path / "log.sqlite3") as log:
        yield Deck(log)


def draft(question: str, answer: str = "A", source: str = "note:a") -> Draft:
    return Draft(source, question, answer)


def card(number: int, question: str, answer: str = "A", source: str = "note:a") -> Card:
    return Card(number, source, question, answer, True, 0, "")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([card(1, "Q")], [draft("Q", "B")], [(1, "Q")]),
        ([card(1, "What is a cgroup?")], [draft("What is a control group?")], [(1, "What is a control group?")]),
        ([card(1, "one?"), card(2, "two?")], [draft("two?"), draft("one?")], [(2, "two?"), (1, "one?")]),
        ([card(1, "Same?"), card(2, "Same?")], [draft("Same?"), draft("Same?")], [(1, "Same?"), (2, "Same?")]),
        ([card(1, "Q")], [draft("Q", source="note:b")], [(1, "Q")]),
        ([card(1, "Q")], [draft("Q", "other", source="note:b")], [(1, None), (None, "Q")]),
        ([card(1, "abc def?", "1")], [draft("xyz uvw!", "2")], [(1, None), (None, "xyz uvw!")]),
        ([card(1, "reworded wholly", "same")], [draft("xyz", "same")], [(1, "xyz")]),
        (
            [card(1, "What is pid 1?", "a"), card(2, "What is pid 2?", "b")],
            [draft("What is pid 2 ?", "b"), draft("What is pid 1 ?", "a")],
            [(2, "What is pid 2 ?"), (1, "What is pid 1 ?")],
        ),
    ],
)
def test_an_edited_or_moved_question_is_still_its_card(old, new, expected):
    pairs = [(found and found.id, made and made.question) for found, made in match(old, new)]
    assert sorted(pairs, key=str) == sorted(expected, key=str)


def test_the_users_question_becomes_a_card():
    [found] = from_note("note:x", USERS_NOTE, Settings(), has_cards=False)
    assert found.question == "What does **provisioning** mean?"


def test_the_plugins_syntaxes_count_only_with_a_flashcard_tag():
    data = "Q::A\r\n\r\n🤔 Why?\r\nBecause.\r\n".encode()
    assert [d.question for d in from_note("n", data, Settings(), has_cards=False)] == ["Why?"]
    assert [d.answer for d in from_note("n", data, Settings(), has_cards=True)] == ["A", "Because."]


def test_the_lessons_cards_are_found():
    [path] = lesson_files(paths.shipped("lessons") / "why-containers" / "01-three-walls.md")
    found = list(from_lesson(read(path).lesson))
    assert len(found) >= 3
    assert all(each.source.startswith("lesson:why-containers/three-walls/") for each in found)


def test_a_wrong_prediction_becomes_a_card():
    made = from_prediction("t/l", "step", "Who dies?\n", "The cache's", "\nIt holds the most.")
    assert made == Draft("prediction:t/l/step", "Who dies?", "The cache's\n\nIt holds the most.")


def test_cards_are_added_edited_dropped_and_come_back_with_their_history(deck):
    assert deck.sync([draft("What is a cgroup?"), draft("Other?", "B")], ["note:a"]) == Synced(added=2)
    [first, _] = deck.all()
    rated = deck.rate(first.id, Rating.GOOD, NOW, DAY)
    assert deck.sync([draft("What is a control group?")], ["note:a"]) == Synced(edited=1, gone=1)
    edited = deck.card(first.id)
    assert (edited.question, edited.memory, edited.due) == ("What is a control group?", rated.memory, rated.due)
    assert deck.sync([], ["note:a"]) == Synced(gone=1)
    assert deck.due(FAR) == []
    assert deck.sync([draft("What is a control group?")], ["note:a"]) == Synced(edited=1)
    assert [found.id for found in deck.due(FAR)] == [first.id]
    assert len(deck.log.history("card", str(first.id))) == 1


def test_cards_of_other_sources_are_left_alone(deck):
    deck.sync([draft("one?"), draft("two?", source="note:b")], ["note:a", "note:b"])
    assert deck.sync([draft("two?", source="note:b")], ["note:b"]) == Synced()
    assert len(deck.due(FAR)) == 2


def test_a_rating_schedules_by_fsrs_and_its_outcome_was_shown_before(deck):
    deck.sync([draft("one?")], ["note:a"])
    [new] = deck.all()
    assert new.is_new
    shown = deck.outcomes(new, NOW)
    assert shown[Rating.AGAIN] == NOW + timedelta(minutes=10)
    assert sorted(shown.values()) == [shown[rating] for rating in Rating]
    assert [(shown[rating] - NOW).days for rating in (Rating.GOOD, Rating.EASY)] == [2, 8]
    rated = deck.rate(new.id, Rating.GOOD, NOW, DAY)
    assert rated.due_at == shown[Rating.GOOD]
    assert not rated.is_new
    assert deck.due(NOW) == []
    assert [found.id for found in deck.due(shown[Rating.GOOD])] == [new.id]


def test_every_card_review_can_be_undone_the_newest_first(deck):
    deck.sync([draft("one?")], ["note:a"])
    states = [deck.all()[0]]
    for day, rating in enumerate(Rating):
        states.append(deck.rate(states[0].id, rating, NOW + timedelta(days=day), DAY))
    with pytest.raises(ContlabError, match="a later review"):
        deck.undo(deck.log.history("card")[0])
    for state in reversed(states[:-1]):
        assert undo_last(deck.log).what == "one?"
        assert deck.all() == [state]
    assert undo_last(deck.log) is None


def test_a_vaults_questions_are_read_once_until_a_note_changes(deck, tmp_path, monkeypatch):
    root = tmp_path / "vault"
    root.mkdir()
    (root / "a.md").write_bytes(USERS_NOTE)
    (root / "b.md").write_text("#flashcards\n\nQ::A\n")
    (root / "c.md").write_text("Q::A, but no tag\n")
    vault = open_vault(root)
    assert deck.sync_vault(vault, scan(vault).entries) == Synced(added=2)
    with monkeypatch.context() as unread:
        unread.setattr(Path, "read_bytes", None)
        assert deck.sync_vault(vault, scan(vault, use_index=False).entries) == Synced()
    (root / "b.md").rename(root / "renamed.md")
    (root / "a.md").unlink()
    assert deck.sync_vault(vault, scan(vault).entries) == Synced(edited=1, gone=1)
    assert [found.source for found in deck.due(FAR)] == [f"note:{root}/renamed.md"]


def test_an_unknown_card_is_told(deck):
    with pytest.raises(ContlabError, match="there is no card 7"):
        deck.card(7)
