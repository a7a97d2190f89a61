"""The Review screen, driven by keys over a vault in a temporary folder and a fake lab."""

from __future__ import annotations

from pathlib import Path

import pytest

from contlab.errors import NotPermittedError
from contlab.review.osr import Rating
from contlab.review.session import Caps
from contlab.tui.reviewing import Turn
from contlab.tui.screens.error import ErrorScreen
from contlab.tui.screens.help import HelpScreen
from contlab.tui.screens.home import HomeScreen
from contlab.tui.screens.learn import LearnScreen
from contlab.tui.widgets.grades import Grade
from tests.tui.fake_lab import HOSTILE, FakeLab, snapshot
from tests.tui.review_stage import RATED, USERS_NOTE, ReviewStage, desk_of, make_vault

SIZES = [(80, 24), (120, 40), (200, 50)]
DUE = "---\nsr-due: 2026-11-20\nsr-interval: 10\nsr-ease: 250\n---\n# Heading\nsecret\n"


@pytest.fixture(autouse=True)
def _own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "data" / "review.sqlite3"


@pytest.fixture
def stage(tmp_path: Path, log: Path) -> ReviewStage:
    return ReviewStage(make_vault(tmp_path / "vault"), log)


@pytest.mark.parametrize("size", SIZES)
async def test_the_users_note_is_shown_repaired_its_answers_covered(stage: ReviewStage, size: tuple[int, int]) -> None:
    async with stage.running(size):
        text = stage.drawn()

    assert "✅ · due 2026-04-25, 212 days late" in text
    assert "⬅ FEM Docker" in text
    assert "Why Containers? ⟳1 ⟳2" in text
    assert "Managing your own servers" not in text
    assert "encoding repaired for display, file unchanged" in text
    assert "Space uncovers the answer" in text
    assert stage.note.read_bytes() == USERS_NOTE


@pytest.mark.parametrize("size", SIZES)
async def test_each_rating_says_what_it_does_and_does_just_that(stage: ReviewStage, size: tuple[int, int]) -> None:
    async with stage.running(size):
        await stage.press("space")
        text = stage.drawn()
        assert "Managing your own servers is hard" in text
        for said in (
            " h  Hard",
            "10.9 months  2027-10-21",
            " g  Good",
            "4.9 years  2031-10-21",
            " e  Easy",
            "7.9 years",
        ):
            assert said in text
        await stage.press("g")
        assert "Why containers: good, due 2031-10-21 · u takes it back" in stage.drawn()

    assert stage.note.read_bytes() == RATED


async def test_a_note_is_not_rated_before_its_answer_was_seen(stage: ReviewStage) -> None:
    async with stage.running():
        await stage.press("g", "3", "e")

    assert stage.note.read_bytes() == USERS_NOTE


async def test_a_key_held_down_rates_one_note(tmp_path: Path, log: Path) -> None:
    stage = ReviewStage(make_vault(tmp_path / "vault", other=DUE), log)
    async with stage.running():
        await stage.press("space")
        await stage.pilot.press(*["g"] * 10)
        await stage.settle()

        assert 1 == len(stage.screen.session.done)
    assert (tmp_path / "vault" / "other.md").read_text() == DUE


async def test_the_question_in_the_note_becomes_a_card_with_again(stage: ReviewStage) -> None:
    async with stage.running():
        await stage.press("space", "g")
        assert "What does provisioning mean?" in stage.drawn()
        assert "setting up IT infrastructure" not in stage.drawn()
        await stage.press("space")
        text = stage.drawn()
        assert "Provisioning is the process of setting up IT infrastructure" in text
        assert " a  Again" in text
        assert "10 minutes" in text
        await stage.press("1")
        assert "What does provisioning mean?" in stage.drawn(), "a forgotten card comes again"
        await stage.press("space", "4")
        assert "2 of" not in stage.drawn()
        assert stage.screen.turn is Turn.EMPTY
        assert "Done for today" in stage.drawn()


async def test_undo_goes_back_byte_for_byte_through_the_session_and_beyond(stage: ReviewStage) -> None:
    desk = desk_of(stage.root, stage.log)
    desk.rate(desk.show(desk.open()[0]), Rating.GOOD)
    async with stage.running():
        assert "What does provisioning mean?" in stage.drawn()
        await stage.press("space", "e", "u", "u")
        assert stage.note.read_bytes() == USERS_NOTE
        assert "taken back: Why containers.md: good" in stage.drawn()
        assert "Why Containers?" in stage.drawn()
        assert [] == stage.screen.session.done
        await stage.press("u")
        assert "There is no review to take back." in stage.drawn()


