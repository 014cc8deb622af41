"""When each session's latest heartbeat was first shown to this store: what peers' patience counts
from.

Owns the stamps. Makes no request, knows no ttl and evicts nobody. Rules and their reasons:

- A stamp is the moment at which the *reply* that first showed the number was here, on the clock
  that the store was opened with, and never an earlier one: what a reply shows was written before
  it came, and a member counts its trust from before it wrote. So whoever waits for a ttl from the
  stamp has outwaited the trust that this heartbeat gave
  (`test_a_stamp_is_never_earlier_than_the_reply_that_it_stands_for`).
- It does not matter who asked, nor whether the reply was a stale one: that only makes it show an
  older number. A number that is not above the known one therefore changes nothing
  (`test_a_stale_reply_takes_nothing_back`).
- A session that a reply does not show is forgotten. If it was shown no longer for being stale, it
  is stamped anew, and later: peers wait longer, which is safe. Ids are never used again.

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
from typing import NamedTuple

from coord.clock import Clock

__all__ = ["Sight", "Sightings"]


class Sight(NamedTuple):
    """The latest heartbeat number that was shown, and when it was shown first."""

    seq: int
    at_s: float


class Sightings:
    """The stamps of one store. Any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, Mapping[str, Sight]] = {}

    def shown(self, group: str, numbers: Mapping[str, int]) -> Mapping[str, Sight]:
        """A reply that has come shows these sessions, with these numbers, and no others.

        Returns what is known of each: a later number than this reply's, if another had shown one.
        """
        at_s = self._clock.now()
        with self._lock:
            known = self._known.get(group, {})
            self._known[group] = now = {
                session: sight
                if (sight := known.get(session)) is not None and sight.seq >= number
                else Sight(number, at_s)
                for session, number in numbers.items()
            }
        return now
