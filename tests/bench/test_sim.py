"""How fast virtual time passes: a small fleet, and a hundred members with ten thousand shards."""

from __future__ import annotations

import time

import pytest

from coord.config import Role, Timing
from coord.model import ClaimKey
from coord.testing.memory import Manner
from coord.testing.world import Behaviour, World
from tests.bench.figures import Figures

pytestmark = [pytest.mark.bench, pytest.mark.timeout(900)]

SECTION = "Virtual time"
TEXT = """\
What one simulated second costs, in CPU time of one core: the production core, the reference store,
links, the judge of every act, and the trace's hash.

Of the second of five hosts, a third goes into the core, a fifth into the lanes and timers of the
hosts, a fifth into the store, a sixth into the queue of events and the trace, and the rest into
the work, its judge and the links. Within all of these, a fifth is the making of frozen values:
events, proofs, members. There is no single large part left: such a second is 10.7 entries of the
queue and 10 steps of the core, some 300 calls of Python functions. The target leaves 3 µs for an
entry. Time in which nothing happens is not skipped, nor are heartbeats: it would not be the
production core any more."""
TIMING = Timing.of(10.0, heartbeat_s=3.0)
ROUNDS = 5
SMALL_S = 3000.0
SLOWEST = 8000
"""Half of what an idle machine does of five hosts, in simulated seconds a second."""
MEMBERS, SHARDS = 100, 10_000
CRASHES_S = 600.0


def _cpu_s(world: World, seconds: float) -> float:
    began_s = time.thread_time()
    world.run(seconds)
    return time.thread_time() - began_s


def test_a_second_of_five_hosts(figures: Figures) -> None:
    world = World(seed=1, timing=TIMING, manner=Manner.SERVER)
    for name in "abcde":
        world.add(name, Role("reaper"))
    world.run(60)
    rounds = [_cpu_s(world, SMALL_S) / SMALL_S for _ in range(ROUNDS)]
    world.verdict.check()
    figures.section(SECTION, TEXT).add(
        "a simulated second of five hosts and one shard",
        "µs",
        [one * 1e6 for one in rounds],
        limit=1e6 / 30_000,
        remark="the store ends sessions itself, as etcd does; ttl 10 s, heartbeats every 3 s, an "
        f"act a second: {1 / min(rounds):,.0f} simulated seconds a second at best. The target, "
        f"30,000, is not reached; fewer than {SLOWEST:,} fail this test.",
    )
    assert world.verdict.acts >= 0.9 * ROUNDS * SMALL_S
    assert min(rounds) <= 1 / SLOWEST


def test_a_second_of_a_hundred_members_with_ten_thousand_shards(figures: Figures) -> None:
    world = World(seed=1, timing=TIMING)
    calm: dict[str | ClaimKey, Behaviour] = {"r": Behaviour(rest_s=10.0)}
    for number in range(MEMBERS):
        world.add(f"m{number:03}", Role("r", shards=SHARDS), behaviours=calm)
    assert world.until(lambda: len(world.leaders()) == SHARDS, within_s=120, step_s=5)
    world.run(60)
    began_s = time.thread_time()
    world.crash("m001")
    world.run(CRASHES_S)
    cost_s = (time.thread_time() - began_s) / CRASHES_S
    world.verdict.check()
    figures.section(SECTION, TEXT).add(
        f"a simulated second of {MEMBERS} members and {SHARDS:,} shards",
        "ms",
        [cost_s * 1e3],
        limit=1e3 / 20,
        remark="ttl 10 s, heartbeats every 3 s, an act a shard each 10 s, over the ten minutes "
        f"after a crash: {1 / cost_s:,.0f} simulated seconds a second.",
    )
    assert cost_s <= 1.5 / 20