async def test_a_note_reviewed_elsewhere_while_it_was_shown_is_told_and_left_alone(stage: ReviewStage) -> None:
    async with stage.running():
        await stage.press("space")
        stage.note.write_bytes(RATED)
        stage.screen._look()
        await stage.settle()
        assert "the file was changed since it is shown here" in stage.drawn()
        await stage.press("g")
        assert isinstance(stage.app.screen, ErrorScreen)
        assert "already reviewed elsewhere" in stage.drawn()
        assert stage.note.read_bytes() == RATED
        await stage.press("enter")
        assert "What does provisioning mean?" in stage.drawn()
        assert [] == stage.screen.session.done


async def test_an_edit_made_meanwhile_is_kept_and_told(stage: ReviewStage) -> None:
    async with stage.running():
        await stage.press("space")
        stage.note.write_bytes(USERS_NOTE + b"\nmore")
        await stage.press("g")
        assert "what was edited meanwhile is kept" in stage.drawn()

    assert stage.note.read_bytes() == RATED + b"\nmore"


async def test_a_note_that_went_away_is_told_and_passed_over(stage: ReviewStage) -> None:
    async with stage.running():
        stage.note.unlink()
        await stage.press("space", "g")
        assert "can't be read" in stage.drawn()
        await stage.press("enter", "enter")
        assert "What does provisioning mean?" in stage.drawn()


async def test_what_is_rated_is_written_before_the_screen_ends(stage: ReviewStage) -> None:
    async with stage.running():
        await stage.press("space", "g")
        assert stage.note.read_bytes() == RATED, "nothing waits for the end of the session"


async def test_a_session_is_capped_and_goes_on_when_asked(tmp_path: Path, log: Path) -> None:
    stage = ReviewStage(make_vault(tmp_path / "vault", other=DUE), log, caps=Caps(reviews=1))
    async with stage.running():
        await stage.press("space", "g")
        assert "That was 1 reviews; 2 left." in stage.drawn()
        await stage.press("space", "g")
        assert 1 == len(stage.screen.session.done)
        await stage.press("enter")
        assert "Heading" in stage.drawn()


async def test_later_asks_at_the_end(stage: ReviewStage) -> None:
    async with stage.running():
        await stage.press("n")
        assert "What does provisioning mean?" in stage.drawn()
        assert ["What does provisioning mean?", "Why containers"] == [item.title for item in stage.screen.upcoming]


async def test_as_saved_shows_the_damage_and_back(stage: ReviewStage) -> None:
    async with stage.running():
        await stage.press("w")
        assert "‚¨ÖÔ∏è FEM Docker" in stage.drawn()
        assert "encoding as saved" in stage.drawn()
        await stage.press("w")
        assert "⬅ FEM Docker" in stage.drawn()


# --- run it again -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", SIZES)
async def test_a_claim_is_run_again_beside_the_note(stage: ReviewStage, size: tuple[int, int]) -> None:
    async with stage.running(size):
        await stage.press("x")
        text = stage.drawn()
        assert ["own-pids"] == stage.lab.entered
        assert ["look"] == stage.lab.runs
        assert "LIVE" in text
        assert "$ ps -e | wc -l" in text
        assert "✓ look.exit_code is 0" in text
        assert ("Why Containers?" in text) == (size[0] >= 120)
        if size[0] >= 120:
            assert "sleep 60" in text
        assert not stage.lab.closed
        await stage.press("escape")
        assert stage.lab.closed
        assert "LIVE" not in stage.drawn()
        assert "Why Containers?" in stage.drawn()


async def test_a_recording_is_stamped(tmp_path: Path, log: Path) -> None:
    stage = ReviewStage(make_vault(tmp_path / "vault"), log, FakeLab(recorded=True))
    async with stage.running():
        await stage.press("x")
        assert "RECORDED" in stage.drawn()


async def test_the_note_is_rated_while_its_experiment_runs_which_then_ends(tmp_path: Path, log: Path) -> None:
    stage = ReviewStage(make_vault(tmp_path / "vault"), log, FakeLab(hold=True))
    async with stage.running():
        await stage.press("space", "x")
        assert "$ ps -e | wc -l" in stage.drawn()
        stage.lab.hold = False
        await stage.lab.interrupt()
        await stage.press("g")
        assert stage.note.read_bytes() == RATED
        assert stage.lab.closed


