"""A note's text on its way to the screen."""

from __future__ import annotations

import pytest

from contlab.tui.notetext import COVER, LINES, markdown, parser, steady


def shown(text: str, **options: bool) -> str:
    return markdown(text, {}, **options)


def inline(text: str) -> list[tuple[str, str]]:
    """Types and texts of the first paragraph."""
    children = parser().parse(text)[1].children
    assert children is not None
    return [(token.type, token.content or str(token.attrs.get("href", ""))) for token in children]


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("✅ ⬅️ 🤔", "✅ ⬅ 🤔"),
        ("a\u00a0b", "a b"),
        ("\x1b[2J", "␛[2J"),
        ("x\u202ey", "x\\u202ey"),
        ("👨\u200d👩", "👨👩"),
        ("[/] x", "[/] x"),
    ],
)
def test_a_line_is_safe_and_as_wide_on_every_terminal(text: str, drawn: str) -> None:
    assert drawn == steady(text)


@pytest.mark.parametrize(
    ("link", "href", "name"),
    [
        ("[[FEM Docker]]", "note:FEM%20Docker", "FEM Docker"),
        ("[[a/b|here]]", "note:a/b", "here"),
        ("[[a#Part]]", "note:a", "a › Part"),
        ("[[#Part]]", "note:", "Part"),
        ("![[pic.png]]", "note:pic.png", "▣ pic.png"),
    ],
)
def test_wiki_links_are_links(link: str, href: str, name: str) -> None:
    assert [("link_open", href), ("text", name), ("link_close", "")] == inline(link)


def test_html_and_markup_are_text_and_code_is_left_alone() -> None:
    assert [("text", "<b>[/] x</b>")] == inline("<b>[/] x</b>")
    assert [("code_inline", "[[no]] ==no==")] == inline("`[[no]] ==no==`")
    assert ("strong_open", "") == inline("==high==")[0]


def test_lines_end_where_they_end_as_in_obsidian() -> None:
    assert ["text", "hardbreak", "text"] == [kind for kind, _ in inline("What?\nThat.")]


@pytest.mark.parametrize(
    ("text", "drawn"),
    [
        ("> [!warning]- Careful", "> **! Careful**  "),
        ("> [!note]", "> **▸ Note**  "),
        ("- [ ] do it", "- ☐ do it"),
        ("- [x] done", "- ☑ done"),
        ("text ^block-1", "text"),
        ("Q::A <!--SR:!2023-09-02,4,270-->", "Q::A "),
        ("a %%hidden%% b", "a  b"),
    ],
)
def test_obsidians_ways_become_commonmark(text: str, drawn: str) -> None:
    assert drawn == shown(text)


def test_comments_of_several_lines_are_left_out_and_those_in_code_are_not() -> None:
    assert "a\nb" == shown("a\n%%\nsecret\n%%\nb")
    assert "```\n%% code %%\n- [ ] code\n```" == shown("```\n%% code %%\n- [ ] code\n```")


def test_a_covered_note_shows_headings_and_questions_alone() -> None:
    text = "⬅️ [[Up]]\n# One\nsecret\n- [[secret]]\n```\n# no heading\n```\n🤔 What is **X**?\nan answer\n## Two\nmore"
    lines = [line for line in shown(text, covered=True).split("\n") if line]

    assert ["⬅ [[Up]]", "# One", COVER, "🤔 What is **X**?", COVER, "## Two", COVER] == lines


def test_a_covered_note_without_headings_asks_for_all_of_it() -> None:
    assert [COVER, "*What do you remember of it?*"] == [
        each for each in shown("a\nb", covered=True).split("\n") if each
    ]


def test_what_can_be_run_again_is_marked_where_it_stands() -> None:
    marks = {0: (("Why", 1), ("Containers", 2)), 1: (("chroot", 3), ("cgroup", 4))}
    text = "# Why [[Containers]]?\nuses **chroot** and **cgroup**."

    assert (
        "# Why [[Containers]]? [⟳1](again:1) [⟳2](again:2)\nuses **chroot** [⟳3](again:3) and **cgroup** [⟳4](again:4)."
    ) == markdown(text, marks)


def test_a_huge_note_is_drawn_in_part_and_says_so() -> None:
    text = "\n".join(f"- {number}" for number in range(50_000))

    assert LINES + 3 > shown(text).count("\n")
    assert shown(text).endswith("*The rest of this note is not shown here.*")
    assert "not shown" not in shown("- 1\n" * 10)


def test_deep_nests_are_parsed_without_recursing_on() -> None:
    assert parser().parse(">" * 5000 + " x")
