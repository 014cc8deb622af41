"""Following a plan step by step, in any order; and what planning costs."""

from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.core.assignment import Plan, claims_with_endings, free_claims, plan
from coord.model import ClaimKey, Ending, EndingKind, Note, Shape
from tests.unit.core.dealing import Fleet, fleets
from tests.unit.core.views import claim_of, live, record_of, view_of

Step = tuple[ClaimKey, str | None]


def _steps(dealt: Plan) -> list[Step]:
    """Each thing that one member may do by itself: let go of one claim, or take one."""
    moved: list[Step] = [(key, None) for rows in dealt.moves.values() for key, _ in rows]
    taken: list[Step] = [
        (key, session.removeprefix("s-")) for session, keys in dealt.fresh.items() for key in keys
    ]
    return sorted(moved + taken, key=str)


def _follow_one_by_one(some: Fleet, draw: random.Random) -> int:
    """Let one member take one step at a time, each looking at the newest view; count the moves."""
    moves = 0
    for _ in range(6 * len(some.record.claim_keys()) + 6):
        steps = _steps(some.plan())
        if not steps:
            return moves
        key, member = draw.choice(steps)
        if member is None:
            del some.held[key]
            moves += 1
        else:
            some.held[key] = member
    raise AssertionError(f"it never comes to rest: {some.held} {some.plan()}")


@given(fleets(), st.integers(0, 2**32))
def test_members_that_follow_one_step_at_a_time_in_any_order_come_to_rest(
    some: Fleet, seed: int
) -> None:
    moves = _follow_one_by_one(some, random.Random(seed))
    assert moves <= 2 * len(some.record.claim_keys())


@given(fleets(), st.integers(0, 2**32))
def test_what_has_come_to_rest_stays_though_views_are_built_anew(some: Fleet, seed: int) -> None:
    _follow_one_by_one(some, random.Random(seed))
    before = dict(some.held)
    assert some.settle() == 0
    assert some.held == before


@given(st.integers(1, 40), st.integers(1, 7), st.integers(0, 2**32))
def test_a_joiner_takes_no_more_than_its_part_in_whatever_order_members_act(
    shards: int, count: int, seed: int
) -> None:
    """Each step is planned anew, and none of them makes another shard move."""
    shape = Shape(shards, 1)
    some = Fleet([live(f"m{n}", shape) for n in range(count)], record_of(shape), {})
    some.settle()
    some.members.append(live("joiner", shape))
    moves = _follow_one_by_one(some, random.Random(seed))
    assert moves in {shards // (count + 1), -(-shards // (count + 1))}


def _large(*, held: bool) -> Fleet:
    """10,000 shards; 50 members, of which 40 hold them all or none do."""
    shape = Shape(10_000, 1)
    some = Fleet([live(f"m{n}", shape) for n in range(50)], record_of(shape), {})
    if held:
        some.held = {key: f"m{key.shard % 40}" for key in some.record.claim_keys()}
    return some


@pytest.mark.parametrize("held", [False, True], ids=["fresh", "rebalanced"])
def test_ten_thousand_shards_are_planned_within_a_second(held: bool) -> None:
    some = _large(held=held)
    view = some.view()
    began_s = time.perf_counter()
    dealt = plan(view, some.record)
    took_s = time.perf_counter() - began_s
    assert len(dealt.owner) == 10_000
    assert sum(len(rows) for rows in dealt.moves.values()) == (2000 if held else 0)
    assert took_s < 1.0


def test_planning_again_on_the_same_view_costs_nothing_whatever_the_size() -> None:
    some = _large(held=True)
    view = some.view()
    first = plan(view, some.record)
    newer = view.with_members(dict(view.members))
    began_s = time.perf_counter()
    for _ in range(1000):
        assert plan(newer, some.record) is first
    assert time.perf_counter() - began_s < 1.0, "a thousand look-ups"


def test_what_is_free_and_what_has_endings_is_found_once_a_view() -> None:
    """A world of a hundred members shows all of them one view: a crash would be scanned by each."""
    shape = Shape(3, 1)
    record = record_of(shape)
    never, freed, led = record.claim_keys()
    left = Note(member="b", endings=(Ending(member="b", kind=EndingKind.RAISED, bar_s=9.0),))
    claims = [claim_of(freed, None, token=7, note=left), claim_of(led, "s-a", token=8)]
    view = view_of([live("a", shape)], record, claims=claims)
    free, noted = free_claims(view, record), claims_with_endings(view, record.name)
    assert free == [(never, None), (freed, claims[0])]
    assert noted == [(freed, claims[0])]
    assert claims_with_endings(view, "another") == []
    newer = view.with_members(dict(view.members))
    assert free_claims(newer, record) is free
    assert claims_with_endings(newer, record.name) is noted


def test_another_bar_is_another_plan() -> None:
    shape = Shape(2, 1)
    record = record_of(shape)
    view = view_of([live("a", shape)], record)
    (low, _) = record.claim_keys()
    assert plan(view, record).fresh != plan(view, record, barred=frozenset({(low, "a")})).fresh
