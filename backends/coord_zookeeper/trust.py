"""How far an acknowledged heartbeat can be trusted: the lag of a proof.

Owns that rule. Reads no clock and sends nothing; times are on the clock of proofs, in seconds.

Only the leader ends sessions, by what it has been told. It is told at once when a client of its own
asks for anything, when a session is made, and when one moves to another server (revalidation).
A client of a follower is a line in the next answer of that follower to a ping, every half tick,
and what was noted since the last one dies with the follower. So:

- Connected to the leader, the lag is 0. So it is right after connecting to anybody.
- Through a follower, a heartbeat says nothing of itself: the follower may have died right after it.
  But it shows that the follower lived, and answered pings, until it acknowledged. So an *earlier*
  heartbeat that was acknowledged half a tick and the way of a message before this one was sent has
  reached the leader by then. When it was sent says nothing of when the follower heard of it: one
  that was long on its way may have missed that ping
  (`test_a_heartbeat_that_came_late_counts_from_its_answer`). The lag is the time since the sending
  of that one, or since connecting, and a tick at least once connecting is that long ago.

That is more than one tick where heartbeats are rarer than ticks
(`test_a_follower_that_stops_after_its_answer_leaves_nobody_trusting_too_long`).
Whose role is not known counts as a follower.
"""

from __future__ import annotations

import threading

__all__ = ["Touches"]

_PING_TICKS = 0.5
_WAY_TICKS = 0.25


class Touches:
    """What the leader has been told of one session, as far as can be proven. Any thread."""

    def __init__(self, tick_s: float) -> None:
        self._lock = threading.Lock()
        self._tick_s = tick_s
        self._leads = False
        self._epoch = 0
        self._connected_s = 0.0
        self._told_s = 0.0
        self._untold: list[tuple[float, float]] = []  # sent, acknowledged

    def connected(self, epoch: int, asked_s: float) -> None:
        """A server took the session over, and told the leader after `asked_s`."""
        with self._lock:
            self._epoch = epoch
            self._leads = False
            self._connected_s = self._told_s = asked_s
            self._untold = []

    def learned(self, epoch: int, *, leads: bool, tick_s: float | None) -> None:
        """What the server of that connection says of itself; nothing if there is a newer one."""
        with self._lock:
            if epoch != self._epoch:
                return
            self._leads = leads
            self._tick_s = self._tick_s if tick_s is None else tick_s

    def lag_s(self, sent_s: float, acked_s: float) -> float:
        """The lag of a heartbeat that was sent and acknowledged then."""
        with self._lock:
            if self._leads:
                return 0.0
            reported_s = sent_s - (_PING_TICKS + _WAY_TICKS) * self._tick_s
            told = [sent for sent, acked in self._untold if acked <= reported_s]
            self._told_s = max(self._told_s, *told, 0.0)
            self._untold = [one for one in self._untold if one[1] > reported_s]
            self._untold.append((sent_s, acked_s))
            floor_s = min(self._tick_s, sent_s - self._connected_s)
            return max(0.0, floor_s, sent_s - self._told_s)
