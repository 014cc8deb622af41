"""When each session's latest heartbeat was first shown here: what a peer's patience counts from.

Owns those moments, on the clock that the store was opened with, for stores whose peers end silent
sessions. Sends nothing, knows no ttl and ends nobody. Rules and their reasons:

- A moment is read once the *reply* that first showed the number is here, and never before: what a
  reply shows was written before it came, and a member counts its trust from before it wrote. So
  whoever waits for a ttl from that moment has outwaited the trust that this heartbeat gave
  (`test_a_sighting_is_never_earlier_than_the_reply_that_it_stands_for`).
- It does not matter who asked, nor whether the reply was a stale one: that only makes it show an
  older number. A number that is not above the known one therefore changes nothing
  (`test_a_stale_reply_takes_nothing_back`).
- A session that a reply of all sessions does not show is forgotten. If it was left out only for the
  reply being stale, it is seen anew, and later: peers wait longer, which is safe. Ids are never
  used again.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import NamedTuple

from coord.clock import Clock

__all__ = ["Sighting", "Sightings"]


class Sighting(NamedTuple):
    """The largest heartbeat number that was shown of a session, and when it was shown first."""

    seq: int
    at_s: float


class Sightings:
    """All sessions of one group, seen through one store. Any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, Sighting] = {}

    def now(self) -> float:
        """The moment, on the clock of sightings."""
        return self._clock.now()

    def note(self, session: str, seq: int) -> Sighting:
        """A reply that is here shows this number, and nothing of others.

        Returns what is known of the session now: a later number, if another reply had shown one.
        """
        with self._lock:
            found = self._known[session] = self._latest(session, seq, self._clock.now())
            return found

    def shown(self, numbers: Mapping[str, int]) -> Mapping[str, Sighting]:
        """A reply that is here shows these sessions, with these numbers, and no others.

        Returns what is known of each now, as `note` does.
        """
        with self._lock:
            at_s = self._clock.now()
            self._known = {sid: self._latest(sid, seq, at_s) for sid, seq in numbers.items()}
            return dict(self._known)

    def _latest(self, session: str, seq: int, at_s: float) -> Sighting:
        known = self._known.get(session)
        return known if known is not None and known.seq >= seq else Sighting(seq, at_s)
