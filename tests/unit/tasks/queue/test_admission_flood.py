"""One tenant at 20 times its rate beside nine steady ones, in virtual time.

Capacity is 100 messages a second; quiet is 40 a second, the flood 116. What the steady tenants see
is the 99th percentile of how long their messages take from sending to the end of the handler.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from random import Random

import pytest

from coord.tasks.queue.admission import AdaptiveLimit, Admission, Fair, Fixed, FixedLimit
from tests.unit.tasks.queue.admission_world import World, arrivals

STEADY = [f"steady-{n}" for n in range(9)]
QUIET_S, FLOOD_S, END_S = (20.0, 80.0), (80.0, 160.0), 250.0
PER_SECOND = 4.0


def work(random: Random) -> float:
    return random.expovariate(1 / 0.1)


KINDS: dict[str, Callable[[], Admission]] = {
    "given": lambda: Fair(FixedLimit(10)),
    "found": lambda: Fair(AdaptiveLimit()),
    "none": lambda: Fixed(10),
}


@cache
def flooded(kind: str, seed: int, max_receives: int = 10) -> World:
    """Where the limit is to be found, handlers need one of ten places."""
    resource = 10 if kind == "found" else None
    world = World(KINDS[kind](), work, resource=resource, max_receives=max_receives, seed=seed)
    random = Random(seed)
    for tenant in STEADY:
        world.send(arrivals(tenant, PER_SECOND, 0.0, END_S, random))
    world.send(arrivals("noisy", PER_SECOND, 0.0, FLOOD_S[0], random))
    world.send(arrivals("noisy", 20 * PER_SECOND, *FLOOD_S, random))
    world.send(arrivals("noisy", PER_SECOND, FLOOD_S[1], END_S, random))
    world.run_until(END_S + 130.0)
    return world


def slowdown(world: World) -> float:
    """Of the steady tenants' 99th percentile, by the flood."""
    return world.p99_s(STEADY, *FLOOD_S) / world.p99_s(STEADY, *QUIET_S)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_with_a_given_limit_the_steady_tenants_hardly_notice_the_flood(seed: int) -> None:
    assert slowdown(flooded("given", seed)) <= 1.5


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_with_a_limit_that_finds_itself_they_stay_within_twice_of_quiet(seed: int) -> None:
    assert slowdown(flooded("found", seed)) <= 2.0


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_without_tenants_the_same_flood_is_everybodys(seed: int) -> None:
    """The instrument shows what it is to show."""
    assert slowdown(flooded("none", seed)) >= 20.0


def test_with_five_deliveries_a_message_there_is_room_enough_to_defer() -> None:
    assert slowdown(flooded("given", 1, 5)) <= 1.5


@pytest.mark.parametrize("max_receives", [2, 3, 5, 10])
def test_in_a_flood_nothing_is_lost_nothing_runs_twice_and_nothing_dies(max_receives: int) -> None:
    world = flooded("given", 1, max_receives)
    assert world.dead == []
    assert set(world.done.values()) == {1}
    assert len(world.done) == world.sent
    assert max(world.deferred_of.values(), default=0) <= max_receives - 2


def test_the_flood_uses_what_the_others_leave() -> None:
    world = flooded("given", 1)
    in_flood = [
        ended_s
        for found in world.latency.values()
        for ended_s, _ in found
        if FLOOD_S[0] <= ended_s < FLOOD_S[1]
    ]
    assert len(in_flood) >= 0.9 * 100 * (FLOOD_S[1] - FLOOD_S[0])


def test_the_steady_tenants_are_not_deferred() -> None:
    world = flooded("given", 1)
    deferred = [n for n in world.deferred_of if world.tenant_of(n) != "noisy"]
    assert len(deferred) <= 0.01 * sum(world.deferred_of.values())
