"""The review commands, as a person or a script calls them."""

from __future__ import annotations

import json
import os
import subprocess
from functools import partial
from pathlib import Path

import pytest

from contlab.cli.due import due
from contlab.cli.failure import status_of
from contlab.cli.rate import rate
from contlab.cli.review import review
from contlab.cli.undo import undo

USERS_NOTE = (Path(__file__).parents[1] / "data" / "review" / "why-containers.md").read_bytes()
RATED = USERS_NOTE.replace(b"2026-04-25", b"2031-10-21").replace(b"611", b"1793")


def run(command, *words: str | Path) -> int:
    return status_of(partial(command.main, [str(word) for word in words], standalone_mode=False))


@pytest.fixture
def note(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("CONTLAB_VAULT", raising=False)
    path = tmp_path / "vault" / "Why containers.md"
    (path.parent / ".obsidian").mkdir(parents=True)
    path.write_bytes(USERS_NOTE)
    return path


def test_the_users_note_and_its_question_are_due(note, capsys):
    assert run(due, note.parent, "--on", "2026-04-25") == 0
    out, err = capsys.readouterr()
    assert "2026-04-25" in out
    assert "today  Why containers.md" in out
    assert "What does **provisioning** mean?" in out
    assert err.endswith("2026-04-25: 1 due (0 overdue), 0 new, 1 card\n")
    assert note.read_bytes() == USERS_NOTE


def test_due_as_json(note, capsys):
    assert run(due, note.parent, "--json", "--on", "2026-11-23") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["due"] == [
        {"path": "Why containers.md", "decks": ["(scheduled, no review tag)"], "due": "2026-04-25", "overdue_days": 212,
         "interval": 611.0, "ease": 250.0, "recall": 0.878}
    ]  # fmt: skip
    assert [card["question"] for card in found["cards"]] == ["What does **provisioning** mean?"]
    assert found["forecast"]["2026-11-23"] == 1
    assert set(found) == {
        "vault", "on", "due", "new", "broken", "unreadable", "cards", "decks", "forecast", "load_per_day",
    }  # fmt: skip


def test_due_says_by_its_exit_code_that_nothing_is(note):
    note.write_text("---\nsr-due: 2099-01-01\nsr-interval: 1\nsr-ease: 250\n---\n")
    assert run(due, note.parent) == 1


def test_without_a_name_the_vault_around_the_folder_is_meant_then_the_one_used_last(
    note, monkeypatch, tmp_path, capsys
):
    monkeypatch.chdir(tmp_path)
    assert run(due) == 2
    assert "no vault was named" in capsys.readouterr().err
    (note.parent / "sub").mkdir()
    monkeypatch.chdir(note.parent / "sub")
    assert run(due) == 0
    monkeypatch.chdir(tmp_path)
    assert run(due) == 0
    assert f"{note.parent}, " in capsys.readouterr().err


def test_the_environment_names_a_vault_for_all_commands(note, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONTLAB_VAULT", str(note.parent))
    assert run(due) == 0
    assert run(review, "stats") == 0
    monkeypatch.setenv("CONTLAB_VAULT", str(tmp_path / "none"))
    assert run(due) == 2
    assert "there is no" in capsys.readouterr().err


def test_a_remembered_vault_that_is_gone_is_none(note, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert run(due, note.parent) == 0
    os.rename(note.parent, tmp_path / "moved")
    assert run(due) == 2


def test_notes_of_one_day_come_in_the_plugins_order_the_most_linked_to_first(note, capsys):
    head = "---\nsr-due: 2026-04-25\nsr-interval: 1\nsr-ease: 250\n---\n"
    for name, text in (("A", "[[C]]"), ("B", "[[C]]"), ("C", "")):
        (note.parent / f"{name}.md").write_text(head + text)
    run(due, note.parent, "--json", "--on", "2026-04-25")
    found = json.loads(capsys.readouterr().out)
    assert [each["path"] for each in found["due"]] == ["C.md", "A.md", "B.md", "Why containers.md"]


def test_due_lists_what_it_could_not_read(note, capsys):
    (note.parent / "broken.md").write_text("---\nsr-due: soon\nsr-interval: 1\nsr-ease: 250\n---\n")
    assert run(due, note.parent) == 0
    assert "broken.md: sr-due is 'soon', which is no date" in capsys.readouterr().err


def test_rating_good_changes_only_the_bytes_of_the_values(note, capsys, tmp_path):
    (tmp_path / "before").write_bytes(USERS_NOTE)
    assert run(rate, note, "good", "--on", "2026-11-23") == 0
    assert note.read_bytes() == RATED
    out, err = capsys.readouterr()
    assert out.splitlines()[3:] == [
        "-sr-due: 2026-04-25", "-sr-interval: 611", "+sr-due: 2031-10-21", "+sr-interval: 1793",
    ]  # fmt: skip
    assert err == "Why containers.md: good: due 2031-10-21, in 4.9 years; ease 250\n"
    shown = subprocess.run(["cmp", "-l", tmp_path / "before", note], capture_output=True, text=True, check=False)
    assert min(int(line.split()[0]) for line in shown.stdout.splitlines()) > USERS_NOTE.index(b"2026-04-25")


def test_a_dry_run_shows_the_same_diff_and_writes_nothing(note, capsys):
    assert run(rate, note, "good", "--on", "2026-11-23", "--dry-run") == 0
    dry = capsys.readouterr()
    assert note.read_bytes() == USERS_NOTE
    run(rate, note, "good", "--on", "2026-11-23")
    assert capsys.readouterr().out == dry.out
    assert "nothing was written" in dry.err


def test_rating_early_is_said(note, capsys):
    assert run(rate, note, "good", "--on", "2026-04-01") == 0
    assert "It was due only on 2026-04-25" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("no tag", "neither a schedule nor a review tag"),
        ("---\nsr-due: 2026-01-01\nsr-due: 2026-01-02\n---\n#review", "sr-due stands more than once"),
        ("---\n#review", "no line --- closes them"),
    ],
)
def test_a_refusal_is_told_with_its_own_exit_code(note, capsys, text, says):
    note.write_text(text)
    assert run(rate, note, "good") == 76
    assert says in capsys.readouterr().err
    assert note.read_text() == text


def test_a_missing_note_is_told(note, capsys):
    assert run(rate, note.with_name("none.md"), "good") == 2
    assert "there is no" in capsys.readouterr().err


def test_the_plugins_settings_decide(note, capsys):
    plugin = note.parent / ".obsidian/plugins/obsidian-spaced-repetition"
    plugin.mkdir(parents=True)
    (plugin / "data.json").write_text('{"settings": {"dataStore": "SINGLE_FILE"}}')
    assert run(rate, note, "good") == 76
    assert "SINGLE_FILE" in capsys.readouterr().err
    (plugin / "data.json").write_text("{")
    assert run(rate, note, "good") == 65
    assert "settings can't be read" in capsys.readouterr().err


def test_a_new_note_gets_its_ease_from_its_neighbours(note):
    """As in the plugin's test vault notes4: one backlink from a note with ease 270."""
    (note.parent / "A.md").write_text("---\nsr-due: 2023-09-10\nsr-interval: 4\nsr-ease: 270\n---\n#review [[B]]")
    (note.parent / "B.md").write_text("#review")
    assert run(rate, note.parent / "B.md", "easy", "--on", "2023-09-06") == 0
    assert (note.parent / "B.md").read_text() == ("---\nsr-due: 2023-09-10\nsr-interval: 4\nsr-ease: 272\n---\n#review")


def test_undo_takes_reviews_back_until_there_are_none(note, capsys):
    run(rate, note, "good", "--on", "2026-11-23")
    run(rate, note, "hard", "--on", "2031-10-21")
    assert run(undo) == 0
    assert note.read_bytes() == RATED
    assert run(undo, "--steps", "1") == 0
    assert note.read_bytes() == USERS_NOTE
    assert run(undo) == 1
    assert "no review to take back" in capsys.readouterr().err


def test_undo_after_another_review_elsewhere_leaves_the_note(note, capsys):
    run(rate, note, "good", "--on", "2026-11-23")
    note.write_bytes(RATED.replace(b"1793", b"1794"))
    assert run(undo) == 76
    assert note.read_bytes() == RATED.replace(b"1793", b"1794")


def test_stats_show_what_is_due_and_how_it_went(note, capsys):
    run(rate, note, "good", "--on", "2026-11-23")
    capsys.readouterr()
    assert run(review, "stats", note.parent, "--on", "2026-11-23") == 0
    out = capsys.readouterr().out
    assert "0 due (0 overdue), 0 new, 1 in all" in out
    assert "1 reviews, 100% remembered; 1 days in a row" in out
    assert run(review, "stats", note.parent, "--on", "2026-11-23", "--json") == 0
    past = json.loads(capsys.readouterr().out)["past"]
    assert (past["reviews"], past["by_rating"]["good"], past["retention"]) == (1, 1, 1.0)


@pytest.mark.parametrize("form", ["json", "anki"])
def test_cards_go_out_and_come_in_elsewhere(note, capsys, tmp_path, monkeypatch, form):
    run(due, note.parent)
    out = tmp_path / f"cards.{form}"
    assert run(review, "export", "--format", form, out) == 0
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "elsewhere"))
    capsys.readouterr()
    assert run(review, "import", out) == 0
    assert capsys.readouterr().err == "1 added, 0 changed\n"
    assert run(review, "import", out) == 0
    assert capsys.readouterr().err == "0 added, 0 changed\n"
    assert run(review, "export") == 0
    [card] = json.loads(capsys.readouterr().out)["cards"]
    assert card["question"] == "What does **provisioning** mean?"
    assert card["answer"].count("\n\n") == 2