async def test_a_mark_in_the_note_is_clicked(stage: ReviewStage) -> None:
    async with stage.running():
        rows = stage.drawn().splitlines()
        y = next(place for place, row in enumerate(rows) if "Why Containers?" in row and "│" in row and place < 20)
        await stage.pilot.click(offset=(rows[y].index("⟳1") + 1, y))
        await stage.settle()

        assert ["look"] == stage.lab.runs


async def test_an_experiment_of_the_list_is_run_by_enter(stage: ReviewStage) -> None:
    async with stage.running():
        stage.screen.query_one("#experiments").focus()
        await stage.press("down", "enter")

        assert ["look"] == stage.lab.runs
        assert stage.screen.covered, "Enter went to the list"


async def test_an_experiment_that_can_t_be_done_says_why(stage: ReviewStage) -> None:
    stage.lab.fail_enter = NotPermittedError(f"pivot_root: {HOSTILE}", "sudo contlab review")
    async with stage.running():
        await stage.press("x")
        assert f"pivot_root: {HOSTILE}" in stage.drawn()
        await stage.press("enter", "escape")
        assert stage.lab.closed


@pytest.mark.parametrize("key", ["q", "ctrl+q"])
async def test_leaving_ends_the_experiment(stage: ReviewStage, key: str) -> None:
    async with stage.running():
        await stage.press("x")
        await stage.pilot.press(key)
        await stage.pilot.pause()

    assert stage.lab.closed


async def test_the_lesson_itself_is_a_key_away(stage: ReviewStage) -> None:
    async with stage.running():
        await stage.press("o")
        assert isinstance(stage.app.screen, LearnScreen)


# --- pages, mouse, help, palette --------------------------------------------------------------------------------------


async def test_on_a_small_terminal_pages_take_turns(tmp_path: Path, log: Path) -> None:
    broken = "---\nsr-due: soon\nsr-interval: 1\nsr-ease: 250\n---\n"
    stage = ReviewStage(make_vault(tmp_path / "vault", broken=broken), log)
    async with stage.running((80, 24)):
        await stage.press("right")
        assert "⟳1  Why Containers?" in stage.drawn()
        await stage.press("right")
        assert "▸ Why containers" in stage.drawn()
        assert "212 d late" in stage.drawn()
        await stage.press("right")
        assert "broken.md: sr-due is 'soon', which is no date" in stage.drawn()
        assert "load" in stage.drawn()
        await stage.press("right")
        assert "Space uncovers the answer" in stage.drawn()
        assert "paper" == stage.screen.page
        await stage.press("x")
        assert "live" == stage.screen.page
        await stage.press("space")
        assert "paper" == stage.screen.page
        assert stage.screen.covered, "the note comes into sight first"


async def test_a_grade_is_clicked(stage: ReviewStage) -> None:
    async with stage.running():
        await stage.pilot.click("#box", offset=(6, 1))
        await stage.settle()
        assert not stage.screen.covered
        await stage.pilot.click(list(stage.screen.query(Grade))[1], offset=(2, 0))
        await stage.settle()

    assert stage.note.read_bytes() == RATED


async def test_an_item_of_the_list_is_clicked(stage: ReviewStage) -> None:
    async with stage.running():
        await stage.pilot.click("#due", offset=(5, 2))
        await stage.settle()

        assert "What does provisioning mean?" == stage.screen.upcoming[0].title
        assert "from the note Why containers" in stage.drawn()


async def test_a_wiki_link_says_when_its_note_is_due(tmp_path: Path, log: Path) -> None:
    stage = ReviewStage(make_vault(tmp_path / "vault", **{"FEM Docker": DUE.replace("2026-11-20", "2027-01-01")}), log)
    async with stage.running():
        rows = stage.drawn().splitlines()
        y = next(place for place, row in enumerate(rows) if "FEM Docker" in row)
        await stage.pilot.click(offset=(rows[y].index("FEM Docker") + 2, y))
        await stage.settle()

        assert "FEM Docker.md: due 2027-01-01" in stage.drawn()


