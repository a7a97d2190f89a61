"""Course: what an app is given to teach with. The command line fills it with the real things, tests with their own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from contlab.course.catalogue import Track
from contlab.course.lesson import Lesson
from contlab.course.progress import Progress
from contlab.tui.player import LabFactory
from contlab.vm.row import Row


@dataclass(frozen=True, slots=True)
class Course:
    """Lessons, the labs they run in, how far the learner has come, and what a VM would have cost."""

    tracks: Callable[[], tuple[Track, ...]]
    open_lesson: Callable[[Path], Lesson]
    """The lesson in a file; LessonError when it has mistakes."""
    open_lab: LabFactory
    progress: Progress
    comparison: tuple[Row, ...] = ()
    """Rows of the virtual machine's column."""