@pytest.mark.parametrize(
    "data", [b"{", b'{"cards": [{"question": 1}]}', b'{"cards": [], "format": 2}', b"no answer", b"\xff\xfe", b'"open']
)  # fmt: skip
def test_a_file_without_cards_is_refused(note, tmp_path, data, capsys):
    (tmp_path / "cards").write_bytes(data)
    assert run(review, "import", tmp_path / "cards") == 65
    assert "holds no cards that can be read" in capsys.readouterr().err


def test_an_unreadable_log_is_told(note, capsys, tmp_path):
    (tmp_path / "data" / "contlab").mkdir(parents=True)
    (tmp_path / "data" / "contlab" / "review.sqlite3").write_bytes(b"no database, but long enough" * 80)
    assert run(undo) == 70
    assert "the review log can't be opened" in capsys.readouterr().err


def test_control_characters_in_a_note_are_shown_not_obeyed(note, capsys):
    os.rename(note, note.with_name("x\x1b[2J.md"))
    assert run(due, note.parent) == 0
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize("words", [(), ("--on", "2026-04-25"), ("open",)])
def test_the_screen_needs_a_terminal_and_says_what_does_not(note, capsys, words):
    assert run(review, *words, note.parent) == 69
    assert "contlab due, contlab rate NOTE good" in capsys.readouterr().err
