"""The lag of a heartbeat: what the leader has surely been told by the time of its answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord_zookeeper.trust import Touches

TICK_S = 2.0


def through_a_follower(*, tick_s: float = TICK_S) -> Touches:
    touches = Touches(tick_s)
    touches.connected(100.0)
    touches.learned(leads=False, tick_s=None)
    return touches


def test_through_the_leader_a_heartbeat_lags_by_nothing() -> None:
    touches = Touches(TICK_S)
    touches.connected(100.0)
    touches.learned(leads=True, tick_s=None)
    assert [touches.lag_s(sent_s) for sent_s in (100.5, 103.0, 110.0)] == [0.0, 0.0, 0.0]


def test_whose_role_is_not_known_counts_as_a_follower() -> None:
    touches = Touches(TICK_S)
    touches.connected(100.0)
    assert touches.lag_s(102.5) == 2.5


def test_right_after_connecting_the_leader_has_just_been_told() -> None:
    assert through_a_follower().lag_s(100.1) == pytest.approx(0.1)


def test_rare_heartbeats_lag_by_the_time_between_two() -> None:
    touches = through_a_follower()
    assert [touches.lag_s(sent_s) for sent_s in (102.5, 105.0, 107.5)] == [2.5, 2.5, 2.5]


def test_frequent_heartbeats_lag_by_a_tick_or_what_a_ping_may_have_missed() -> None:
    touches = through_a_follower()
    lags = [touches.lag_s(100 + n * 0.5) for n in range(1, 20)]
    assert set(lags[4:]) == {TICK_S}, "a ping every second, half a second for its way, and one tick"


def test_a_heartbeat_that_failed_told_nobody() -> None:
    """Only what was acknowledged is asked about, so a gap shows as lag."""
    touches = through_a_follower()
    touches.lag_s(102.5)
    assert touches.lag_s(110.0) == 7.5


def test_another_connection_forgets_role_and_heartbeats() -> None:
    touches = Touches(TICK_S)
    touches.connected(100.0)
    touches.learned(leads=True, tick_s=None)
    touches.lag_s(102.5)
    touches.connected(104.0)
    assert touches.lag_s(104.5) == 0.5
    assert touches.lag_s(105.5) == 1.5, "a heartbeat of a second ago proves nothing yet"


def test_a_tick_that_the_server_tells_counts() -> None:
    touches = through_a_follower()
    touches.learned(leads=False, tick_s=0.2)
    assert [touches.lag_s(100 + n * 0.5) for n in range(1, 5)] == [0.5, 0.5, 0.5, 0.5]


@given(
    pauses=st.lists(st.floats(0.01, 6.0), min_size=1, max_size=40),
    phase=st.floats(0.0, 1.0),
)
def test_no_proof_outlives_what_the_leader_knew_when_the_follower_died(
    pauses: list[float], phase: float
) -> None:
    """A model of the follower: pings every half tick, each telling of all that came before it."""
    touches = through_a_follower()
    sent_s, told_s = 100.0, 100.0
    untold: list[float] = []
    ping_s = 100.0 + phase * TICK_S / 2
    for pause_s in pauses:
        sent_s += pause_s
        while ping_s <= sent_s:
            told_s = max([told_s, *(one for one in untold if one <= ping_s)])
            ping_s += TICK_S / 2
        lag_s = touches.lag_s(sent_s)
        untold.append(sent_s)
        assert sent_s - lag_s <= told_s + 1e-9, "the leader had not been told of that yet"
