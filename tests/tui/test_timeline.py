"""The timeline gives back what was, at every moment that it keeps."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contlab.lab.protocol import Happened, News, Output, Sampled, Trouble
from contlab.tui.evidence import Evidence
from contlab.tui.moment import Kind
from contlab.tui.scrollback import LIMIT
from contlab.tui.timeline import PRINTED, STRIDE, Timeline
from tests.tui.fake_lab import MIB, birth, cgroup, exited, processes, snapshot

STEP = "step"
Said = News | str
"""What is told to a timeline: news, or ``STEP``."""


def sample(moment: int) -> Sampled:
    return Sampled(
        {
            "tenant": snapshot(at=2e6 + moment * 5e5, processes=processes(2 + moment % 5)),
            "cache": snapshot("cache", at=2e6 + moment * 5e5, cgroup=cgroup(moment % 7 * MIB, kills=moment // 3)),
        }
    )


def tell(timeline: Timeline, *story: Said) -> Timeline:
    for said in story:
        if isinstance(said, str):
            timeline.begin_step(len(said), said)
        else:
            timeline.hear(said)
    return timeline


def story(length: int) -> list[Said]:
    """Some of everything."""
    said: list[Said] = [STEP, *(Happened(event) for event in birth())]
    for moment in range(length):
        said += [sample(moment), Output("look", f"line {moment}\n"), Happened(exited(at=2e6 + moment * 5e5))]
        if moment % 10 == 9:
            said += [Trouble("the disk is full"), STEP, sample(moment)]
    return said


def as_values(evidence: Evidence) -> dict[str, object]:
    return dict(vars(evidence.copy()))


def told_so_far(said: list[Said]) -> list[tuple[dict[str, object], tuple[str, int]]]:
    """How things were at each moment, as one heard it who heard no more."""
    timeline, seen = Timeline(), {}
    for each in said:
        tell(timeline, each)
        seen[timeline.last] = as_values(timeline.evidence), (timeline.scrollback.text, timeline.scrollback.dropped)
    return list(seen.values())


def test_going_back_and_forward_shows_what_was_there_then() -> None:
    said = story(40)
    then, timeline = told_so_far(said), tell(Timeline(), *said)
    assert timeline.last == len(then) - 1 > 3 * STRIDE

    there = list(range(timeline.last + 1))
    for place in (*reversed(there), *there):
        assert (as_values(timeline.at(place)), timeline.printed(place)) == then[place]


pieces = st.one_of(
    st.integers(0, 6).map(sample),
    st.sampled_from([Happened(event) for event in (*birth(), exited(), exited("cache"))]),
    st.text("ab\n", max_size=4).map(lambda text: Output("look", text)),
    st.just(Trouble("no room")),
    st.just(STEP),
)


@given(st.lists(pieces, min_size=1, max_size=120), st.data())
def test_wherever_one_jumps_one_finds_what_was_there_then(said: list[Said], data: st.DataObject) -> None:
    then, timeline = told_so_far([STEP, *said]), tell(Timeline(), STEP, *said)

    for place in data.draw(st.lists(st.integers(0, timeline.last), max_size=8)):
        assert (as_values(timeline.at(place)), timeline.printed(place)) == then[place]


def test_what_changed_is_marked_against_the_beginning_of_the_step_which_the_moment_belongs_to() -> None:
    def grown(count: int) -> Sampled:
        return Sampled({"tenant": snapshot(at=count * 1e6, processes=processes(count))})

    timeline = tell(Timeline(), "one", grown(2), grown(3), "two", grown(4), "three", grown(5))

    def marked(place: int) -> list[str]:
        return [change.key for change in timeline.at(place).changes("tenant")]

    assert [marked(place) for place in (6, 5, 4, 3, 2, 1)] == [["18426"], [], ["18425"], [], ["18424"], []]


def test_a_sample_that_shows_nothing_new_is_no_moment_but_the_graph_goes_on() -> None:
    timeline = tell(Timeline(), STEP, sample(1))
    for later in range(5):
        same = {name: msgspec.structs.replace(one, at=9e6 + later) for name, one in sample(1).snapshots.items()}
        timeline.hear(Sampled(same))
    timeline.hear(sample(2))

    assert timeline.last == 2
    assert len(timeline.at(1).memory("tenant")) == 6
    assert len(timeline.at(2).memory("tenant")) == 7


def test_a_moment_that_is_looked_at_still_keeps_what_is_printed_later_for_the_next_one() -> None:
    timeline = tell(Timeline(), STEP, Output("look", "one\n"), Output("look", "two\n"))
    timeline.at(1)
    tell(timeline, Output("look", "three\n"), Output("look", "four\n"))

    assert [timeline.printed(place)[0] for place in (0, 1, 2)] == ["", "one\ntwo\n", "one\ntwo\nthree\nfour\n"]
    assert timeline[2].text == "printed: four"


def test_only_so_many_moments_are_kept_and_those_that_are_kept_are_right() -> None:
    said = [STEP, *(sample(moment) for moment in range(500))]
    timeline, then = tell(Timeline(kept=100), *said), told_so_far(said)

    assert 100 <= timeline.last - timeline.first + 1 <= 100 + STRIDE
    assert timeline.spot(timeline.first).dropped == timeline.first == timeline.last + 1 - len(timeline.spot(500).track)
    for place in (timeline.first, timeline.last, timeline.first + 40, timeline.first + 10):
        assert as_values(timeline.at(place)) == then[place][0]
    assert as_values(timeline.at(3)) == then[timeline.first][0]


def test_a_cursor_whose_moment_was_dropped_begins_anew_at_the_oldest() -> None:
    said = [STEP, *(sample(moment) for moment in range(300))]
    timeline = tell(Timeline(kept=64), *said[:40])
    timeline.at(20)
    tell(timeline, *said[40:])

    assert as_values(timeline.at(20)) == told_so_far(said)[timeline.first][0]


def test_who_starts_thousands_of_processes_shortens_the_timeline_and_fills_no_memory() -> None:
    timeline = Timeline(weight=1 << 20)
    for moment in range(400):
        crowd = processes(200, name="x" * 100)
        others = tuple(msgspec.structs.replace(each, pid=each.pid + 1_000 * moment) for each in crowd)
        timeline.hear(Sampled({"tenant": snapshot(processes=others)}))

    assert timeline.last == 399
    assert timeline.last - timeline.first < 3 * STRIDE
    assert len(timeline.at(timeline.last).snapshots["tenant"].processes) == 200  # type: ignore[arg-type]


def test_a_flood_of_output_is_one_moment_and_says_what_of_it_is_gone() -> None:
    timeline = tell(Timeline(), STEP)
    timeline.give("look", "yes")
    for _ in range(100):
        timeline.hear(Output("look", "y\n" * 32_768))
    tell(timeline, sample(1))

    assert timeline.last == 3
    text, dropped = timeline.printed(2)
    assert (len(text), dropped) == (LIMIT, 6 + 100 * 65_536 - LIMIT)
    assert timeline.printed(1) == ("", 6)
    assert timeline.scrollback._held <= 2 * PRINTED


def test_brackets_find_events_and_steps() -> None:
    timeline = tell(Timeline(), "one", *(Happened(event) for event in birth()), sample(0), sample(1), "two", sample(2))
    told = Kind.HAPPENING + Kind.GRAVE + Kind.STEP
    kinds = "".join(timeline[place].kind for place in range(timeline.last + 1))

    assert kinds == "s" + "o" * 10 + "h" + "  " + "s" + " "
    assert timeline.near(15, -1, told) == 14
    assert timeline.near(14, -1, told) == 11
    assert timeline.near(11, -1, told) == 0
    assert timeline.near(0, -1, told) == 0
    assert timeline.near(0, 1, told) == 11
    assert timeline.near(14, 1, told) == 15
    assert timeline.near(15, -1, Kind.STEP) == 14


def test_a_moment_says_when_it_was_and_what_happened() -> None:
    timeline = tell(Timeline(), "Walls", *(Happened(event) for event in birth()), sample(0))
    timeline.give("look", "ps")
    tell(timeline, Output("look", "1 sh\n"), Trouble("no room"))
    spots = [timeline.spot(place) for place in range(timeline.last + 1)]

    assert [(spot.container, spot.text) for spot in (spots[0], spots[1], spots[11], *spots[12:])] == [
        ("", "the step begins: Walls"),
        ("tenant", "make the cgroup contlab-7f3a/tenant (61 µs)"),
        ("tenant", "runs as PID 18422, ready after 1.1 ms"),
        ("", "a sample"),
        ("", "$ ps"),
        ("", "printed: 1 sh"),
        ("contlab", "no room"),
    ]
    assert spots[1].at == 0.0
    assert spots[12].at == spots[15].at == spots[0].until == 2e6 - 1_000_076.0
    assert spots[15].kind is Kind.GRAVE


@pytest.mark.parametrize("keep", [1, 3])
def test_the_timeline_of_a_lesson_that_has_just_begun_has_a_moment(keep: int) -> None:
    timeline = tell(Timeline(kept=keep), STEP)

    assert (timeline.first, timeline.last, timeline.near(0, -1), timeline.near(0, 1)) == (0, 0, 0, 0)
    assert as_values(timeline.at(0)) == as_values(Evidence())
