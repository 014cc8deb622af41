"""The life of one session: when it is renewed, when it is not, and when it is given up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.config import Timing
from coord.core.commands import Opened
from coord.core.keeper import Keeper
from coord.core.states import SessionPhase, SessionSignal
from coord.spi import Proof

TIMING = Timing.of(10.0)  # heartbeat 2.5, rpc timeout 1, stop grace 2, control timeout 10
_INF = float("inf")


def _keeper(jitter: float = 0.5) -> Keeper:
    keeper = Keeper(TIMING, lambda: jitter)
    keeper.signal(SessionSignal.START)
    return keeper


def _live(at_s: float = 100.0, *, jitter: float = 0.5, took_s: float = 0.0) -> Keeper:
    """A keeper whose session was asked for at `at_s`."""
    keeper = _keeper(jitter)
    keeper.signal(SessionSignal.OPENED)
    keeper.opened(Opened("s", 10.0, Proof(sent_at_s=at_s, ttl_s=10.0)), at_s + took_s)
    return keeper


def _beat(keeper: Keeper, sent_s: float, answered_s: float) -> None:
    assert keeper.beat_now(sent_s, attentive_s=sent_s)
    keeper.beat_proven(Proof(sent_at_s=sent_s, ttl_s=10.0), answered_s)


# --- renewing --------------------------------------------------------------------------------


def test_heartbeats_are_due_from_the_sending_of_the_last_proven_one() -> None:
    """Slow replies must not stretch the interval beyond the budget."""
    keeper = _live(100.0, took_s=0.9)
    assert keeper.pulse_s == 102.5
    _beat(keeper, 102.5, 103.4)
    assert keeper.pulse_s == 105.0


def test_no_heartbeat_is_sent_before_it_is_due() -> None:
    keeper = _live(100.0)
    assert not keeper.beat_now(102.4, attentive_s=102.4)
    assert keeper.beat_now(102.5, attentive_s=102.5)


def test_one_heartbeat_is_outstanding_at_most() -> None:
    keeper = _live(100.0)
    assert keeper.beat_now(102.5, attentive_s=102.5)
    assert keeper.pulse_s == _INF
    assert not keeper.beat_now(106.0, attentive_s=106.0)


@pytest.mark.parametrize("jitter", [0.0, 0.5, 0.999])
def test_a_failed_heartbeat_is_tried_again_soon_and_moves_no_deadline(jitter: float) -> None:
    keeper = _live(100.0, jitter=jitter)
    before = keeper.lease.trusted_until_s
    assert keeper.beat_now(102.5, attentive_s=102.5)
    keeper.beat_failed(103.5)
    assert 103.5 < keeper.pulse_s <= 103.5 + TIMING.rpc_timeout_s
    assert keeper.lease.trusted_until_s == before


def test_a_heartbeat_that_proves_nothing_new_is_tried_again_soon() -> None:
    keeper = _live(100.0)
    before = keeper.lease.trusted_until_s
    assert keeper.beat_now(102.5, attentive_s=102.5)
    keeper.beat_proven(Proof(sent_at_s=100.0, ttl_s=10.0), 102.6)
    assert 102.6 < keeper.pulse_s <= 103.6
    assert keeper.lease.trusted_until_s == before


def test_the_budget_survives_as_many_timeouts_as_it_promises() -> None:
    """`attempts` heartbeats in a row time out, and the next is sent before work must stop."""
    keeper = _live(100.0, jitter=0.999)
    for _ in range(TIMING.attempts):
        sent_s = keeper.pulse_s
        assert keeper.beat_now(sent_s, attentive_s=sent_s)
        keeper.beat_failed(sent_s + TIMING.rpc_timeout_s)
    assert keeper.pulse_s < keeper.lease.stop_at_s
    assert keeper.beat_now(keeper.pulse_s, attentive_s=keeper.pulse_s)


# --- a half-dead member ----------------------------------------------------------------------


def test_no_heartbeat_is_sent_while_the_control_thread_is_silent() -> None:
    """A member that can renew but not work must not keep what it holds."""
    keeper = _live(100.0)
    assert not keeper.beat_now(102.5, attentive_s=102.5 - TIMING.control_timeout_s - 0.1)
    assert keeper.pulse_s == 105.0, "it looks again, and does not spin"


def test_heartbeats_go_on_when_the_control_thread_ticks_again() -> None:
    keeper = _live(100.0)
    keeper.beat_now(102.5, attentive_s=50.0)
    assert keeper.beat_now(105.0, attentive_s=104.9)


def test_a_control_thread_that_is_silent_for_less_than_its_timeout_is_waited_for() -> None:
    keeper = _live(100.0)
    assert keeper.beat_now(102.5, attentive_s=102.5 - TIMING.control_timeout_s)


# --- giving up -------------------------------------------------------------------------------


def test_a_session_without_proof_is_doubted_from_stop_at_on() -> None:
    keeper = _live(100.0)
    stop_at_s = keeper.lease.stop_at_s
    assert stop_at_s == pytest.approx(100 + 9.98 - 2)
    assert not keeper.doubted(stop_at_s - 0.001)
    assert keeper.doubted(stop_at_s)


def test_from_stop_at_on_no_heartbeat_is_sent_even_before_anybody_has_noticed() -> None:
    """The heartbeat thread wakes first after a pause: it must not revive what is given up."""
    keeper = _live(100.0)
    assert not keeper.beat_now(keeper.lease.stop_at_s, attentive_s=keeper.lease.stop_at_s)
    assert keeper.pulse_s == _INF


def test_a_proof_that_comes_after_the_giving_up_buys_no_more_trust() -> None:
    keeper = _live(100.0)
    assert keeper.beat_now(107.0, attentive_s=107.0)
    keeper.signal(SessionSignal.DOUBT)
    before = keeper.lease.trusted_until_s
    keeper.beat_proven(Proof(sent_at_s=107.0, ttl_s=10.0), 108.0)
    assert keeper.lease.trusted_until_s == before
    assert keeper.pulse_s == _INF


def test_a_session_that_is_left_in_order_is_renewed_until_its_work_has_stopped() -> None:
    keeper = _live(100.0)
    keeper.signal(SessionSignal.STOP)
    assert keeper.phase is SessionPhase.LEAVING
    assert keeper.beat_now(102.5, attentive_s=102.5)


def test_a_forgotten_session_is_not_trusted_and_not_renewed() -> None:
    keeper = _live(100.0)
    keeper.signal(SessionSignal.DOUBT)
    keeper.signal(SessionSignal.QUIET)
    keeper.forget()
    assert keeper.session is None
    assert keeper.lease.trusted_until_s == -_INF
    assert keeper.pulse_s == _INF


@given(st.lists(st.tuples(st.floats(0.01, 6.0), st.booleans(), st.floats(0.0, 1.0)), max_size=30))
def test_no_heartbeat_ever_leaves_at_or_after_stop_at(
    course: list[tuple[float, bool, float]],
) -> None:
    """Whatever the delays and failures; so nothing that is given up is ever renewed."""
    keeper, now = _live(100.0), 100.0
    for wait_s, answered, took_s in course:
        now += wait_s
        stop_at_s = keeper.lease.stop_at_s
        if not keeper.beat_now(now, attentive_s=now):
            continue
        assert now < stop_at_s
        if answered:
            keeper.beat_proven(Proof(sent_at_s=now, ttl_s=10.0), now + took_s)
            in_time = now + took_s < stop_at_s
            assert (keeper.lease.stop_at_s > stop_at_s) is in_time, "given up is given up"
        else:
            keeper.beat_failed(now + took_s)
            assert keeper.lease.stop_at_s == stop_at_s
        now += took_s


# --- opening ---------------------------------------------------------------------------------


def test_opening_is_tried_again_later_each_time_up_to_half_a_ttl() -> None:
    keeper = _keeper()
    waits = []
    for _ in range(6):
        keeper.backoff(100.0)
        waits.append(keeper.open_due_s - 100.0)
    assert waits == [1.0, 2.0, 4.0, 5.0, 5.0, 5.0]


def test_members_that_fail_together_do_not_try_again_together() -> None:
    dues = set()
    for jitter in (0.0, 0.3, 0.9):
        keeper = _keeper(jitter)
        keeper.backoff(100.0)
        dues.add(keeper.open_due_s)
        assert keeper.open_due_s >= 100.0 + TIMING.rpc_timeout_s / 2
    assert len(dues) == 3


def test_a_session_that_opens_ends_the_backing_off_and_is_a_new_lease() -> None:
    keeper = _keeper()
    old = keeper.lease
    keeper.backoff(100.0)
    keeper.signal(SessionSignal.OPENED)
    keeper.opened(Opened("s", 10.0, Proof(sent_at_s=101.0, ttl_s=10.0)), 101.5)
    assert keeper.failures == 0
    assert keeper.lease is not old
    assert keeper.lease.session == keeper.session == "s"
    assert keeper.live_since_s == 101.5
    assert keeper.lease.trusted_until_s == pytest.approx(101.0 + 9.98)
