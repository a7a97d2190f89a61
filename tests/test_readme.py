"""README keeps to what is there."""

from __future__ import annotations

import re
from pathlib import Path

from contlab.cli import COMMANDS
from contlab.course.catalogue import check

FRONT = '---\nid: readme\ntitle: "README"\nminutes: 1\nneeds: [root]\ngoals: [See it]\n---\n\n'


def test_its_lesson_is_one_without_mistakes(checkout: Path, tmp_path: Path) -> None:
    [step] = re.findall(r"````markdown\n(.*?)````", (checkout / "README.md").read_text(), re.DOTALL)
    lesson = tmp_path / "readme.md"
    lesson.write_text(FRONT + step)

    assert () == check((lesson,))


def test_its_links_lead_somewhere(checkout: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", (checkout / "README.md").read_text())

    assert len(links) > 10
    assert [] == [link for link in links if not (checkout / link).exists()]


def test_it_names_every_command(checkout: Path) -> None:
    text = (checkout / "README.md").read_text()

    assert [] == [name for name in COMMANDS if f"`contlab {name}" not in text]
