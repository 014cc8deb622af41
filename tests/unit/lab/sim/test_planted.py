"""Mistakes planted in the core are found by the simulator's checkers, within a few seeds.

Each is planted alone and searched for in the swarm of a seed, or under one lasting blow; the same
seeds without it are clean. What finds them are the rules of chaos and `act-against-store`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import pytest

from coord.lab.sim.script import Script, Strike
from coord.lab.sim.storm import Storm
from coord.lab.sim.swarm import swarm
from tests.unit.lab.sim.plants import PLANTS

_SEEDS = 60


@dataclass(frozen=True)
class _Search:
    """Where to look, and by which rules it has to be found."""

    script: Callable[[int], Script]
    rules: frozenset[str]
    first: int = 1


def _swarm(mode: str, store: str, *faults: str, rules: str, first: int = 1) -> _Search:
    script = partial(swarm, mode=mode, store=store, faults=faults)
    return _Search(script, frozenset(rules.split()), first)


def _lasting(fault: str, *, rules: str) -> _Search:
    """The leader is struck, and it stands to the end: whoever is left has to go on."""

    def script(seed: int) -> Script:
        return Script(
            seed=seed,
            mode="single",
            store="memory",
            ttl_s=4.0,
            heartbeat_s=1.0,
            drift=0.002,
            members=3,
            calm_s=5.0 + seed / 10,
            strikes=(Strike(at_s=5.0, fault=fault, whom="leader", for_s=math.inf),),
        )

    return _Search(script, frozenset(rules.split()))


_SEARCHES = {
    "deadline stamped at the response": _swarm("single", "memory", "partition", rules="split"),
    "no drift margin": _swarm("single", "memory", "partition", "clock-drift", rules="split"),
    "token not compared": _swarm("single", "memory", "pause", rules="stale-accepted"),
    "release before stop": _swarm("localized", "memory", "reshape", rules="split"),
    "eviction without seq": _swarm("single", "dynamodb", "partition", rules="act-against-store"),
    "session kept after stop_at": _lasting("partition-replies", rules="not-recovered"),
    "read-back taken as not applied": _swarm(
        "single", "etcd", "late-writes", "kill", rules="not-recovered"
    ),
    "bar not written": _lasting("raise", rules="not-recovered"),
    "quota from local config": _swarm(
        "localized", "memory", "slow", rules="demoted-in-peace", first=41
    ),
    "generation ignored": _swarm("localized", "memory", "reshape", rules="act-against-store"),
}


def _first(search: _Search, seeds: range) -> tuple[int, frozenset[str]]:
    """The first seed that breaks a rule, and which."""
    for seed in seeds:
        played = Storm(search.script(seed)).run()
        if not played.kept:
            return seed, played.rules
    return 0, frozenset()


@pytest.mark.parametrize("mistake", _SEARCHES)
def test_a_planted_mistake_is_found_and_its_absence_is_clean(
    mistake: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    search = _SEARCHES[mistake]
    with monkeypatch.context() as patch:
        PLANTS[mistake](patch)
        seed, rules = _first(search, range(search.first, search.first + _SEEDS))
    assert seed, f"not found within {_SEEDS} seeds"
    assert search.rules <= rules
    assert _first(search, range(search.first, seed + 1)) == (0, frozenset())


def test_ten_mistakes_are_looked_for() -> None:
    assert len(_SEARCHES) == 10
    assert set(_SEARCHES) <= set(PLANTS)
