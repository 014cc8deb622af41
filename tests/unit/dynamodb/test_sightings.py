"""Each group has sightings of its own."""

from __future__ import annotations

from coord.sightings import Sighting
from coord.testing.clock import ManualClock
from coord_dynamodb.sightings import GroupSightings


def test_groups_do_not_mix() -> None:
    clock = ManualClock(100.0)
    sightings = GroupSightings(clock)
    sightings.shown("g", {"s": 4})
    clock.set(101.0)
    assert sightings.shown("h", {"s": 1}) == {"s": Sighting(1, 101.0)}
    assert sightings.shown("g", {"s": 4}) == {"s": Sighting(4, 100.0)}
