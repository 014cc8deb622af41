"""Stamps of heartbeats: the reply that first showed them, whoever asked, and nothing earlier."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from coord.testing.clock import ManualClock
from coord_dynamodb.sightings import Sight, Sightings

REPLIES = st.lists(
    st.tuples(st.floats(0.01, 5.0), st.dictionaries(st.sampled_from("ab"), st.integers(0, 6))),
    min_size=1,
)


def test_the_first_reply_that_showed_a_number_counts() -> None:
    clock = ManualClock(100.0)
    sightings = Sightings(clock)
    assert sightings.shown("g", {"s": 3}) == {"s": Sight(3, 100.0)}
    clock.set(101.0)
    assert sightings.shown("g", {"s": 3}) == {"s": Sight(3, 100.0)}
    clock.set(102.0)
    assert sightings.shown("g", {"s": 4, "t": 0}) == {"s": Sight(4, 102.0), "t": Sight(0, 102.0)}


def test_a_stale_reply_takes_nothing_back() -> None:
    clock = ManualClock(100.0)
    sightings = Sightings(clock)
    sightings.shown("g", {"s": 4})
    clock.set(101.0)
    assert sightings.shown("g", {"s": 3}) == {"s": Sight(4, 100.0)}


def test_a_session_that_is_not_shown_is_forgotten() -> None:
    clock = ManualClock(100.0)
    sightings = Sightings(clock)
    sightings.shown("g", {"s": 4, "t": 9})
    sightings.shown("g", {"t": 9})
    clock.set(105.0)
    assert sightings.shown("g", {"s": 4, "t": 9}) == {"s": Sight(4, 105.0), "t": Sight(9, 100.0)}


def test_groups_do_not_mix() -> None:
    clock = ManualClock(100.0)
    sightings = Sightings(clock)
    sightings.shown("g", {"s": 4})
    clock.set(101.0)
    assert sightings.shown("h", {"s": 1}) == {"s": Sight(1, 101.0)}
    assert sightings.shown("g", {"s": 4}) == {"s": Sight(4, 100.0)}


def test_what_was_returned_stays_as_it_was() -> None:
    sightings = Sightings(ManualClock(100.0))
    before = sightings.shown("g", {"s": 4})
    sightings.shown("g", {"s": 5})
    assert before == {"s": Sight(4, 100.0)}


@given(REPLIES)
def test_a_stamp_is_never_earlier_than_the_reply_that_it_stands_for(
    replies: list[tuple[float, dict[str, int]]],
) -> None:
    """Replies of any reader in any order, stale ones and such that miss a session among them."""
    clock = ManualClock(0.0)
    sightings = Sightings(clock)
    came: list[tuple[float, dict[str, int]]] = []
    for after_s, numbers in replies:
        clock.advance(after_s)
        came.append((clock.now(), numbers))
        found = sightings.shown("g", numbers)
        assert found.keys() == numbers.keys()
        for session, sight in found.items():
            showed = [at_s for at_s, said in came if said.get(session) == sight.seq]
            assert sight.at_s in showed, "it is the moment of a reply that showed this number"
            assert sight.seq >= numbers[session]
