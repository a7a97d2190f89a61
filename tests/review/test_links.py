from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from contlab import paths
from contlab.course.catalogue import lesson_files
from contlab.course.document import read
from contlab.course.lesson import Card, Prose
from contlab.review.links import Anchor, Kind, Lessons, Target, anchors, words

USERS_NOTE = (Path(__file__).parents[1] / "data" / "review" / "why-containers.md").read_bytes()


def lesson(name: str, title: str, *steps: tuple[str, str], notes=(), goals=()):
    made = tuple(
        SimpleNamespace(title=t, slug=t.lower().replace(" ", "-"), blocks=(Prose(text, 1),)) for t, text in steps
    )
    return SimpleNamespace(id=name, title=title, steps=made, notes=notes, goals=goals, intro=())


ROOTS = lesson(
    "a/roots", "A root", ("Chroot", "Call **chroot**."), ("Leaks", "The `process` list"), notes=("Containers",)
)
FLEET = lesson("b/fleet", "Many machines", ("Provisioning", "text"), goals=("Say what configuration is",))
LESSONS = Lessons([ROOTS, FLEET])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Why Containers?", [("a/roots", "")]),
        ("container", [("a/roots", "")]),
        ("chroot", [("a/roots", "chroot")]),
        ("processes", [("a/roots", "leaks")]),
        ("What does provisioning mean?", [("b/fleet", "provisioning")]),
        ("configuration", [("b/fleet", "")]),
        ("In conclusion", []),
        ("What is the", []),
        ("", []),
        ("many roots of containers", []),
    ],
)
def test_a_text_leads_to_the_lesson_that_is_about_it(text, expected):
    assert [(target.lesson, target.step) for target in LESSONS.find(text)] == expected


def test_a_lesson_that_is_added_is_found():
    more = Lessons([lesson("c/images", "Images and layers", ("Cloud images", ""))])
    assert more.find("In the cloud") == (Target("c/images", "cloud-images", "Cloud images"),)


def test_the_users_note_has_its_headings_terms_links_and_tag():
    found = anchors(USERS_NOTE)
    assert Anchor(Kind.TAG, "#✅", 1) in found
    assert Anchor(Kind.LINK, "FEM Docker", 9) in found
    assert Anchor(Kind.HEADING, "Why Containers?", 10) in found
    assert Anchor(Kind.TERM, "provisioning", 24) in found
    assert [anchor.text for anchor in found if anchor.line == 33] == ["chroot", "namespace", "cgroup"]


def test_places_in_code_are_none():
    assert anchors(b"```\n# not a heading [[x]]\n```\n## yes") == (Anchor(Kind.HEADING, "yes", 4),)


def test_the_users_headings_and_terms_lead_to_the_lessons_that_ship():
    shipped = Lessons([read(path).lesson for path in lesson_files(paths.shipped("lessons"))])
    texts = {link.anchor.text for link in shipped.links(USERS_NOTE)}
    assert texts >= {"Why Containers?", "Virtual Machines", "In the cloud", "chroot", "namespace", "cgroup"}


def test_one_and_many_are_the_same_word():
    assert words("The processes of Containers' namespaces") == words("process, container namespace")


def test_a_lessons_card_block_is_seen_by_its_shape():
    from contlab.review.lessons import asking_blocks

    step = SimpleNamespace(title="s", slug="s", blocks=(Prose("p", 1), Card("Q", "A", 2)))
    assert [(block.question, block.answer) for block in asking_blocks(step)] == [("Q", "A")]
