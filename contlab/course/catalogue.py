"""Catalogue: the tracks and lessons there are, and the one that a name means."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from contlab import paths
from contlab.course.document import read
from contlab.course.lesson import Lesson
from contlab.course.lint import check_lesson
from contlab.course.mistake import BrokenLesson, Mistake, nearest
from contlab.errors import LessonError

TRACK_FILE = "track.toml"
_LIST = "See: contlab lessons list"


class Entry(msgspec.Struct, frozen=True):
    """One lesson file, as a list shows it."""

    path: Path
    id: str
    title: str
    minutes: int
    slug: str
    """The file's name without its number: 01-three-walls.md is three-walls."""
    mistakes: int = 0
    """How many things in it an author has to mend before it can be played."""


class Track(msgspec.Struct, frozen=True):
    """A folder of lessons, in their order."""

    slug: str
    """The folder's name."""
    title: str
    summary: str
    order: int
    lessons: tuple[Entry, ...]


class TrackFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``track.toml`` holds."""

    title: str
    summary: str = ""
    order: int = 1000
    """Tracks are listed by this, then by title."""


def tracks(root: Path | None = None) -> tuple[Track, ...]:
    """Every track below ``root``, by default those that ship with contlab. LessonError when a track.toml is wrong."""
    folder = root or paths.shipped("lessons")
    found = [_track(file.parent) for file in folder.glob(f"*/{TRACK_FILE}")]
    return tuple(sorted(found, key=lambda track: (track.order, track.title)))


def lesson_files(path: Path) -> tuple[Path, ...]:
    """The lesson files that a path means: itself, or every numbered or plain ``.md`` below it but the READMEs."""
    if path.is_dir():
        return tuple(sorted(file for file in path.rglob("*.md") if file.name.lower() != "readme.md"))
    if path.is_file():
        return (path,)
    raise LessonError(f"there is no file or folder {path}", _LIST)


def find(name: str, root: Path | None = None) -> Path:
    """The file of LESSON: an id, ``track/slug``, ``track/NN-slug``, a slug alone, or a file's path."""
    if (path := Path(name)).is_file():
        return path
    by_name: dict[str, set[Path]] = {}
    for track in tracks(root):
        for entry in track.lessons:
            for word in (entry.id, f"{track.slug}/{entry.slug}", f"{track.slug}/{entry.path.stem}", entry.slug):
                by_name.setdefault(word, set()).add(entry.path)
    found = by_name.get(name.removesuffix(".md"), set())
    if len(found) == 1:
        return found.pop()
    if found:
        full = sorted(f"{path.parent.name}/{path.stem}" for path in found)
        raise LessonError(f"{name!r} means several lessons", f"Say which: {', '.join(full)}")
    near = nearest(name, by_name)
    raise LessonError(f"there is no lesson {name!r}", f"Did you mean {near!r}?" if near else _LIST)


def open_lesson(name: str, root: Path | None = None) -> Lesson:
    """The lesson that ``name`` means, checked; BrokenLesson names every mistake in it."""
    draft = read(find(name, root))
    if mistakes := check_lesson(draft):
        raise BrokenLesson(mistakes)
    return draft.lesson


def check(files: tuple[Path, ...], root: Path | None = None) -> tuple[Mistake, ...]:
    """Every mistake in these files, in their order; ids that two of them share, and unknown ``after``, too."""
    drafts = [read(file) for file in files]
    found = [mistake for draft in drafts for mistake in check_lesson(draft)]
    lessons = [draft.lesson for draft in drafts]
    return (*found, *_taken_ids(lessons), *_unknown_earlier(lessons, root))


def _taken_ids(lessons: list[Lesson]) -> Iterator[Mistake]:
    owners: dict[str, Path] = {}
    for lesson in lessons:
        if lesson.id and (first := owners.setdefault(lesson.id, lesson.path)) != lesson.path:
            yield Mistake(str(lesson.path), 1, f"`id` {lesson.id!r} is taken by {first}")


def _unknown_earlier(lessons: list[Lesson], root: Path | None) -> Iterator[Mistake]:
    known = {lesson.id for lesson in lessons} | {entry.id for track in tracks(root) for entry in track.lessons}
    for lesson in lessons:
        for earlier in set(lesson.after) - known:
            yield Mistake(str(lesson.path), 1, f"unknown lesson {earlier!r} in `after`", nearest(earlier, known))


def _track(folder: Path) -> Track:
    file = folder / TRACK_FILE
    try:
        about = msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), TrackFile)
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, not TOML, or not a TrackFile
        raise LessonError(f"{file}: {error}", 'It holds title = "...", summary = "..." and order = 1.') from None
    entries = tuple(_entry(path) for path in sorted(folder.glob("*.md")) if path.name.lower() != "readme.md")
    return Track(folder.name, about.title, about.summary, about.order, entries)


def _entry(path: Path) -> Entry:
    slug = re.sub(r"^\d+-", "", path.stem)
    try:
        draft = read(path)
    except LessonError:
        return Entry(path, "", slug, 0, slug, mistakes=1)
    lesson = draft.lesson
    return Entry(path, lesson.id, lesson.title or slug, lesson.minutes, slug, len(draft.mistakes))
