from __future__ import annotations

from pathlib import Path

import pytest

from contlab.review.mojibake import repair
from contlab.review.questions import Kind, questions, thoughts
from contlab.review.settings import Settings

USERS_NOTE = (Path(__file__).parents[1] / "data" / "review" / "why-containers.md").read_bytes()
ALL_CLOZES = Settings(
    cloze_patterns=("==[123;;]answer[;;hint]==", "**[123;;]answer[;;hint]**", "{{[123;;]answer[;;hint]}}")
)


def sides(text: str, settings: Settings | None = None) -> list[tuple[str, str]]:
    return [(found.question, found.answer) for found in questions(text, settings or Settings())]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Q::A", [("Q", "A")]),
        ("a:::b", [("a", "b"), ("b", "a")]),
        ("Q1::A1\nQ2::A2", [("Q1", "A1"), ("Q2", "A2")]),
        ("front\nmore\n?\nback\nmore\n\nrest", [("front\nmore", "back\nmore")]),
        ("f\n??\nb", [("f", "b"), ("b", "f")]),
        ("f\n?\nb\n??\nc", [("f\n?\nb", "c"), ("c", "f\n?\nb")]),
        ("?\nno front", []),
        ("far\n\n?\nb", []),
        ("`std::vector`", []),
        ("`a` b::c `d`", [("`a` b", "c `d`")]),
        ("Q::A\n<!--SR:!2023-09-02,4,270-->", [("Q", "A")]),
        ("Q::A <!--SR:!2023-09-02,4,270-->", [("Q", "A")]),
        ("f\n?\nb\n<!--SR:!2023-09-02,4,270-->", [("f", "b")]),
        ("<!-- Q::A -->\nR::B", [("R", "B")]),
        ("<!--\nQ::A\n-->\n\nR::B", [("R", "B")]),
        ("```\nQ::A\n```\n\nR::B", [("R", "B")]),
        ("f\n?\n```\na\n\nb\n```\nc", [("f", "```\na\n\nb\n```\nc")]),
        ("Q::", []),
    ],
)
def test_the_plugins_syntaxes_are_read(text, expected):
    assert sides(text) == expected


def test_an_end_marker_lets_answers_hold_blank_lines():
    assert sides("f\n?\na\n\nb\n---\nrest", Settings(multiline_card_end_marker="---")) == [("f", "a\n\nb")]


def test_other_separators_come_from_the_settings():
    assert sides("Q >> A", Settings(single_line_card_separator=">>")) == [("Q", "A")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("==Runc== counts ==cgroups==", [("[...] counts cgroups", "Runc"), ("Runc counts [...]", "cgroups")]),
        ("A ==pid;;number== is shown", [("A [number] is shown", "pid")]),
        ("==1;;a== ==2;;b== ==1;;c==", [("[...] b [...]", "a · c"), ("a [...] c", "b")]),
        ("==ah;;x== ==sa;;y==", [("[...] y", "x"), ("[...] [...]", "y")]),
        ("no cloze = here", []),
    ],
)
def test_clozes_hide_one_answer_a_card(text, expected):
    assert sides(text) == expected


def test_clozes_of_several_patterns_come_by_pattern_then_by_place():
    """As in the plugin's own test."""
    text = "This is {{interesting}} and ==fascinating== and **great**"
    assert [answer for _, answer in sides(text, ALL_CLOZES)] == ["fascinating", "great", "interesting"]


def test_the_users_question_has_its_three_paragraphs_for_an_answer():
    [found] = thoughts(repair(USERS_NOTE.decode()))
    assert (found.kind, found.line) == (Kind.THOUGHT, 24)
    assert found.question == "What does **provisioning** mean?"
    assert found.answer.startswith("Provisioning is the process of setting up IT infrastructure.")
    assert found.answer.endswith("service provisioning, and more.")
    assert found.answer.count("\n\n") == 2


def test_a_thought_without_an_answer_or_a_question_mark_is_no_card():
    assert list(thoughts("🤔 What?\n\n# Next\n🤔 Hm.\ntext")) == []


def test_line_numbers_count_comments_and_code():
    found = list(questions("<!--\nx\n-->\n\n```\ny\n```\n\nQ::A", Settings()))
    assert [each.line for each in found] == [9]
