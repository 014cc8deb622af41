"""Whose turn it is, what waits, and that nobody waits for ever."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from coord.tasks.queue.admission import Fixed, Quota
from tests.unit.tasks.queue.admission_desk import Desk, fair

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
