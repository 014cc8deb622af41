"""What is given back, for how long, and what stays: deferral, quotas, signals."""

from __future__ import annotations

from itertools import pairwise

import pytest

from coord.errors import ConfigError
from coord.tasks.queue.admission import Quota
from tests.unit.tasks.queue.admission_desk import Desk, fair

# ------------------------------------------------------------------------------------ deferral


def test_one_tenant_alone_is_never_deferred_and_receiving_stops_at_capacity() -> None:
    desk = Desk(fair(2))
    desk.put("a" * 20)
    desk.take_all()
    assert desk.give_back() == []
    assert desk.room() <= 0


def test_what_waits_in_the_way_of_others_is_given_back_and_there_is_room_again() -> None:
    desk = Desk(fair(8))
    desk.work_steadily("abcd", 120.0, each_s=0.5)
    desk.put("x" * 20)
    desk.take_all()
    gone = desk.give_back()
    assert {desk.tenant_of(hand) for hand in gone} == {"x"}
    assert desk.room() >= 1
    assert all(reason == "tenant" for _, reason in desk.rests)


def test_while_everybody_waits_here_nothing_is_given_back() -> None:
    desk = Desk(fair(4))
    desk.work_steadily("ab", 10.0, each_s=0.1)
    desk.put("bbb" + "a" * 45)
    desk.take_all()
    assert desk.room() <= 0
    assert desk.give_back() == []
    desk.end_all(0.1)
    desk.take_all()
    assert desk.give_back(), "now the next one of b can be behind these"


def test_those_that_came_back_stay_and_the_newest_go() -> None:
    desk = Desk(fair(4))
    desk.work_steadily("abc", 120.0)
    fresh = desk.put("x" * 8)
    back = desk.put("x" * 2, received=3)
    desk.take_all()
    gone = desk.give_back()
    assert gone
    assert set(gone) <= set(fresh), "although the others stand behind them"
    assert not set(gone) & set(back)


@pytest.mark.parametrize(
    ("max_receives", "deferrable"), [(1, 0), (2, 0), (3, 1), (5, 3), (None, 10)]
)
def test_at_least_two_deliveries_are_left_to_a_message(
    max_receives: int | None, deferrable: int
) -> None:
    for received in range(1, 15):
        desk = Desk(fair(4), max_receives=max_receives)
        desk.work_steadily("abc", 120.0)
        desk.put("x" * 10, received=received)
        desk.take_all()
        assert bool(desk.give_back()) == (received <= deferrable)


def test_of_an_ordered_queue_nothing_is_deferred() -> None:
    """It would take all that is behind it in its group along, one delivery of each."""
    desk = Desk(fair(4), ordered=True)
    desk.work_steadily("abc", 120.0)
    desk.put("x" * 10)
    desk.take_all()
    assert desk.give_back() == []


def test_what_may_be_deferred_no_more_begins_when_the_room_is_used_up() -> None:
    desk = Desk(fair(4))
    desk.work_steadily("abc", 120.0)
    desk.put("x" * 10, received=9)
    assert desk.give_back() == []
    assert desk.take_all() == "xxxx", "past its own limit, within that of all"
    assert desk.admission.load(4, desk.clock.now()).passed == {"tenant": 2}


def test_rests_follow_the_pace_at_which_the_tenant_is_served() -> None:
    desk = Desk(fair(4))
    desk.work_steadily("abcx", 300.0, each_s=4.0)
    desk.put("x" * 20)
    desk.take_all()
    desk.give_back()
    rests = [rest_s for rest_s, _ in desk.rests]
    assert len(rests) > 10
    assert rests == sorted(rests), "each one after the one before"
    apart = [after - before for before, after in pairwise(rests)]
    assert apart == pytest.approx([5.0] * len(apart), rel=0.05), "4 s each, one at a time, x 1.25"


# ---------------------------------------------------------------------------------- what is ahead


def test_nothing_is_received_ahead_of_handlers_that_take_long() -> None:
    desk = Desk(fair(4))
    desk.work_steadily("a", 60.0, each_s=10.0)
    desk.put("aaaa")
    desk.take_all()
    assert desk.room() == 0, "others may be idle"


def test_what_can_begin_within_a_second_is_received_ahead() -> None:
    desk = Desk(fair(4))
    desk.work_steadily("a", 10.0, each_s=0.2)
    desk.put("aaaa")
    desk.take_all()
    assert 15 <= desk.room() <= 25


# -------------------------------------------------------------------------------------- quotas


def test_a_quota_holds_on_an_idle_worker_too() -> None:
    desk = Desk(fair(8, quota=Quota(per_minute=60, burst=3)))
    desk.put("a" * 8)
    assert desk.take_all() == "aaa"
    desk.clock.advance(2.0)
    assert desk.take_all() == "aa"


def test_each_tenant_has_a_quota_of_its_own() -> None:
    desk = Desk(fair(8, quota=Quota(per_minute=60, burst=1, tenants={"b": 600})))
    desk.put("aabbc")
    assert sorted(desk.take_all()) == list("abc")
    desk.clock.advance(0.1)
    assert desk.take_all() == "b"


def test_what_is_over_its_quota_is_given_back_until_there_are_tokens() -> None:
    desk = Desk(fair(4, quota=Quota(per_minute=6, burst=1)))
    desk.put("b")
    desk.take_all()
    desk.end_all()
    desk.put("a" * 10)
    assert desk.take_all() == "a"
    assert desk.give_back()
    assert {reason for _, reason in desk.rests} == {"quota"}
    rests = [rest_s for rest_s, _ in desk.rests]
    assert rests[-1] >= 0.9 * 10.0 * len(rests)


def test_who_is_alone_and_over_its_quota_waits_for_it_in_hand() -> None:
    desk = Desk(fair(4, quota=Quota(per_minute=60, burst=1)))
    desk.put("a" * 10, received=9)
    assert desk.take_all() == "a"
    assert desk.give_back() == []
    desk.clock.advance(1.0)
    assert desk.take_all() == "a"


def test_quotas_that_make_no_sense_are_refused() -> None:
    for wrong in (0, -1, float("inf"), float("nan")):
        with pytest.raises(ConfigError, match="per minute"):
            Quota(per_minute=wrong)
        with pytest.raises(ConfigError, match="per minute"):
            Quota(per_minute=1, tenants={"a": wrong})
    with pytest.raises(ConfigError, match="burst"):
        Quota(per_minute=1, burst=-1)


# -------------------------------------------------------------------------------------- signals


def test_the_load_tells_what_waits_what_rests_and_since_when_the_oldest() -> None:
    desk = Desk(fair(8))
    desk.work_steadily("abcd", 120.0)
    first_s = desk.clock.now()
    desk.put("x" * 20)
    desk.take_all()
    desk.give_back()
    load = desk.admission.load(len(desk.running), desk.clock.now())
    assert load.waiting + load.resting + len(desk.running) == 20
    assert load.resting == len(desk.deferred) > 0
    assert load.oldest_sent_s == first_s
    assert load.tenants[0].name == "x"
    desk.clock.advance(300.0)
    assert desk.admission.load(0, desk.clock.now()).resting == 0
