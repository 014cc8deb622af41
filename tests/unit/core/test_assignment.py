"""Assignment rules 2 to 7, as properties of one function of the view."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.core.assignment import candidates, plan, rank
from coord.model import ClaimKey, Shape
from tests.unit.core.dealing import NAMES, Fleet, fleet, fleets
from tests.unit.core.views import ROLE, live, record_of, view_of

# --- any state at all ------------------------------------------------------------------------


@given(fleets(), st.randoms(use_true_random=False))
def test_equal_views_give_equal_plans_whatever_their_order(some: Fleet, random: object) -> None:
    first = some.plan()
    other = Fleet(list(some.members), some.record, dict(some.held), some.barred, some.poisoned)
    random.shuffle(other.members)  # type: ignore[attr-defined]
    items = list(other.held.items())
    random.shuffle(items)  # type: ignore[attr-defined]
    other.held = dict(items)
    second = other.plan()
    assert dict(first.owner) == dict(second.owner)
    assert first.unassigned == second.unassigned
    assert {s: set(rows) for s, rows in first.moves.items()} == {
        s: set(rows) for s, rows in second.moves.items()
    }


@given(fleets())
def test_following_the_plan_always_comes_to_rest(some: Fleet) -> None:
    some.settle()


@given(fleets())
def test_claims_go_only_to_members_that_can_take_them(some: Fleet) -> None:
    dealt = some.plan()
    able = {m.session: m for m in candidates(some.view(), some.record)}
    for session, keys in dealt.fresh.items():
        for key in keys:
            member = able[session]
            assert (key, member.record.name) not in some.barred
            assert key not in member.record.stuck
            assert key not in some.poisoned
    for holder, rows in dealt.moves.items():
        for key, target in rows:
            member = able[target]
            assert target != holder
            assert (key, member.record.name) not in some.barred
            assert key not in member.record.stuck


@given(fleets())
def test_nobody_is_given_more_than_it_announces(some: Fleet) -> None:
    before = some.counts()
    twins = Counter(name for name, _ in {(n, key.shard) for key, n in some.held.items()})
    some.settle()
    after = some.counts()
    for member in some.members:
        name, most = member.record.name, member.record.max_shards
        limit = some.record.shape.shards if most is None else min(most, some.record.shape.shards)
        spare = before[name] - twins[name]  # two seats of one shard, which no plan deals
        assert after[name] <= max(limit, before[name]) + spare


@given(fleets())
def test_seats_of_one_shard_end_up_on_different_members_if_any_can_take_them(some: Fleet) -> None:
    some.settle()
    able = candidates(some.view(), some.record)
    for key, name in some.held.items():
        twins = [k for k, n in some.held.items() if n == name and k.shard == key.shard]
        if len(twins) == 1 or key.seat == min(k.seat for k in twins):
            continue
        if key in some.poisoned:
            continue  # nobody may take it
        seated = {n for k, n in some.held.items() if k.shard == key.shard}
        counts = some.counts()
        for member in able:
            most = member.record.max_shards
            free = counts[member.record.name] < min(
                some.record.shape.shards if most is None else most, some.record.shape.shards
            )
            refused = (key, member.record.name) in some.barred or key in member.record.stuck
            assert not free or refused or member.record.name in seated, (key, name)


@given(fleets())
def test_a_shard_that_does_not_move_is_not_touched(some: Fleet) -> None:
    """Only surplus moves: what a holder has over its quota, or holds although it may not."""
    dealt = some.plan()
    able = {m.session for m in candidates(some.view(), some.record)}
    for session, keys in dealt.fresh.items():
        assert session in able
        assert all(key not in some.held for key in keys)
    moved = {key for rows in dealt.moves.values() for key, _ in rows}
    for key, name in some.held.items():
        if f"s-{name}" in able and key not in moved:
            assert dealt.owner[key] == f"s-{name}"


# --- balance ---------------------------------------------------------------------------------

_SIZES = st.tuples(st.integers(1, 40), st.integers(1, 7))


@given(_SIZES)
def test_equal_members_share_evenly(size: tuple[int, int]) -> None:
    shards, count = size
    some = fleet(Shape(shards, 1), *NAMES[:count])
    some.settle()
    assert len(some.held) == shards
    assert max(some.counts().values()) - min(some.counts().values()) <= 1


@given(_SIZES)
def test_a_joiner_takes_its_part_and_nothing_else_moves(size: tuple[int, int]) -> None:
    shards, count = size
    some = fleet(Shape(shards, 1), *NAMES[:count])
    some.settle()
    before = dict(some.held)
    some.members.append(live(NAMES[count], Shape(shards, 1)))
    moves = some.settle()
    assert moves in {shards // (count + 1), -(-shards // (count + 1))}
    assert all(some.held[key] in {name, NAMES[count]} for key, name in before.items())
    assert max(some.counts().values()) - min(some.counts().values()) <= 1


@given(_SIZES, st.integers(0, 6))
def test_a_leaver_moves_only_its_own(size: tuple[int, int], which: int) -> None:
    shards, count = size
    some = fleet(Shape(shards, 1), *NAMES[: count + 1])
    some.settle()
    leaver = some.members.pop(which % len(some.members)).record.name
    before = {key: name for key, name in some.held.items() if name != leaver}
    some.held = dict(before)
    assert some.settle() == 0
    assert all(some.held[key] == name for key, name in before.items())
    assert max(some.counts().values()) - min(some.counts().values()) <= 1


@given(st.integers(1, 60), st.lists(st.sampled_from([0.5, 1.0, 2.0, 3.0]), min_size=1, max_size=5))
def test_members_hold_their_weight(shards: int, weights: list[float]) -> None:
    shape = Shape(shards, 1)
    members = [live(n, shape, weight=w) for n, w in zip(NAMES, weights, strict=False)]
    some = Fleet(members, record_of(shape), {})
    some.settle()
    for name, weight in zip(NAMES, weights, strict=False):
        assert abs(some.counts()[name] - shards * weight / sum(weights)) < 1


def test_a_member_without_weight_takes_only_what_nobody_else_can() -> None:
    shape = Shape(6, 1)
    members = [live("a", shape, max_shards=4), live("b", shape, weight=0.0)]
    some = Fleet(members, record_of(shape), {})
    some.settle()
    assert some.counts() == {"a": 4, "b": 2}
    some.members[0] = live("a", shape)
    some.settle()
    assert some.counts() == {"a": 6, "b": 0}


def test_members_that_all_lack_weight_still_lead_everything() -> None:
    some = fleet(Shape(6, 1), "a", "b", weight=0.0)
    some.settle()
    assert some.counts() == {"a": 3, "b": 3}


def test_a_member_with_no_capacity_takes_nothing() -> None:
    some = fleet(Shape(3, 1), "a", max_shards=0)
    dealt = some.plan()
    assert dealt.unassigned == 3
    assert not dealt.fresh


# --- capacity --------------------------------------------------------------------------------


@given(st.integers(2, 12), st.integers(1, 3), st.integers(0, 4))
def test_where_capacity_is_short_the_lowest_shards_are_led(
    shards: int, count: int, most: int
) -> None:
    some = fleet(Shape(shards, 1), *NAMES[:count], max_shards=most)
    some.settle()
    led = sorted(key.shard for key in some.held)
    assert led == list(range(min(shards, count * most)))
    assert some.plan().unassigned == shards - len(led)


def test_where_capacity_is_short_holders_keep_what_they_have() -> None:
    some = fleet(Shape(4, 1), "a", max_shards=2)
    some.held = {ClaimKey(ROLE, 1, shard, 0): "a" for shard in (1, 3)}
    assert some.settle() == 0
    assert {key.shard for key in some.held} == {1, 3}


def test_a_second_seat_stays_free_while_there_is_one_member() -> None:
    some = fleet(Shape(2, 2), "a")
    some.settle()
    assert {(key.shard, key.seat) for key in some.held} == {(0, 0), (1, 0)}
    assert some.plan().unassigned == 2


def test_too_few_members_for_the_seats_fill_the_first_seats_of_all_shards() -> None:
    some = fleet(Shape(3, 3), "a", "b")
    some.settle()
    assert {(key.shard, key.seat) for key in some.held} == {
        (s, t) for s in range(3) for t in (0, 1)
    }


# --- seats and zones -------------------------------------------------------------------------


@given(st.integers(1, 8), st.integers(1, 3), st.integers(1, 4), st.integers(1, 2))
def test_seats_of_a_shard_sit_on_different_members_and_zones(
    shards: int, seats: int, zones: int, each: int
) -> None:
    shape = Shape(shards, seats)
    members = [
        live(f"{zone}{number}", shape, zone=zone)
        for zone in "wxyz"[:zones]
        for number in range(each)
    ]
    some = Fleet(members, record_of(shape), {})
    some.settle()
    for shard in range(shards):
        seated = [name for key, name in some.held.items() if key.shard == shard]
        assert len(set(seated)) == len(seated) == min(seats, len(members))
        assert len({name[0] for name in seated}) == min(seats, zones)


def test_a_shard_that_crowds_one_zone_is_spread_when_another_zone_joins() -> None:
    shape = Shape(4, 2)
    some = Fleet([live(n, shape, zone="x") for n in "ab"], record_of(shape), {})
    some.settle()
    some.members.extend(live(n, shape, zone="y") for n in "cd")
    some.settle()
    for shard in range(4):
        seated = {name for key, name in some.held.items() if key.shard == shard}
        assert len(seated & {"a", "b"}) == 1


# --- preference, bars, poison ----------------------------------------------------------------


def test_preferred_members_are_filled_first_and_the_rest_share() -> None:
    shape = Shape(6, 1)
    members = [live("a", shape, max_shards=4), live("b", shape), live("c", shape)]
    some = Fleet(members, record_of(shape, preferred=("a",)), {})
    some.settle()
    assert some.counts() == {"a": 4, "b": 1, "c": 1}


def test_a_preferred_member_is_given_what_another_holds() -> None:
    shape = Shape(1, 1)
    some = Fleet([live("a", shape), live("b", shape)], record_of(shape, preferred=("b",)), {})
    key = ClaimKey(ROLE, 1, 0, 0)
    some.held = {key: "a"}
    assert some.plan().moves == {"s-a": ((key, "s-b"),)}


def test_a_barred_member_is_passed_over_and_its_shards_go_to_others() -> None:
    some = fleet(Shape(2, 1), "a", "b")
    keys = some.record.claim_keys()
    some.barred = frozenset((key, "a") for key in keys)
    some.settle()
    assert set(some.held.values()) == {"b"}


def test_a_claim_that_defeated_a_member_is_not_handed_back_to_it() -> None:
    """The other shard moves instead, or none: rebalancing must not undo a bar."""
    some = fleet(Shape(2, 1), "a", "b")
    low, high = some.record.claim_keys()
    some.held = {low: "b", high: "b"}
    some.barred = frozenset({(high, "a")})
    some.settle()
    assert some.held[high] == "b"


def test_a_member_whose_old_code_still_runs_is_not_given_that_claim() -> None:
    shape = Shape(1, 1)
    key = ClaimKey(ROLE, 1, 0, 0)
    some = Fleet([live("a", shape, stuck=(key,)), live("b", shape)], record_of(shape), {})
    some.settle()
    assert some.held == {key: "b"}


def test_a_poisoned_claim_is_dealt_to_nobody_and_counts_as_no_lack_of_capacity() -> None:
    some = fleet(Shape(2, 1), "a")
    low, high = some.record.claim_keys()
    some.poisoned = frozenset({low})
    dealt = some.plan()
    assert dealt.fresh == {"s-a": (high,)}
    assert dealt.unassigned == 0


@pytest.mark.parametrize("change", ["paused", "pending"])
def test_a_role_that_is_not_open_is_dealt_to_nobody(change: str) -> None:
    some = fleet(Shape(2, 1), "a")
    some.record = (
        replace(some.record, paused=True)
        if change == "paused"
        else replace(some.record, pending=Shape(3, 1))
    )
    assert some.plan().owner == {}


# --- who is a candidate, and whose turn it is ------------------------------------------------


def test_candidates_serve_the_recorded_shape_live_and_do_not_drain() -> None:
    shape = Shape(4, 1)
    members = [
        live("a", shape),
        live("b", Shape(5, 1)),
        live("c", shape, draining=True),
        live("d", shape, gone=True),
        live("e", shape, role="other"),
    ]
    view = view_of(members, record_of(shape))
    assert [m.record.name for m in candidates(view, view.roles[ROLE])] == ["a"]


def test_the_queue_for_overdue_claims_starts_with_another_member_for_each_shard() -> None:
    firsts = []
    for shard in range(4):
        key = ClaimKey(ROLE, 1, shard, 0)
        places = [rank(4, position, key) for position in range(4)]
        assert sorted(places) == [0, 1, 2, 3]
        firsts.append(places.index(0))
    assert sorted(firsts) == [0, 1, 2, 3]


def test_a_plan_is_computed_once_a_view_and_shared_by_views_with_newer_heartbeats() -> None:
    some = fleet(Shape(3, 1), "a", "b")
    view = some.view()
    first = plan(view, some.record)
    newer = view.with_members({m.session: replace(m, seq=9) for m in some.members})
    assert plan(newer, some.record) is first
