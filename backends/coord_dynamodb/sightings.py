"""When each session's latest heartbeat was first shown to this store, group by group.

Owns which group a reply belongs to; what a sighting is, and why waiting from it is safe, stands in
`coord.sightings`.

Why a successor comes in time. A watch looks every `poll` at the latest (`watch.py`), so the last
heartbeat of a member that is killed is stamped within a poll of its landing. The core evicts at the
stamp plus ttl × (1 + drift), if a view has told it of that number by then. It reads a view every
heartbeat interval, and heartbeat + timeout is less than a ttl (`coord.config.Timing`): so the view
that carries the stamp comes before it is due, though no change wakes anybody. Only a reader whose
own interval is longer than the ttl of the one that was killed learns of it with its next view.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping

from coord.clock import Clock
from coord.sightings import Sighting, Sightings

__all__ = ["GroupSightings"]


class GroupSightings:
    """The sightings of all groups of one store. Any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._groups: dict[str, Sightings] = {}

    def shown(self, group: str, numbers: Mapping[str, int]) -> Mapping[str, Sighting]:
        """A reply that has come shows these sessions of a group, and no others."""
        with self._lock:
            known = self._groups.setdefault(group, Sightings(self._clock))
        return known.shown(numbers)
