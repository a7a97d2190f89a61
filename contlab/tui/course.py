"""Course: what an app is given to teach with. The command line fills it with the real things, tests with their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from contlab.course.lesson import Lesson
from contlab.course.session import Session
from contlab.tui.player import LabFactory
from contlab.vm.row import Row


def _nothing_done() -> Mapping[str, int]:
    return {}


def _forget(session: Session) -> None:
    """Keep no progress."""


@dataclass(frozen=True, slots=True)
class Course:
    """Lessons, the labs they run in, how far the learner has come, and what a VM would have cost."""

    lessons: Callable[[], Sequence[Lesson]]
    open_lab: LabFactory
    done: Callable[[], Mapping[str, int]] = _nothing_done
    """Lesson id -> steps finished, from the first on."""
    save: Callable[[Session], None] = _forget
    """Called when a step has been judged or read to its end."""
    comparison: tuple[Row, ...] = ()
    """Rows of the virtual machine's column."""
