"""Lessons by their shape: ``course`` and ``review`` don't know each other, their callers introduce them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable


@runtime_checkable
class AskingBlock(Protocol):
    """A block with a question and its answer: ``course.lesson.Card``."""

    @property
    def question(self) -> str:
        """What is asked."""

    @property
    def answer(self) -> str:
        """What is to be remembered."""


@runtime_checkable
class ProseBlock(Protocol):
    """A block of text: ``course.lesson.Prose``."""

    @property
    def text(self) -> str:
        """Markdown."""


class StepLike(Protocol):
    """``course.lesson.Step``."""

    @property
    def title(self) -> str:
        """Its heading."""

    @property
    def slug(self) -> str:
        """Its name within the lesson."""

    @property
    def blocks(self) -> Sequence[object]:
        """What it holds, in order."""


class LessonLike(Protocol):
    """``course.lesson.Lesson``."""

    @property
    def id(self) -> str:
        """Its stable name."""

    @property
    def title(self) -> str:
        """For people."""

    @property
    def steps(self) -> Sequence[StepLike]:
        """In order."""

    @property
    def goals(self) -> Sequence[str]:
        """What it promises."""

    @property
    def notes(self) -> Sequence[str]:
        """Titles of the learner's notes that it goes with."""

    @property
    def intro(self) -> Sequence[object]:
        """Blocks before the first step."""


def asking_blocks(step: StepLike) -> Iterator[AskingBlock]:
    """A step's cards."""
    return (block for block in step.blocks if isinstance(block, AskingBlock))