async def test_the_footer_help_and_palette_are_made_of_valid_keys(stage: ReviewStage) -> None:
    async with stage.running((120, 60)):
        footer = stage.drawn().splitlines()[-1]
        assert "Space Uncover" in footer
        assert "x Run it again" in footer
        titles = {command.title for command in stage.app.get_system_commands(stage.screen)}
        assert {"Uncover", "Undo", "Later", "Run it again", "As saved", "Reload", "Lesson"} <= titles
        assert "Good" not in titles
        await stage.press("space")
        titles = {command.title for command in stage.app.get_system_commands(stage.screen)}
        assert {"Hard", "Good", "Easy"} <= titles
        assert not {"Again", "Uncover"} & titles
        await stage.press("question_mark")
        assert isinstance(stage.app.screen, HelpScreen)
        assert "It was remembered with effort" in stage.drawn()


async def test_from_the_lessons_one_goes_to_the_review_and_back(stage: ReviewStage) -> None:
    async with stage.running():
        await stage.press("l")
        assert isinstance(stage.app.screen, HomeScreen)
        assert "v Review" in stage.drawn().splitlines()[-1]
        await stage.press("v")
        assert "Why Containers?" in stage.drawn()


@pytest.mark.parametrize("size", [*SIZES, (120, 24), (60, 20)])
async def test_a_resize_keeps_the_place_and_the_ratings(stage: ReviewStage, size: tuple[int, int]) -> None:
    async with stage.running():
        await stage.press("space")
        await stage.pilot.resize_terminal(*size)
        await stage.settle()

        assert "Good" in stage.drawn()
        assert "4.9 years" in stage.drawn()


# --- empty and hostile ------------------------------------------------------------------------------------------------


async def test_without_a_vault_it_says_how_to_name_one(log: Path) -> None:
    stage = ReviewStage(None, log)
    async with stage.running((80, 24)):
        assert "No vault yet" in stage.drawn()
        assert "contlab review ~/notes" in stage.drawn()
        await stage.press("space", "g", "x", "u", "n")
        assert "There is no review to take back." in stage.drawn()


async def test_when_nothing_is_due_it_says_what_comes_next(tmp_path: Path, log: Path) -> None:
    stage = ReviewStage(make_vault(tmp_path / "vault", soon=DUE.replace("2026-11-20", "2026-11-30")), log)
    stage.note.write_text("no review tag")
    async with stage.running((80, 24)):
        assert "Nothing is due" in stage.drawn()
        assert "Monday 30 November: 1" in stage.drawn()


async def test_a_note_that_can_t_be_written_shows_the_reason_in_place_of_ratings(tmp_path: Path, log: Path) -> None:
    stage = ReviewStage(make_vault(tmp_path / "vault"), log)
    stage.note.write_text("---\na: [\nsr-due: 2026-01-01\nsr-interval: 1\nsr-ease: 250\n---\ntext")
    async with stage.running():
        await stage.press("space")
        assert "properties are not valid YAML" in stage.drawn()
        assert "Mend them in Obsidian" in stage.drawn()
        await stage.press("g")
        assert [] == stage.screen.session.done


async def test_hostile_text_is_drawn_as_it_is(tmp_path: Path, log: Path) -> None:
    text = f"---\ntags: ['review', '{HOSTILE}']\n---\n# {HOSTILE}\n[[{HOSTILE}]]\n🤔 {HOSTILE}?\n\x1b[2J {HOSTILE} <b>"
    root = make_vault(tmp_path / "vault", **{"[b] x": text})
    (root / "[i]\x1b broken.md").write_text("---\nsr-due: [/]\nsr-interval: 1\nsr-ease: 1\n---\n")
    stage = ReviewStage(root, log)
    async with stage.running():
        await stage.press("space", "g")
        assert stage.drawn().count(HOSTILE) >= 3
        await stage.press("space")
        assert f"␛[2J {HOSTILE} <b>" in stage.drawn()
        assert "[b] x" in stage.drawn()
        assert "[i]␛ broken.md" in stage.drawn()
        await stage.press("g")
        assert "[b] x: good" in stage.drawn()
        assert f"{HOSTILE}?" in stage.drawn()


async def test_the_processes_of_an_experiment_can_be_asked_about(stage: ReviewStage) -> None:
    async with stage.running((200, 50)):
        await stage.press("i")
        assert ["There is no panel here"] == [told.message[:22] for told in stage.app._notifications]
        await stage.press("x")
        stage.lab.sample(tenant=snapshot())
        await stage.settle()
        await stage.press("i", "i")
        assert "grep NSpid /proc/18422/status" in stage.drawn()
        await stage.press("escape")
        assert stage.app.screen is stage.screen
        assert stage.screen.live is not None
