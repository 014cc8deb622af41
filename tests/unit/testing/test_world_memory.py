"""A virtual world that runs on and on takes no more memory: nothing piles up in quiet time."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from coord.config import Role, Timing
from coord.testing.world import World

_MOST_BYTES = 64 * 1024
"""Heaps, caches and batches fill and empty; what is kept for each round would be much more."""


def _grown_bytes(hours: float) -> int:
    """By how much the memory of a small fleet has grown after so many hours of virtual time."""
    world = World(seed=1, timing=Timing.of(10.0, heartbeat_s=3.0))
    for name in "abcde":
        world.add(name, Role("reaper"))
    tracemalloc.start()
    try:
        world.run(600)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        world.run(hours * 3600)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    world.verdict.check()
    assert world.verdict.acts > hours * 3600 * 0.9
    return after - before


def test_an_hour_of_a_quiet_fleet_leaves_nothing_behind() -> None:
    assert _grown_bytes(hours=1) < _MOST_BYTES


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_month_of_a_quiet_fleet_leaves_nothing_behind() -> None:
    assert _grown_bytes(hours=24 * 30) < _MOST_BYTES
