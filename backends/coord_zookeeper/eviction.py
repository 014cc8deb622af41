"""How a session is ended by somebody else than ZooKeeper.

Owns the operations that end one, and when a peer's are sent. ZooKeeper ends silent sessions too, up
to a tick and a half late: its leader looks once a tick, and hears of a session on a follower once
half a tick. Peers are sooner. Why that takes nothing from a member that still trusts its session:

- Every heartbeat that lands writes its number into `sessions/<sid>`, in the transaction that makes
  its beacon. So a number that has not moved means that none has landed
  (`test_every_heartbeat_moves_the_number_that_peers_watch`).
- The number has been seen here for a whole ttl on our clock, so the trust that it gave is over
  (`coord.sightings`, `test_a_sighting_is_never_older_than_the_answer_that_showed_it`); for clocks
  of different rates the caller waits longer (`coord.core.peers`). We look at our own clock once
  more, so nobody can end a session that was seen for the first time just now
  (`test_nobody_evicts_a_session_that_was_seen_for_less_than_a_ttl`).
- The delete is conditional on the version of that node, which every heartbeat moves. It is compared
  by the leader, in the transaction: a read from a server that lags ends nobody
  (`test_an_eviction_decided_on_an_old_reading_ends_nobody`).
- What is ended is over at once and for good: the session's every write checks that node, and
  nothing makes it again (`test_an_evicted_session_that_wakes_changes_nothing_and_is_told`).

An election or a lost quorum longer than the ttl changes none of this. ZooKeeper then gives every
session a whole ttl more; members trust what was acknowledged, as ever.
"""

from __future__ import annotations

from coord.spi import Observed
from coord_zookeeper.deadline import Deadline
from coord_zookeeper.failures import refused
from coord_zookeeper.group import Group
from coord_zookeeper.layout import Layout
from coord_zookeeper.nodes import session_seq
from coord_zookeeper.requests import BAD_VERSION, NO_NODE, Op, delete, refusal

__all__ = ["ending", "evicted"]


def ending(layout: Layout, sid: str, name: str, *, version: int = -1) -> list[Op]:
    """What ends the session of the member `name`; its beacon goes with ZooKeeper's session."""
    return [delete(layout.session(sid), version), delete(f"{layout.members}/{name}")]


def evicted(group: Group, observed: Observed, deadline: Deadline) -> bool:
    """Whether the session is over; it is ended if it has been silent for its ttl."""
    sid = observed.session
    node = group.reader.session(sid, deadline)
    if node is None:
        return True
    seen = group.sightings.note(sid, session_seq(node.data))
    member = group.mirror.member(sid)
    if member is None or seen.seq != observed.seq:
        return False
    if group.sightings.now() < seen.at_s + member.ttl_s:
        return False
    link, layout = group.link(), group.layout
    ops = ending(layout, sid, member.record.name, version=node.stat.version)
    found = refusal(link.commit([*ops, layout.ring()], deadline))
    if found is None:
        return True
    if found.code not in {NO_NODE, BAD_VERSION}:
        raise refused(found.code, f"{link.where}{layout.root}")
    return found.code == NO_NODE and found.at == 0
