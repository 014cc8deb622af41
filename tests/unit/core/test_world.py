"""The core in virtual time: every fault that can be injected, and what has to hold all the same.

`FleetMachine` lets hypothesis choose; its claims are checked after every step and after healing.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import settings

from coord.config import Role, Timing
from coord.core import commands as c
from coord.core import events as e
from coord.core.machine import Machine
from coord.testing.faults import Fate
from coord.testing.world import Behaviour, Conduct, World
from tests.architecture.project import ROOT
from tests.unit.core.fleet_machine import FleetMachine
from tests.unit.core.storm import storm, storming

_STEPS = 40


class _ForLong(FleetMachine):
    """The long run."""


TestFleet = FleetMachine.TestCase
TestFleet.settings = settings(stateful_step_count=_STEPS)
TestFleetForLong = pytest.mark.soak(pytest.mark.timeout(4 * 3600)(_ForLong.TestCase))
TestFleetForLong.settings = settings(stateful_step_count=_STEPS, max_examples=20_000)


# --- traces ----------------------------------------------------------------------------------


def _trace(seed: int) -> str:
    fleet = storming(seed)
    storm(fleet, seed, 60)
    return fleet.world.trace


def test_equal_seeds_give_equal_traces_and_others_do_not() -> None:
    traces = [_trace(seed) for seed in (1, 1, 2, 3)]
    assert traces[0] == traces[1]
    assert len(set(traces)) == 3


def test_a_trace_does_not_depend_on_the_process_or_its_hash_seed() -> None:
    """No order of a set or a dict of unordered origin decides anything."""
    for hash_seed in ("1", "77"):
        outcome = subprocess.run(
            [sys.executable, "-m", "tests.unit.core.storm", "5"],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        assert outcome.stdout == _trace(5)


# --- long lives ------------------------------------------------------------------------------


def _entries(root: object) -> Counter[str]:
    """How many entries the containers below an object have, by the class that owns them."""
    seen: set[int] = set()
    found: Counter[str] = Counter()
    todo = [(root, "")]
    while todo:
        thing, owner = todo.pop()
        if id(thing) in seen or type(thing).__name__ in {"View", "MemoryStore", "World", "Host"}:
            continue
        seen.add(id(thing))
        if isinstance(thing, dict | list | set | frozenset | tuple):
            found[owner] += len(thing)
            items = [*thing.keys(), *thing.values()] if isinstance(thing, dict) else thing
            todo.extend((item, owner) for item in items)
        elif type(thing).__module__.startswith("coord"):
            slots = [n for k in type(thing).__mro__ for n in getattr(k, "__slots__", ())]
            names = [*slots, *getattr(thing, "__dict__", {})]
            todo.extend(
                (getattr(thing, name), f"{type(thing).__name__}.{name}")
                for name in names
                if hasattr(thing, name)
            )
    return found


def _months_of_trouble(hours: int) -> None:
    """A fleet that wedges, returns, pauses and loses its sessions, over and over."""
    world = World(seed=4, timing=Timing.of(6.0, heartbeat_s=1.2, rpc_timeout_s=0.5))
    role = Role("r", shards=4, progress_timeout_s=4.0, bar_s=5.0, poison_s=5.0, max_tenure_s=200.0)
    for name in "abc":
        world.add(name, role)
    sizes = []
    for hour in range(hours):
        for round_ in range(30):
            host = world.hosts["abc"[round_ % 3]]
            conduct = list(Conduct)[round_ % 5]
            host.behaviours["r"] = Behaviour(conduct=conduct, after=2, rest_s=5.0)
            world.run(40)
            host.link.down = round_ % 4 == 0
            world.run(10)
            host.link.script(Fate.HOLD, c.OpenSession, c.Claim, times=1)
            host.link.down = False
            world.run(30)
            if round_ % 7 == 0:
                world.pause(host.name)
                world.run(15)
                world.resume(host.name)
            host.behaviours.clear()
            host.unstick()
            world.run(25)
            world.land_held()
        world.verdict.check()
        if hour in (0, hours - 1):
            world.heal()
            world.run(120)
            assert not world.unheld()
            sizes.append(sum((_entries(h.machine) for h in world.hosts.values()), start=Counter()))
    grown = {k: (sizes[0][k], n) for k, n in sizes[1].items() if n > 2 * sizes[0][k] + 20}
    assert grown == {}


def test_a_member_does_not_grow_with_what_it_has_lived_through() -> None:
    _months_of_trouble(hours=4)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_member_does_not_grow_in_a_month() -> None:
    _months_of_trouble(hours=24 * 30)


# --- cost ------------------------------------------------------------------------------------


def _calls_of_an_idle_minute(shards: int, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many Python calls the machine makes in a minute in which nothing changes."""
    world = World(seed=1, timing=Timing.of(10.0))
    still = Behaviour(rest_s=1e9)
    world.add("a", Role("r", shards=shards), behaviours={"r": still})
    assert world.until(lambda: not world.unheld(), within_s=30, step_s=1)
    world.run(60)
    calls = 0

    def count(_frame: object, what: str, _argument: object) -> None:
        nonlocal calls
        calls += what == "call"

    true = Machine.step

    def step(self: Machine, event: e.Event) -> Sequence[c.Command]:
        sys.setprofile(count)
        try:
            return true(self, event)
        finally:
            sys.setprofile(None)

    with monkeypatch.context() as patch:
        patch.setattr(Machine, "step", step)
        world.run(60)
    return calls


def test_an_idle_minute_costs_the_same_with_10_and_with_5000_claims(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    few = _calls_of_an_idle_minute(10, monkeypatch)
    many = _calls_of_an_idle_minute(5000, monkeypatch)
    assert 0 < many < 1.2 * few
