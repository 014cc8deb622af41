"""When each session's latest heartbeat was first seen here.

Owns those moments, on the clock that the store was opened with. Sends nothing and decides nothing.
Law: a moment is read after the answer that showed the number, never before, and stays with it: a
session that has not moved since has sent nothing that counts for as long (`eviction` says what
rests on it; `test_a_sighting_is_never_older_than_the_answer_that_showed_it`).
"""

from __future__ import annotations

import threading
from collections.abc import Container
from typing import NamedTuple

from coord.clock import Clock

__all__ = ["Sighting", "Sightings"]


class Sighting(NamedTuple):
    """The largest heartbeat number that was seen of a session, and when it was seen first."""

    seq: int
    at_s: float


class Sightings:
    """All sessions of one group, seen through one store. Any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[str, Sighting] = {}

    def now(self) -> float:
        """The moment, on the clock of sightings."""
        return self._clock.now()

    def note(self, sid: str, seq: int) -> Sighting:
        """An answer that is here has shown this number; what is known of the session now.

        A smaller number than is known comes of a server that lags, and says nothing.
        """
        with self._lock:
            known = self._seen.get(sid)
            if known is None or seq > known.seq:
                known = self._seen[sid] = Sighting(seq, self._clock.now())
            return known

    def keep(self, sids: Container[str]) -> None:
        """Forget all but these."""
        with self._lock:
            self._seen = {sid: one for sid, one in self._seen.items() if sid in sids}
