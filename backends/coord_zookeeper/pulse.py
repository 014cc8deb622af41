"""A session's own connection: it opens, it renews, and with it the session lives and dies.

Owns the link of one session, what is known of its trust, and its end. Carries heartbeats, the
member's record and the farewell, and no claims: a heartbeat waits behind nothing. Law: one session
of ZooKeeper's for one of ours. When ZooKeeper says that it is over, or we do, the wire is retired
and never connects again, so nothing that is queued can run under another session.
"""

from __future__ import annotations

import threading

from coord.clock import Clock
from coord.spi import Proof
from coord_zookeeper.deadline import Deadline
from coord_zookeeper.link import Link
from coord_zookeeper.trust import Touches
from coord_zookeeper.url import Target
from coord_zookeeper.wire import Greeting
from coord_zookeeper.words import asked, fields_of, leads

__all__ = ["Pulse"]

_MS = 1000


class Pulse:
    """One session of ZooKeeper's. `over` is set for good once it is lost or given up."""

    def __init__(self, target: Target, clock: Clock, *, ttl_s: float, timeout_s: float) -> None:
        self.over = threading.Event()
        self._clock = clock
        self._beat_s = 0.0
        self._ask_role = target.ask_role
        self._touches = Touches(target.tick_s)
        self._first: tuple[Greeting, float] | None = None
        self.link = Link(
            target,
            clock=clock,
            ttl_s=ttl_s,
            timeout_s=timeout_s,
            pings=False,
            greeted=self._greeted,
            lost=self._lost,
        )

    def connect(self, deadline: Deadline) -> Proof:
        """Begin the session; what its beginning proves."""
        self.link.connect(deadline)
        assert self._first is not None  # noqa: S101  a connection begins with a greeting
        greeting, asked_s = self._first
        return Proof(sent_at_s=asked_s, ttl_s=greeting.ttl_s)

    @property
    def owner(self) -> int:
        """ZooKeeper's number of the session, as in `ephemeralOwner`; 0 before it has begun."""
        return self._first[0].session if self._first is not None else 0

    def beat(self) -> float:
        """A heartbeat is about to be sent: the moment that its proof counts from."""
        self._beat_s = self._clock.now()
        return self._beat_s

    def proof(self, sent_s: float) -> Proof:
        """What a heartbeat proves that was sent then and has been acknowledged just now."""
        granted_s = self._first[0].ttl_s if self._first is not None else 0.0
        lag_s = self._touches.lag_s(sent_s, self._clock.now())
        return Proof(sent_at_s=sent_s, ttl_s=granted_s, lag_s=lag_s)

    def end(self, deadline: Deadline, *, farewell: bool) -> None:
        """Give it up. Without `farewell` ZooKeeper ends it when its ttl is over. Idempotent."""
        self.over.set()
        self.link.close(deadline, farewell=farewell)

    # ---------------------------------------------------------------------- in kazoo's threads

    def _greeted(self, greeting: Greeting, asked_s: float) -> None:
        """A server took the session over, which renews it; or it is given up.

        It is given up

        - under another number or a shorter ttl: proofs count with the ttl of the beginning, which
          servers whose `maxSessionTimeout` was lowered meanwhile do not honour
          (`test_a_session_that_is_granted_less_when_it_reconnects_is_over`);
        - if no heartbeat was asked for a ttl: the wire reconnects unasked, and a member whose
          heartbeat thread hangs would live for as long as connections break
          (`test_broken_connections_keep_nobody_alive_who_does_not_heartbeat`).
        """
        if self._first is None:
            self._first, self._beat_s = (greeting, asked_s), asked_s
        first = self._first[0]
        is_less = greeting.session != first.session or greeting.ttl_s < first.ttl_s
        if is_less or asked_s - self._beat_s > first.ttl_s:
            self._lost()
            return
        wire = self.link.client.wire
        self._touches.connected(wire.epoch, asked_s)
        if self._ask_role:
            wire.spawn(self._learn, wire.epoch)

    def _learn(self, epoch: int) -> None:
        """Ask the server of this connection for its role. A role lasts as long as a connection:
        servers that change theirs drop their clients.
        """
        wire = self.link.client.wire
        answer = asked(wire, "srvr")
        if not answer:
            return
        tick_ms = fields_of(asked(wire, "conf")).get("tickTime", "")
        tick_s = int(tick_ms) / _MS if tick_ms.isdigit() else None
        if wire.epoch == epoch:
            self._touches.learned(epoch, leads=leads(answer), tick_s=tick_s)

    def _lost(self) -> None:
        self.over.set()
        self.link.client.wire.retire()
