"""Sightings of heartbeats: the reply that first showed them, whoever asked, and nothing earlier."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from coord.sightings import Sighting, Sightings
from coord.testing.clock import ManualClock

# after how long a reply came, whether it shows all sessions, and what it shows
REPLIES = st.lists(
    st.tuples(
        st.floats(0.01, 5.0),
        st.booleans(),
        st.dictionaries(st.sampled_from("ab"), st.integers(0, 6)),
    ),
    min_size=1,
)


def test_the_first_reply_that_showed_a_number_counts() -> None:
    clock = ManualClock(100.0)
    sightings = Sightings(clock)
    assert sightings.note("s", 3) == Sighting(3, 100.0)
    clock.set(101.0)
    assert sightings.note("s", 3) == Sighting(3, 100.0)
    assert sightings.shown({"s": 3}) == {"s": Sighting(3, 100.0)}
    clock.set(102.0)
    both = {"s": Sighting(4, 102.0), "t": Sighting(0, 102.0)}
    assert sightings.shown({"s": 4, "t": 0}) == both
    assert sightings.note("s", 5) == Sighting(5, 102.0)


def test_a_stale_reply_takes_nothing_back() -> None:
    clock = ManualClock(100.0)
    sightings = Sightings(clock)
    sightings.note("s", 4)
    clock.set(101.0)
    assert sightings.note("s", 3) == Sighting(4, 100.0)
    assert sightings.shown({"s": 3}) == {"s": Sighting(4, 100.0)}


def test_a_session_that_is_not_shown_is_forgotten() -> None:
    clock = ManualClock(100.0)
    sightings = Sightings(clock)
    sightings.shown({"s": 4, "t": 9})
    sightings.shown({"t": 9})
    clock.set(105.0)
    assert sightings.note("s", 4) == Sighting(4, 105.0)
    assert sightings.note("t", 9) == Sighting(9, 100.0)


def test_a_reply_of_one_session_forgets_no_other() -> None:
    clock = ManualClock(100.0)
    sightings = Sightings(clock)
    sightings.note("s", 4)
    sightings.note("t", 9)
    clock.set(105.0)
    assert sightings.note("s", 4) == Sighting(4, 100.0)


def test_what_was_returned_stays_as_it_was() -> None:
    sightings = Sightings(ManualClock(100.0))
    before = sightings.shown({"s": 4})
    sightings.note("s", 5)
    sightings.shown({"s": 6})
    assert before == {"s": Sighting(4, 100.0)}


@given(REPLIES)
def test_a_sighting_is_never_earlier_than_the_reply_that_it_stands_for(
    replies: list[tuple[float, bool, dict[str, int]]],
) -> None:
    """Replies of any reader in any order, stale ones and such that miss a session among them."""
    clock = ManualClock(0.0)
    sightings = Sightings(clock)
    came: list[tuple[float, dict[str, int]]] = []
    for after_s, whole, numbers in replies:
        clock.advance(after_s)
        came.append((clock.now(), numbers))
        if whole:
            found = sightings.shown(numbers)
        else:
            found = {session: sightings.note(session, seq) for session, seq in numbers.items()}
        assert found.keys() == numbers.keys()
        for session, sighting in found.items():
            showed = [at_s for at_s, said in came if said.get(session) == sighting.seq]
            assert sighting.at_s in showed, "it is the moment of a reply that showed this number"
            assert sighting.seq >= numbers[session]
