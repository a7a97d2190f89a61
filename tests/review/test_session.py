"""The sitting: what is asked next, for how long, and the way back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from contlab.review.session import Caps, Item, Kind, Session

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
NO_CAPS = Caps(0, 0, 0)


def note(key: str, late: int = 1) -> Item:
    return Item(Kind.NOTE, key, key, late)


def new(key: str, kind: Kind = Kind.NOTE) -> Item:
    return Item(kind, key, key, is_new=True)


def card(key: str) -> Item:
    return Item(Kind.CARD, key, key)


def keys(session: Session) -> list[str]:
    return [item.key for item in session.upcoming]


def after(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def test_notes_that_are_due_come_first_then_cards_then_what_is_new():
    session = Session([new("n1"), card("1"), note("a"), new("2", Kind.CARD), note("b")], NOON, NO_CAPS)

    assert ["a", "b", "1", "n1", "2"] == keys(session)


def test_of_what_is_new_only_as_much_as_the_cap_allows():
    items = [new(f"n{number}") for number in range(5)] + [new(str(number), Kind.CARD) for number in range(5)]

    assert ["n0", "n1", "0", "1"] == keys(Session(items, NOON, Caps(new=2)))


def test_what_was_rated_is_done_and_the_next_is_asked():
    session = Session([note("a"), note("b")], NOON)
    session.rated(NOON)

    assert ["b"] == keys(session)
    assert [note("a")] == session.done
    session.rated(NOON)
    assert session.current is None


def test_a_forgotten_card_comes_again_when_it_is_time():
    session = Session([card("1"), card("2"), card("3")], NOON, NO_CAPS)
    session.rated(NOON, after(10))
    assert ["2", "3", "1"] == keys(session)
    session.rated(after(11))
    assert session.current == card("1")


def test_a_forgotten_card_comes_at_once_when_nothing_else_is_left():
    session = Session([card("1")], NOON, NO_CAPS)
    session.rated(NOON, after(10))

    assert session.current == card("1")


def test_reviews_are_capped_and_one_may_go_on():
    session = Session([note(key) for key in "abc"], NOON, Caps(reviews=2, minutes=0))
    session.rated(NOON)
    assert "" == session.capped(NOON)
    session.rated(NOON)
    assert "2 reviews" == session.capped(NOON)
    assert session.current is None
    assert ["c"] == keys(session)

    session.go_on(NOON)

    assert "" == session.capped(NOON)
    assert session.current == note("c")


def test_minutes_are_capped():
    session = Session([note("a"), note("b")], NOON, Caps(minutes=20))
    session.rated(after(20))
    assert "20 minutes" == session.capped(after(20))
    assert session.current is None
    session.go_on(after(21))
    assert session.current == note("b")


def test_later_goes_to_the_end_and_what_is_dropped_is_gone():
    session = Session([note("a"), note("b"), note("c")], NOON)
    session.skip(NOON)
    assert ["b", "c", "a"] == keys(session)
    session.drop(NOON)
    assert ["c", "a"] == keys(session)
    assert [] == session.done


def test_a_chosen_item_comes_now_and_the_current_one_follows_it():
    session = Session([note("a"), note("b"), note("c")], NOON)
    session.choose(note("c"))

    assert ["c", "a", "b"] == keys(session)


def test_a_review_taken_back_is_asked_again_also_after_the_cap():
    session = Session([note("a"), note("b")], NOON, Caps(reviews=1, minutes=0))
    session.rated(NOON)
    session.take_back(note("a", late=3))

    assert ["a", "b"] == keys(session)
    assert [] == session.done
    session.rated(NOON)
    assert "1 reviews" == session.capped(NOON)


def test_a_review_of_an_earlier_session_can_be_taken_back():
    session = Session([note("a")], NOON)
    session.take_back(note("z"))

    assert ["z", "a"] == keys(session)


def test_a_card_that_waits_and_is_taken_back_is_asked_once():
    session = Session([card("1"), card("2")], NOON, NO_CAPS)
    session.rated(NOON, after(10))
    session.take_back(card("1"))

    assert ["1", "2"] == keys(session)


def test_reading_the_vault_again_keeps_the_current_item_if_it_is_due():
    session = Session([note("a"), note("b")], NOON)
    session.rated(NOON)
    session.renew([note("c"), note("b")], NOON)
    assert ["b", "c"] == keys(session)
    session.renew([note("c")], NOON)
    assert ["c"] == keys(session)
    assert [note("a")] == session.done


ACTS = st.lists(
    st.sampled_from(["rated", "again", "skip", "drop", "choose", "back", "go_on", "renew"]), min_size=1, max_size=40
)


@given(ACTS, st.integers(0, 4))
def test_nothing_is_asked_twice_or_lost_whatever_is_done(acts: list[str], cap: int):
    items = [note(key) for key in "abcde"]
    session = Session(items, NOON, Caps(cap, 0, 0))
    gone: set[str] = set()
    for minute, act in enumerate(acts):
        now = after(minute)
        here = session.current
        match act:
            case "rated":
                gone |= {here.key} if here else set()
                session.rated(now)
            case "again":
                session.rated(now, now + timedelta(minutes=3))
            case "skip":
                session.skip(now)
            case "drop":
                gone |= {here.key} if here else set()
                session.drop(now)
            case "choose" if session.upcoming:
                session.choose(session.upcoming[-1])
            case "back" if session.done:
                gone.discard(session.done[-1].key)
                session.take_back(session.done[-1])
            case "go_on":
                session.go_on(now)
            case "renew":
                session.renew([item for item in items if item.key not in gone], now)
        assert sorted(set("abcde") - gone) == sorted(keys(session))
