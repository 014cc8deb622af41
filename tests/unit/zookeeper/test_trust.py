"""The lag of a heartbeat: what the leader has surely been told by the time of its answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord_zookeeper.trust import Touches

TICK_S = 2.0


def through_a_follower(*, tick_s: float = TICK_S) -> Touches:
    touches = Touches(tick_s)
    touches.connected(1, 100.0)
    touches.learned(1, leads=False, tick_s=None)
    return touches


def lag_s(touches: Touches, sent_s: float) -> float:
    """The lag of a heartbeat that was answered at once."""
    return touches.lag_s(sent_s, sent_s)


def test_through_the_leader_a_heartbeat_lags_by_nothing() -> None:
    touches = Touches(TICK_S)
    touches.connected(1, 100.0)
    touches.learned(1, leads=True, tick_s=None)
    assert [lag_s(touches, sent_s) for sent_s in (100.5, 103.0, 110.0)] == [0.0, 0.0, 0.0]


def test_whose_role_is_not_known_counts_as_a_follower() -> None:
    touches = Touches(TICK_S)
    touches.connected(1, 100.0)
    assert lag_s(touches, 102.5) == 2.5


def test_right_after_connecting_the_leader_has_just_been_told() -> None:
    assert lag_s(through_a_follower(), 100.1) == pytest.approx(0.1)


def test_rare_heartbeats_lag_by_the_time_between_two() -> None:
    touches = through_a_follower()
    assert [lag_s(touches, sent_s) for sent_s in (102.5, 105.0, 107.5)] == [2.5, 2.5, 2.5]


def test_frequent_heartbeats_lag_by_a_tick_or_what_a_ping_may_have_missed() -> None:
    touches = through_a_follower()
    lags = [lag_s(touches, 100 + n * 0.5) for n in range(1, 20)]
    assert set(lags[4:]) == {TICK_S}, "a ping every second, half a second for its way, and one tick"


def test_a_heartbeat_that_failed_told_nobody() -> None:
    """Only what was acknowledged is asked about, so a gap shows as lag."""
    touches = through_a_follower()
    lag_s(touches, 102.5)
    assert lag_s(touches, 110.0) == 7.5


def test_another_connection_forgets_role_and_heartbeats() -> None:
    touches = Touches(TICK_S)
    touches.connected(1, 100.0)
    touches.learned(1, leads=True, tick_s=None)
    lag_s(touches, 102.5)
    touches.connected(2, 104.0)
    assert lag_s(touches, 104.5) == 0.5
    assert lag_s(touches, 105.5) == 1.5, "a heartbeat of a second ago proves nothing yet"


def test_a_tick_that_the_server_tells_counts() -> None:
    touches = through_a_follower()
    touches.learned(1, leads=False, tick_s=0.2)
    assert [lag_s(touches, 100 + n * 0.5) for n in range(1, 5)] == [0.5, 0.5, 0.5, 0.5]


@given(
    beats=st.lists(
        st.tuples(st.floats(0.01, 6.0), st.floats(0.0, 3.0), st.floats(0.0, 3.0)),
        min_size=1,
        max_size=40,
    ),
    phase=st.floats(0.0, 1.0),
)
def test_no_proof_outlives_what_the_leader_knew_when_the_follower_died(
    beats: list[tuple[float, float, float]], phase: float
) -> None:
    """A model of the follower: pings every half tick, each telling of all that came before it.

    Heartbeats take their time on the way there and back; it dies right after it has answered.
    """
    touches = through_a_follower()
    acked_s, told_s = 100.0, 100.0
    untold: list[tuple[float, float]] = []
    ping_s = 100.0 + phase * TICK_S / 2
    for pause_s, there_s, back_s in beats:
        sent_s = acked_s + pause_s
        came_s, acked_s = sent_s + there_s, sent_s + there_s + back_s
        while ping_s <= came_s:
            told_s = max([told_s, *(sent for sent, came in untold if came <= ping_s)])
            ping_s += TICK_S / 2
        lag_s = touches.lag_s(sent_s, acked_s)
        untold.append((sent_s, came_s))
        assert sent_s - lag_s <= told_s + 1e-9, "the leader had not been told of that yet"


def test_a_heartbeat_that_came_late_counts_from_its_answer() -> None:
    """It left at 112 and was heard before 113.5: the next ping may have come as late as 114.5."""
    touches = through_a_follower()
    touches.lag_s(110.0, 110.25)
    assert touches.lag_s(112.0, 113.5) == 2.0
    assert touches.lag_s(113.75, 113.875) == 3.75, "the one at 112 may not have been told"
    assert touches.lag_s(115.0, 115.25) == 3.0, "by now it was"


def test_what_a_former_server_says_of_itself_is_not_believed_of_the_next() -> None:
    """Its answer may come after the next connection was made."""
    touches = Touches(TICK_S)
    touches.connected(1, 100.0)
    touches.connected(2, 110.0)
    touches.learned(1, leads=True, tick_s=0.2)
    assert lag_s(touches, 112.0) == TICK_S
