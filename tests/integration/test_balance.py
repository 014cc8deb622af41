"""Shards that move, and those that must not: joining, leaving, seats. Real processes."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations, pairwise
from math import inf
from typing import NamedTuple

import pytest

from tests.integration.fleet import Act, Fleet, now, until

TIMING = {"ttl_s": 4.0, "settle_s": 0.3}
EVERY_S = 0.05
SHARDS = 12
LOCAL = {"name": "local", "shards": SHARDS, "work": {"every_s": EVERY_S}}
TWINS = {"name": "twins", "shards": 4, "seats": 2, "work": {"every_s": 0.2}}

Scope = tuple[str, int, int]


def led_by(fleet: Fleet, role: str = "local") -> dict[str, set[int]]:
    """The shards of each member now."""
    found: dict[str, set[int]] = defaultdict(set)
    for (shard, _), member in fleet.holders(role).items():
        found[member].add(shard)
    return dict(found)


def longest_gaps(acts: list[Act]) -> dict[Scope, float]:
    """The longest time between two acts, by scope."""
    times: dict[Scope, list[float]] = defaultdict(list)
    for act in acts:
        times[act.scope].append(act.at)
    return {scope: max(b - a for a, b in pairwise(at)) for scope, at in times.items()}


def moved(before: dict[str, set[int]], after: dict[str, set[int]]) -> set[int]:
    """The shards that changed hands."""
    owner = {shard: member for member, shards in before.items() for shard in shards}
    return {shard for member, shards in after.items() for shard in shards if owner[shard] != member}


class Span(NamedTuple):
    """One tenure, from the beginning of its work to the end."""

    shard: int
    seat: int
    member: str
    begin: float
    end: float


def spans(fleet: Fleet) -> list[Span]:
    ended = {(mark.scope, mark.token): mark.at for mark in fleet.marks("ended")}
    return [
        Span(mark.shard, mark.seat, mark.member, mark.at, ended.get((mark.scope, mark.token), inf))
        for mark in fleet.marks("began")
    ]


def balanced(fleet: Fleet, members: int) -> bool:
    sizes = [len(shards) for shards in led_by(fleet).values()]
    return (
        fleet.is_settled("local", members)
        and len(sizes) == members
        and max(sizes) - min(sizes) <= 1
    )


@pytest.mark.serial
def test_only_shards_that_must_move_move_and_the_others_act_on(fleet: Fleet) -> None:
    names = ["a", "b", "c", "d"]
    processes = {name: fleet.begin(name, LOCAL, TWINS, timing=TIMING) for name in names}
    for process in processes.values():
        process.await_live()
    until(lambda: balanced(fleet, 4) and fleet.is_settled("twins", 4))
    before = led_by(fleet)
    assert all(len(shards) == 3 for shards in before.values())

    begun = now()
    until(lambda: now() > begun + 1.0)
    processes["e"] = fleet.start("e", LOCAL, TWINS, timing=TIMING)
    until(lambda: balanced(fleet, 5))
    joined = led_by(fleet)
    assert moved(before, joined) == joined["e"], "only what the newcomer took has moved"
    assert len(joined["e"]) == SHARDS // 5

    until(lambda: fleet.is_settled("twins", 5))
    left = processes["b"].terminate()
    until(lambda: balanced(fleet, 4))
    end = left + 2.0
    until(lambda: now() > end)
    after = led_by(fleet)
    assert moved(joined, after) == joined["b"], "only what the leaver held has moved"

    gaps = longest_gaps(fleet.acts("fenced", "role = 'local' AND at BETWEEN ? AND ?", begun, end))
    stayed = {
        scope: gap for scope, gap in gaps.items() if scope[1] not in joined["e"] | joined["b"]
    }
    assert len(stayed) == SHARDS - len(joined["e"] | joined["b"])
    assert max(stayed.values()) < EVERY_S + 0.25, stayed
    assert max(gaps.values()) < 1.0, "what had to move was handed over, not lost"
    assert fleet.logged("session-given-up") == []


def test_seats_of_a_shard_sit_on_different_members_at_all_times(fleet: Fleet) -> None:
    for process in [fleet.begin(name, TWINS, timing=TIMING) for name in ("a", "b", "c")]:
        process.await_live()
    until(lambda: fleet.is_shared("twins", 3))
    leaver = fleet.processes[0]
    at = leaver.terminate()
    until(lambda: fleet.is_settled("twins", 2))
    fleet.first_act(at + 1.0)
    until(lambda: fleet.marks("ended", "member = ?", leaver.member))
    tenures = spans(fleet)
    assert {seat for _, seat, *_ in tenures} == {0, 1}
    for one, two in combinations(tenures, 2):
        if one.shard == two.shard and one.seat != two.seat and one.member == two.member:
            assert one.end <= two.begin or two.end <= one.begin, (one, two)
    assert set(fleet.holders("twins").values()) == {"b", "c"}
