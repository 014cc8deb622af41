"""Heartbeats: renewing a lease, and proving that it was renewed.

Owns the one rule on which trust rests in this store. Knows no claims.

**An acknowledged KeepAlive proves nothing by itself.** It is answered from the memory of a server
that believes to lead. One that was stopped and has been revived still believes it for a moment,
though others have elected another leader, in whose memory the lease runs on unrenewed: a member
that trusted the answer would trust its lease after the key is gone
(`test_a_revived_leaders_acknowledgement_moves_no_deadline`). So each KeepAlive is followed by a
linearizable read of our member key at the same server, and only if both answers bear the same raft
term, and the key hangs on our lease, the deadline moves. Why that is enough:

- The first answer's term is noted before the server renews, or has its leader renew; the second's
  after a majority has confirmed that server's leader. Equal terms, in the order of one server's
  own log, leave no room for another leader in between, so the one that renewed decides on expiry.
- A leader that is elected later extends all leases by their whole ttl.
- "The same server" is checked, not assumed: behind one address there may be several, and a
  connection may be made anew between two requests. Both answers name the member that gave them.
- The stamp is taken before the KeepAlive is sent.

Unequal terms are no failure: the old deadline stands, and both are asked again at once, within the
heartbeat's timeout. A KeepAlive that says "no such lease" proves nothing either, for the same
reason; a session is lost when the linearizable read does not find its key.

What remains: before 3.4.31 and 3.5.13 a revived leader may also *revoke* leases that it takes for
expired, through the cluster's log. No proof of ours can see that coming; tokens that reach the
resource are for it.

**In steady state a heartbeat writes nothing**, to no disk and not into etcd's history, which would
otherwise fill the database of whoever does not compact it, and a full database would end every
member although leases can still be renewed. The beacon is put while it says something, with each
heartbeat, so that peers see it anew, and once more when it says nothing again: in the transaction
that reads the key, whose way through the cluster's log confirms the leader as a read does
(`test_heartbeats_that_say_nothing_write_nothing`). A beacon that a full database refuses costs
nobody the proof: the key is then read alone (`test_a_full_database_demotes_nobody`). Peers, who
judge only newer beacons, judge nobody meanwhile.
"""

from __future__ import annotations

from typing import NamedTuple

import etcd3.etcdrpc as rpc
import grpc

from coord.clock import Clock
from coord.model import Beacon
from coord.spi import Proof
from coord_etcd import wire
from coord_etcd.connection import Connection
from coord_etcd.deadline import Deadline
from coord_etcd.failures import is_full, lost
from coord_etcd.keys import Keys, lease_of
from coord_etcd.lane import Attempts, Lane
from coord_etcd.wire import Header, Message

__all__ = ["SAYS_NOTHING", "Heartbeat", "proves"]

SAYS_NOTHING = Beacon().to_bytes()
"""What a session's beacon says from its opening on."""
_NOTHING = frozenset({b"", SAYS_NOTHING})


class _Answers(NamedTuple):
    """What the server said to a KeepAlive (with the ttl that it renewed), then to a read."""

    renewed: Header
    ttl_s: int
    read: Header
    lease: int | None


def proves(renewed: Header, read: Header) -> bool:
    """Whether a read confirms the KeepAlive that was answered before it."""
    return (renewed.cluster_id, renewed.member_id, renewed.raft_term) == (
        read.cluster_id,
        read.member_id,
        read.raft_term,
    )


class Heartbeat:
    """Renews one session's lease. One thread at a time."""

    def __init__(self, lane: Lane, clock: Clock, keys: Keys, *, session: str, name: str) -> None:
        self._lane = lane
        self._clock = clock
        self._session = session
        self._lease = lease_of(session)
        self._member = keys.member(name)
        self._beacon = keys.beacon(session)
        self._said: bytes | None = SAYS_NOTHING
        self.unproven = 0
        """How many acknowledgements were not confirmed so far."""

    def beat(self, beacon: bytes, ttl_s: float, deadline: Deadline) -> Proof:
        """Renew and prove it. Raises `SessionLost` and the errors of the lane."""
        attempts = Attempts(self._lane, deadline)
        told = beacon == self._said and beacon in _NOTHING
        while True:
            sent_at_s = self._clock.now()
            with self._lane.borrowed(deadline) as connection:
                try:
                    renewal = self._renewed(connection, deadline)
                    if not told:
                        answers = self._publish(connection, beacon, deadline, renewal)
                        told = True
                    else:
                        answers = self._confirm(connection, deadline, renewal)
                except grpc.RpcError as error:
                    attempts.failed(connection, error)
                    continue
            if answers.lease != self._lease:
                raise lost(self._session)
            if answers.ttl_s > 0 and proves(answers.renewed, answers.read):
                return Proof(sent_at_s=sent_at_s, ttl_s=ttl_s)
            self.unproven += 1
            attempts.unclear(connection.endpoint)

    def _renewed(self, connection: Connection, deadline: Deadline) -> Message:
        request = rpc.LeaseKeepAliveRequest(ID=self._lease)
        return self._lane.ask(connection, "LeaseKeepAlive", request, deadline)

    def _confirm(self, connection: Connection, deadline: Deadline, renewal: Message) -> _Answers:
        found = self._lane.ask(connection, "Range", wire.get(self._member), deadline)
        return _Answers(renewal.header, renewal.TTL, found.header, _lease(found))

    def _publish(
        self, connection: Connection, beacon: bytes, deadline: Deadline, renewal: Message
    ) -> _Answers:
        self._said = None  # not known until answered
        request = wire.txn(
            [wire.on_lease(self._member, self._lease)],
            [wire.put(self._beacon, beacon, self._lease), wire.read(self._member)],
            [wire.read(self._member)],
        )
        try:
            answer = self._lane.ask(connection, "Txn", request, deadline)
        except grpc.RpcError as error:
            if not is_full(error):
                raise
            return self._confirm(connection, deadline, renewal)
        if answer.succeeded:
            self._said = beacon
        found = answer.responses[-1].response_range
        return _Answers(renewal.header, renewal.TTL, answer.header, _lease(found))


def _lease(found: Message) -> int | None:
    return found.kvs[0].lease if found.kvs else None
