from __future__ import annotations

from contlab.tui.scrollback import LIMIT, Scrollback


def test_a_short_output_is_kept_whole() -> None:
    scrollback = Scrollback()
    scrollback.write("one\n")
    scrollback.write("two\n")

    assert scrollback.text == "one\ntwo\n"
    assert scrollback.dropped == 0


def test_of_a_flood_only_the_end_is_kept_and_the_rest_counted() -> None:
    scrollback = Scrollback()
    for _ in range(1_600):
        scrollback.write("y\n" * 32_768)
    scrollback.write("the end")

    assert scrollback.text.endswith("y\nthe end")
    assert len(scrollback.text) == LIMIT
    assert scrollback.dropped == 1_600 * 65_536 + 7 - LIMIT


def test_another_step_begins_empty() -> None:
    scrollback = Scrollback()
    scrollback.write("x" * 3 * LIMIT)
    scrollback.clear()

    assert (scrollback.text, scrollback.dropped) == ("", 0)
