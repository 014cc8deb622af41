"""The other members: since when they are here, and when one of them is dead.

Owns presence and eviction. May not know what anybody holds.

Why evicting is safe, by the store's way to tell (`coord.spi.Expiry`):

* The view gives a moment on our own clock (`expires_at_s`): we read again after that moment, and
  evict only what still has not renewed; the store checks the moment once more in the same write.
* The view gives none, and peers must evict: nobody's clock is compared. A session whose heartbeat
  number has not moved for ttl × (1 + drift) since the *reply* that first showed it has not renewed
  for longer than its ttl on its own clock, so it does not trust itself any more. Counting from the
  reply, not from the request, defends against a slow read; the write is conditional on that number.
  A store that reads more often than we do says when that reply came (`LiveMember.seen_at_s`).
  Where such a store ends sessions itself too, and peers only sooner, views are rare: we read again
  once the patience is over, and evict only what still has not moved.
  Time in which we were not awake is no patience: our clock ran, but we saw nothing, and a clock
  that leaps (a restored machine, a stepped boot clock) would make every peer look silent at once.
  Patience is prolonged by the time lost since its heartbeat was seen, so it only ever evicts later.
* The process is provably gone: there is nobody left to trust anything.

Shown by `tests/unit/core/test_peers.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

from coord.config import Timing
from coord.model import LiveMember, View
from coord.spi import Expiry, Guarantees, Observed

__all__ = ["Peers"]

_INF = float("inf")
_STAGGER_S = 0.005
_STAGGER_PLACES = 20
_LOST_S = 1e-6
"""Less than this is the rounding of a sum, and no time that was lost."""


@dataclass(slots=True)
class _Peer:
    """What we know of one session that is not ours."""

    since_s: float
    seq: int
    seen_s: float
    member: LiveMember
    lost_s: float
    """How much time we had lost when its heartbeat was seen; rather too little than too much."""
    asked: bool = False
    retry_s: float = -_INF


class Peers:
    """All live sessions but our own, as the latest views showed them."""

    def __init__(self, timing: Timing, guarantees: Guarantees) -> None:
        self._timing = timing
        self._guarantees = guarantees
        self._known: dict[str, _Peer] = {}
        self._stagger_s = 0.0
        self._read_s = -_INF
        self._next_s: float | None = None
        self._refresh_s: float | None = None
        self._lost_s = 0.0
        self._woke_s = -_INF
        self._lost_by_view_s = 0.0

    def on_lost(self, lost_s: float, now: float) -> None:
        """Take in for how long in all, until `now`, this member's control thread was not awake."""
        if lost_s - self._lost_s > _LOST_S:
            self._lost_s, self._woke_s, self._next_s = lost_s, now, None

    def _lost_when_seen(self, seen_s: float) -> float:
        """What was lost by then. Since a store may show late what it saw before we were away,
        what is older than our last waking counts as seen when the view before this one came.
        """
        return self._lost_s if seen_s >= self._woke_s else self._lost_by_view_s

    def on_view(self, view: View, *, own: str | None, sent_at_s: float, now: float) -> None:
        """Take in a view whose request was sent at `sent_at_s` and whose reply came `now`."""
        known: dict[str, _Peer] = {}
        before = self._known
        for session, member in view.members.items():
            if session == own:
                continue
            peer = before.get(session)
            seen_s = now if member.seen_at_s is None else min(now, member.seen_at_s)
            if peer is None:
                known[session] = _Peer(
                    now, member.seq, seen_s, member, self._lost_when_seen(seen_s)
                )
                continue
            if member.seq != peer.seq:
                peer.seq, peer.seen_s, peer.asked = member.seq, seen_s, False
                peer.lost_s = self._lost_when_seen(seen_s)
            peer.member = member
            known[session] = peer
        self._known = known
        self._lost_by_view_s = self._lost_s
        self._next_s = self._refresh_s = None
        self._read_s = sent_at_s
        place = 0 if own is None else [session < own for session in known].count(True)
        self._stagger_s = min(place, _STAGGER_PLACES) * _STAGGER_S

    def present_since_s(self, session: str) -> float:
        """Since when we have seen this session without a break; infinite if we do not see it."""
        peer = self._known.get(session)
        return peer.since_s if peer is not None else _INF

    def _due_s(self, peer: _Peer) -> float:
        member = peer.member
        if member.gone:
            return peer.retry_s
        due = member.expires_at_s
        if due is None:
            patience_s = member.ttl_s * (1 + self._timing.drift) + self._lost_s - peer.lost_s
            due = peer.seen_s + patience_s
        due += self._stagger_s
        return due if due > peer.retry_s else peer.retry_s

    def _is_watched(self, peer: _Peer) -> bool:
        """Whether the store sees its heartbeats without us, and would end it without us."""
        seen = peer.member.seen_at_s is not None
        return seen and self._guarantees.expiry is not Expiry.OBSERVED

    def dead(self, now: float) -> tuple[list[Observed], bool]:
        """Whom to evict now, and whether the view must be read again to know more."""
        evict: list[Observed] = []
        read = False
        if now < self.next_due_s():
            return evict, read
        self._next_s = None
        for session, peer in self._known.items():
            due = self._due_s(peer)
            if peer.asked or now < due:
                continue
            fresh_s = due if self._is_watched(peer) else peer.member.expires_at_s
            if not peer.member.gone and fresh_s is not None and self._read_s < fresh_s:
                read = True
                continue
            peer.asked = True
            evict.append(Observed(session, peer.seq))
        return evict, read

    def not_dead(self, observed: Observed, now: float) -> None:
        """The store did not evict: ask again, but not at once."""
        peer = self._known.get(observed.session)
        if peer is not None and peer.seq == observed.seq:
            self._next_s = None
            peer.asked = False
            peer.retry_s = now + self._timing.rpc_timeout_s

    def next_due_s(self) -> float:
        """When `dead` may have something to say; infinite if never."""
        if self._next_s is None:
            waiting = [p for p in self._known.values() if not p.asked]
            evicts = self._guarantees.peers_evict
            self._next_s = min(map(self._due_s, waiting), default=_INF) if evicts else _INF
        return self._next_s

    def refresh_s(self) -> float:
        """How often the view must be read although nothing wakes us.

        Observed expiry has nothing else to go by; the others read rarely, in case a wake was lost.
        """
        if self._refresh_s is None:
            observed = self._guarantees.peers_evict and any(
                peer.member.expires_at_s is None and not self._is_watched(peer)
                for peer in self._known.values()
            )
            often = observed or self._guarantees.expiry is Expiry.OBSERVED
            self._refresh_s = self._timing.heartbeat_s if often else self._timing.ttl_s
        return self._refresh_s
