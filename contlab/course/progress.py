"""Progress: which steps of which lessons are done, and how the predictions went. Names, never places in a list."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from contlab import paths
from contlab.course.lesson import Lesson
from contlab.course.session import Prediction
from contlab.errors import ContlabError

FORMAT = 1


class Answer(msgspec.Struct, frozen=True):
    """One prediction, in its own words so that it survives an edited lesson."""

    question: str
    chosen: str
    right: bool


class StepRecord(msgspec.Struct, frozen=True):
    """A step that was played to its end."""

    done: str
    """When last, as ISO 8601."""
    answers: tuple[Answer, ...] = ()
    """Of the last time."""


class Record(msgspec.Struct, frozen=True):
    """The file's whole content."""

    format: int = FORMAT
    lessons: dict[str, dict[str, StepRecord]] = {}
    """Lesson id -> step slug -> record."""


class Progress:
    """One learner's progress file. Several contlabs may use it at once: each change reads, changes and replaces it."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or paths.data() / "progress.json"
        self.notice = ""
        """What a person should know about the file, e.g. that it was damaged and is kept aside; "" when all is well."""
        self.record = self._load()

    def done(self, lesson: Lesson) -> tuple[str, ...]:
        """The slugs of the lesson's steps that are done, in its order."""
        steps = self.record.lessons.get(lesson.id, {})
        return tuple(step.slug for step in lesson.steps if step.slug in steps)

    def next_step(self, lesson: Lesson) -> int:
        """The place of the first step that is not done; 0 when all are."""
        done = self.done(lesson)
        return next((place for place, step in enumerate(lesson.steps) if step.slug not in done), 0)

    def score(self, lesson: Lesson) -> tuple[int, int]:
        """Predictions that were right, and all that were judged."""
        steps = self.record.lessons.get(lesson.id, {})
        answers = [answer for slug in self.done(lesson) for answer in steps[slug].answers]
        return sum(answer.right for answer in answers), len(answers)

    def finish(self, lesson: Lesson, slug: str, predictions: tuple[Prediction, ...], when: str) -> None:
        """A step was played to its end at ``when`` (ISO 8601)."""
        answers = tuple(
            Answer(p.predict.question, p.predict.choices[p.chosen], p.correct)
            for p in predictions
            if p.right is not None
        )
        with self._locked():
            self.record = self._load()
            steps = {**self.record.lessons.get(lesson.id, {}), slug: StepRecord(when, answers)}
            self._save({**self.record.lessons, lesson.id: steps})

    def forget(self, lesson: Lesson) -> None:
        """Start a lesson anew."""
        with self._locked():
            self.record = self._load()
            self._save({name: steps for name, steps in self.record.lessons.items() if name != lesson.id})

    def _load(self) -> Record:
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            return Record()
        except OSError as error:
            raise ContlabError(
                f"can't read your progress in {self.path}: {error.strerror}", "Mend its rights."
            ) from None
        try:
            record = msgspec.json.decode(raw, type=Record)
        except msgspec.DecodeError as error:  # ValidationError is one
            self._set_aside(str(error))
            return Record()
        if record.format > FORMAT:
            raise ContlabError(
                f"{self.path} was written by a newer contlab", "Update contlab; the file is left as it is."
            )
        return record

    def _set_aside(self, reason: str) -> None:
        """Nothing is lost: the damaged file gets a name that no other has."""
        names = (self.path.with_name(f"{self.path.name}.bad{number or ''}") for number in range(1000))
        aside = next(name for name in names if not name.exists())
        self.path.rename(aside)
        self.notice = f"Your progress file could not be read ({reason}). It is kept as {aside}; progress starts anew."

    def _save(self, lessons: dict[str, dict[str, StepRecord]]) -> None:
        self.record = Record(lessons=lessons)
        content = msgspec.json.format(msgspec.json.encode(self.record)) + b"\n"
        handle, name = tempfile.mkstemp(prefix=f".{self.path.name}.", dir=self.path.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                # The content reaches the disk before the name does: after a crash it is the old file or the new.
                os.fsync(file.fileno())
            Path(name).replace(self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.with_name(f".{self.path.name}.lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise ContlabError(
                f"can't save your progress in {self.path}: {error.strerror}", "Mend its rights."
            ) from None
