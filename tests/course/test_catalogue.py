from __future__ import annotations

from pathlib import Path

import pytest

from contlab.course.catalogue import check, find, lesson_files, open_lesson, tracks
from contlab.course.mistake import BrokenLesson
from contlab.errors import LessonError


@pytest.fixture
def shelf(tmp_path: Path, small: str) -> Path:
    for track, order in (("basics", 2), ("advanced", 1)):
        folder = tmp_path / track
        folder.mkdir()
        (folder / "track.toml").write_text(f'title = "{track.title()}"\nsummary = "s"\norder = {order}\n')
        (folder / "README.md").write_text("no lesson")
        for name in ("02-walls", "01-start"):
            text = small.replace("small/lesson", f"{track}/{name[3:]}")
            (folder / f"{name}.md").write_text(text)
    (tmp_path / "basics" / "03-doors.md").write_text(small.replace("small/lesson", "stable/name"))
    return tmp_path


def test_tracks_stand_in_their_order_and_lessons_in_their_files(shelf: Path) -> None:
    found = tracks(shelf)

    assert ["advanced", "basics"] == [track.slug for track in found]
    assert ["start", "walls", "doors"] == [entry.slug for entry in found[1].lessons]
    assert ("stable/name", "A small lesson", 5, 0) == (
        found[1].lessons[2].id, found[1].lessons[2].title, found[1].lessons[2].minutes, found[1].lessons[2].mistakes,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["stable/name", "basics/doors", "basics/03-doors", "basics/03-doors.md", "doors"])
def test_a_lesson_answers_to_each_of_its_names(shelf: Path, name: str) -> None:
    assert shelf / "basics" / "03-doors.md" == find(name, shelf)


def test_a_file_anywhere_is_a_lesson_by_its_path(shelf: Path, tmp_path: Path) -> None:
    path = str(tmp_path / "advanced" / "01-start.md")

    assert "advanced/start" == open_lesson(path).id


def test_a_name_of_several_lessons_is_asked_back(shelf: Path) -> None:
    with pytest.raises(LessonError) as caught:
        find("walls", shelf)

    assert "Say which: advanced/02-walls, basics/02-walls" == caught.value.hint


def test_an_unknown_name_gets_the_nearest_one(shelf: Path) -> None:
    with pytest.raises(LessonError) as caught:
        find("basics/door", shelf)

    assert ("there is no lesson 'basics/door'", "Did you mean 'basics/doors'?") == (
        caught.value.message, caught.value.hint,
    )  # fmt: skip


def test_a_name_like_no_other_gets_the_list(shelf: Path) -> None:
    with pytest.raises(LessonError) as caught:
        find("zzz", shelf)

    assert "See: contlab lessons list" == caught.value.hint


def test_a_broken_lesson_is_not_opened_and_all_its_mistakes_are_said(shelf: Path, small: str) -> None:
    broken = shelf / "basics" / "04-broken.md"
    broken.write_text(small.replace("unshare", "unshar").replace("tenant.ns.pid", "tenant.ns.pit"))
    with pytest.raises(BrokenLesson) as caught:
        open_lesson(str(broken))

    assert [16, 42] == [mistake.line for mistake in caught.value.mistakes]
    assert f"{broken}:16: unknown key `unshar`" in str(caught.value)


def test_a_broken_lesson_is_listed_all_the_same(shelf: Path) -> None:
    (shelf / "basics" / "04-broken.md").write_text("## x")
    (shelf / "basics" / "05-binary.md").write_bytes(b"\xff")
    entries = tracks(shelf)[1].lessons[3:]

    assert [("broken", 3), ("binary", 1)] == [(entry.slug, entry.mistakes) for entry in entries]


@pytest.mark.parametrize("text", ["title = 3", "titel = 'x'", "title = ", ""])
def test_a_track_file_with_a_mistake_is_named(shelf: Path, text: str) -> None:
    (shelf / "basics" / "track.toml").write_text(text)

    with pytest.raises(LessonError, match=r"basics/track\.toml"):
        tracks(shelf)


def test_a_folder_means_the_lessons_below_it(shelf: Path) -> None:
    assert ["01-start.md", "02-walls.md"] == [path.name for path in lesson_files(shelf / "advanced")]
    assert 5 == len(lesson_files(shelf))


def test_a_path_to_nothing_is_said(shelf: Path) -> None:
    with pytest.raises(LessonError, match="no file or folder"):
        lesson_files(shelf / "none")


def test_two_lessons_may_not_share_an_id(shelf: Path, small: str) -> None:
    (shelf / "basics" / "04-copy.md").write_text(small.replace("small/lesson", "stable/name"))
    [mistake] = check(lesson_files(shelf), shelf)

    assert mistake.path.endswith("04-copy.md")
    assert "`id` 'stable/name' is taken by" in mistake.message


def test_a_lesson_may_come_only_after_one_that_there_is(shelf: Path, small: str) -> None:
    later = shelf / "later.md"
    later.write_text(small.replace("minutes: 5", "minutes: 5\nafter: [stable/nam, basics/walls]"))
    [mistake] = check((later,), shelf)

    assert ("unknown lesson 'stable/nam' in `after`", "stable/name") == (mistake.message, mistake.nearest)
