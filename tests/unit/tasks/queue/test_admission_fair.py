"""Whose turn it is, what waits, and what is given back."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coord.errors import ConfigError
from coord.tasks.queue.admission import Admission, Fair, Fixed, FixedLimit, Quota
from coord.tasks.queue.hand import InHand, Outcome
from coord.tasks.queue.spi import Message
from coord.testing.clock import ManualClock
from tests.unit.tasks.queue.admission_world import PATIENCE, limits


class Desk:
    """An admission, and a worker that does what it says when it is told to."""

    def __init__(
        self, admission: Admission, *, max_receives: int | None = 10, ordered: bool = False
    ) -> None:
        self.clock = ManualClock()
        self.admission = admission
        self.running: list[InHand] = []
        self.put_in: list[InHand] = []
        self.begun: list[InHand] = []
        self.deferred: list[InHand] = []
        self.rests: list[tuple[float, str]] = []
        self._numbers = 0
        admission.opened(limits(max_receives, ordered=ordered))

    def put(self, tenants: str, *, received: int = 1, attribute: str = "") -> list[InHand]:
        """One message of each tenant that is named by a letter."""
        hands = []
        for tenant in tenants:
            self._numbers += 1
            message = Message(
                id=str(self._numbers),
                receipt=f"r{self._numbers}",
                body="{}",
                received=received,
                group="" if attribute else tenant,
                attributes={attribute: tenant} if attribute else {},
                sent_at_s=self.clock.now(),
            )
            hands.append(InHand(message, self.clock.now(), PATIENCE, self.clock))
        self.put_in += hands
        self.admission.put(hands, self.clock.now())
        return hands

    def take(self) -> InHand | None:
        hand = self.admission.take(len(self.running), self.clock.now())
        if hand is not None:
            self.running.append(hand)
            self.begun.append(hand)
        return hand

    def take_all(self) -> str:
        """Whose messages begin now."""
        found = []
        while (hand := self.take()) is not None:
            found.append(self.tenant_of(hand))
        return "".join(found)

    @staticmethod
    def tenant_of(hand: InHand) -> str:
        return hand.message.group or next(iter(hand.message.attributes.values()), "")

    def end(self, hand: InHand, seconds: float = 1.0) -> None:
        hand.outcome = Outcome.DONE
        self.admission.ended(hand, seconds, len(self.running), self.clock.now())
        self.running.remove(hand)

    def end_all(self, seconds: float = 1.0) -> None:
        for hand in list(self.running):
            self.end(hand, seconds)

    def give_back(self) -> list[InHand]:
        found = self.admission.excess(len(self.running), self.clock.now())
        self.deferred += [one.hand for one in found]
        self.rests += [(one.rest_s, one.reason) for one in found]
        return [one.hand for one in found]

    def room(self) -> int:
        return self.admission.room(len(self.running), self.clock.now())

    def work_steadily(self, tenants: str, for_s: float, each_s: float = 1.0) -> None:
        """These run one handler each all the time, and so make a habit of it."""
        end_s = self.clock.now() + for_s
        while self.clock.now() < end_s:
            self.put(tenants)
            self.take_all()
            self.clock.advance(each_s)
            self.end_all(each_s)


def fair(limit: int, *, tenant: str = "", quota: Quota | None = None) -> Fair:
    return Fair(FixedLimit(limit), tenant=tenant, quota=quota, draw=lambda: 0.5)


# ------------------------------------------------------------------------------------- turns


def test_tenants_have_their_turns_and_each_ones_messages_keep_their_order() -> None:
    desk = Desk(fair(6))
    desk.put("aaabbc")
    assert desk.take_all() == "abcaba"
    of_a = [hand.message.id for hand in desk.begun if desk.tenant_of(hand) == "a"]
    assert of_a == sorted(of_a, key=int)


def test_no_more_run_than_the_limit_allows() -> None:
    desk = Desk(fair(3))
    desk.put("abcdef")
    assert desk.take_all() == "abc"
    assert desk.take() is None
    desk.end(desk.running[0])
    assert desk.take_all() == "d"


def test_a_tenant_that_is_alone_has_all_there_is_at_once() -> None:
    desk = Desk(fair(8))
    desk.put("a" * 20)
    assert desk.take_all() == "a" * 8


def test_the_tenant_can_be_told_by_an_attribute() -> None:
    desk = Desk(fair(3, tenant="customer"))
    desk.put("aab", attribute="customer")
    assert desk.take_all() == "aba"


# ------------------------------------------------------------------------------- tenants' limits


def test_a_new_top_talker_waits_while_others_keep_what_they_use() -> None:
    desk = Desk(fair(8))
    desk.work_steadily("abcd", 300.0)
    desk.put("x" * 20)
    assert desk.take_all() == "xxxx", "the other four belong to the others by habit"
    desk.put("abcd")
    assert desk.take_all() == "abcd"


def test_what_it_reaches_while_there_is_capacity_it_keeps() -> None:
    desk = Desk(fair(8))
    desk.put("x" * 6 + "a")
    assert sorted(desk.take_all()) == list("axxxxxx")
    desk.clock.advance(50.0)
    desk.end_all(50.0)
    desk.put("n" * 8)
    desk.put("x" * 6)
    assert Counter(desk.take_all())["x"] >= 4, "its turns come one by one, up to its limit"
    loads = {tenant.name: tenant for tenant in desk.admission.load(8, desk.clock.now()).tenants}
    assert loads["x"].limit == 6


def test_a_limit_that_is_not_reached_for_a_while_shrinks() -> None:
    desk = Desk(fair(8))
    desk.put("x" * 8)
    assert desk.take_all() == "x" * 8
    desk.end_all()
    desk.work_steadily("abcdx", 200.0)
    loads = {tenant.name: tenant for tenant in desk.admission.load(0, desk.clock.now()).tenants}
    assert loads["x"].limit == 1, "halved each minute"


def test_a_small_tenant_gets_its_even_share_after_a_while_though_another_has_all() -> None:
    """Established use is kept first, and not for ever."""
    desk = Desk(fair(8))
    desk.work_steadily("x" * 8, 120.0)
    seen = []
    for _ in range(300):
        desk.put("x" * max(0, 8 - len(desk.running)) + "n")
        desk.take_all()
        desk.clock.advance(1.0)
        seen.append(sum(desk.tenant_of(hand) == "n" for hand in desk.running))
        desk.end(desk.running[0], 8.0)
    assert max(seen) >= 4


def test_a_second_message_of_a_small_tenant_does_not_wait_for_the_habits_of_a_big_one() -> None:
    desk = Desk(fair(8))
    desk.work_steadily("xxxxxxa", 120.0)
    desk.put("aa")
    assert desk.take_all() == "aa"


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


# ----------------------------------------------------------------------------------- properties

_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.text("abcx", min_size=1, max_size=10), st.integers(1, 12)),
        st.tuples(st.sampled_from(["take", "end", "give back"]), st.just(""), st.integers(0, 9)),
        st.tuples(st.just("wait"), st.just(""), st.integers(1, 200)),
    ),
    max_size=80,
)


@settings(deadline=None)
@given(
    st.integers(1, 12),
    st.sampled_from([None, 1, 2, 3, 5, 10]),
    st.booleans(),
    st.sampled_from([None, Quota(per_minute=30), Quota(per_minute=6000, burst=2)]),
    _STEPS,
)
def test_each_message_leaves_exactly_once_and_no_limit_is_exceeded(
    limit: int,
    max_receives: int | None,
    ordered: bool,
    quota: Quota | None,
    steps: list[tuple[str, str, int]],
) -> None:
    """By one of three doors: taken, deferred or drained."""
    desk = Desk(fair(limit, quota=quota), max_receives=max_receives, ordered=ordered)
    for what, tenants, number in steps:
        if what == "put":
            desk.put(tenants, received=number)
        elif what == "take":
            desk.take()
        elif what == "end" and desk.running:
            desk.end(desk.running[number % len(desk.running)], number / 10)
        elif what == "give back":
            desk.give_back()
        elif what == "wait":
            desk.clock.advance(number)
        assert len(desk.running) <= limit
        left = len(desk.put_in) - len(desk.begun) - len(desk.deferred)
        assert desk.admission.waiting == left
    drained = desk.admission.drain()
    doors = Counter(id(hand) for hand in [*desk.begun, *desk.deferred, *drained])
    assert doors == Counter(id(hand) for hand in desk.put_in)
    assert desk.admission.waiting == 0
    most = 12 if max_receives is None else max_receives
    assert all(hand.message.received <= most - 2 for hand in desk.deferred)


@settings(deadline=None)
@given(st.integers(1, 8), st.lists(st.sampled_from("abcdefx"), min_size=1, max_size=60))
def test_nobody_waits_for_ever(limit: int, tenants: list[str]) -> None:
    """Each that waits begins within as many ends as there are messages in hand."""
    desk = Desk(fair(limit), ordered=True)
    desk.put("".join(tenants))
    desk.take_all()
    for _ in range(len(tenants)):
        if desk.running:
            desk.clock.advance(1.0)
            desk.end(desk.running[0])
            desk.take_all()
    assert desk.admission.waiting == 0


@settings(deadline=None)
@given(st.integers(1, 8), st.integers(1, 30), st.integers(2, 200))
def test_beside_a_flood_the_next_one_of_another_tenant_is_second_in_line_at_the_latest(
    limit: int, rounds: int, flood: int
) -> None:
    desk = Desk(fair(limit))
    for _ in range(rounds):
        desk.put("x" * max(0, flood - desk.admission.waiting))
        desk.take_all()
        desk.clock.advance(1.0)
        desk.end_all()
    desk.put("x" * 20)
    desk.take_all()
    (other,) = desk.put("a")
    desk.take_all()
    for _ in range(2):
        desk.end(desk.running[0])
        desk.take_all()
    assert other in desk.begun, "the flood's next one may be before it, and no second"


def test_a_fixed_number_defers_nothing_and_keeps_the_order() -> None:
    desk = Desk(Fixed(2, ahead=3))
    desk.put("xxa")
    assert desk.take_all() == "xx"
    assert desk.room() == 2
    assert desk.give_back() == []
    assert desk.admission.load(2, desk.clock.now()).waiting == 1
