"""How a session begins: a lease, and the member's two keys on it.

Owns the order, and that nothing stays behind when it fails. Rules and their reasons:

- The name is looked at first: who waits for a name asks again and again, and each attempt costs one
  read and no lease.
- The lease's number is ours, drawn at random, so that it can be revoked even when the answer that
  granted it was lost. Clients that let the server choose leak one lease for each lost answer
  (`test_an_opening_that_fails_leaves_no_lease`). Whatever is not revoked ends by its ttl.
- A session of our own incarnation is ended before the new one begins; no other is ever touched.
  A dead process's session ends with its lease: etcd knows when, and nobody else does.
- The proof counts from before the lease was asked for. Granting goes through the cluster's log, so
  no leader that somebody has replaced can have given it.
"""

from __future__ import annotations

import math
import secrets
from contextlib import suppress
from typing import NamedTuple

import etcd3.etcdrpc as rpc
import grpc

from coord.clock import Clock
from coord.errors import CoordError, DuplicateMember, StoreUnavailable
from coord.model import MemberRecord
from coord.spi import Proof
from coord_etcd import wire
from coord_etcd.deadline import Deadline
from coord_etcd.heartbeat import SAYS_NOTHING
from coord_etcd.keys import Keys, session_of
from coord_etcd.lane import Lane
from coord_etcd.records import KeyValue, incarnation_in, member_value
from coord_etcd.session import Opened, revoke

__all__ = ["open_session"]

_ATTEMPTS = 3


class _Lease(NamedTuple):
    number: int
    proof: Proof


def open_session(
    lane: Lane, clock: Clock, keys: Keys, record: MemberRecord, *, ttl_s: float, timeout_s: float
) -> Opened:
    """Make a member live. Raises `DuplicateMember` and the errors of the lane."""
    deadline = Deadline(timeout_s)
    vacant = _make_room(lane, keys, record, _sitting(lane, keys, record, deadline), deadline)
    number = secrets.randbits(62) + 1
    try:
        lease = _granted(lane, clock, number, ttl_s, deadline)
        for _ in range(_ATTEMPTS):
            revision, sitting = _put_member(lane, keys, record, lease, deadline, vacant=vacant)
            if revision:
                return Opened(session_of(number), record, revision, lease.proof)
            vacant = _make_room(lane, keys, record, sitting, deadline)
    except CoordError:
        _forget(lane, number, timeout_s)
        raise
    _forget(lane, number, timeout_s)
    raise StoreUnavailable(
        f"member {record.name!r} was taken as often as it became free",
        cure="Two processes open it by turns: give each a name of its own.",
    )


def _sitting(lane: Lane, keys: Keys, record: MemberRecord, deadline: Deadline) -> KeyValue | None:
    """Whoever has the name now."""
    found = lane.call("Range", wire.get(keys.member(record.name)), deadline).kvs
    return found[0] if found else None


def _make_room(
    lane: Lane, keys: Keys, record: MemberRecord, sitting: KeyValue | None, deadline: Deadline
) -> int:
    """End a former session of our own; raise for anybody else's. Returns what may be replaced.

    That is the revision of a record on no lease, which no session has put there and nothing else
    would ever remove (`test_a_record_put_by_hand_keeps_nobody_out`), or 0.
    """
    if sitting is None:
        return 0
    if not sitting.lease:
        return sitting.mod_revision
    if incarnation_in(sitting.value) == record.incarnation:
        revoke(lane, sitting.lease, deadline)
        return 0
    raise DuplicateMember(
        f"member {record.name!r} is live at {keys.prefix.decode()} with another incarnation",
        session=session_of(sitting.lease),
        cure="Give each process its own member name, or wait for the old one to expire.",
    )


def _granted(lane: Lane, clock: Clock, number: int, ttl_s: float, deadline: Deadline) -> _Lease:
    sent_at_s = clock.now()
    request = rpc.LeaseGrantRequest(ID=number, TTL=math.ceil(ttl_s))
    answer = lane.call("LeaseGrant", request, deadline, repeatable=False)
    return _Lease(number, Proof(sent_at_s=sent_at_s, ttl_s=float(answer.TTL)))


def _put_member(
    lane: Lane, keys: Keys, record: MemberRecord, lease: _Lease, deadline: Deadline, *, vacant: int
) -> tuple[int, KeyValue | None]:
    """Take the name if it is as it was seen: the revision of our record, or 0 and whoever has it.

    That it is ours already is what a lost answer had told us.
    """
    member = keys.member(record.name)
    request = wire.txn(
        [wire.at_revision(member, vacant)],
        [
            wire.put(member, member_value(record, lease.proof.ttl_s), lease.number),
            wire.put(keys.beacon(session_of(lease.number)), SAYS_NOTHING, lease.number),
            wire.put(keys.changes, b""),
        ],
        [wire.read(member)],
    )
    answer = lane.call("Txn", request, deadline)
    if answer.succeeded:
        return answer.header.revision, None
    found = answer.responses[0].response_range.kvs
    if found and found[0].lease == lease.number:
        return found[0].mod_revision, None
    return 0, found[0] if found else None


def _forget(lane: Lane, number: int, timeout_s: float) -> None:
    """Revoke a lease that nobody will use, without waiting for it; else it ends by its ttl."""
    request = rpc.LeaseRevokeRequest(ID=number)
    with suppress(grpc.RpcError, CoordError), lane.borrowed() as connection:
        token = lane.login.token(connection, Deadline(timeout_s))
        connection.send_off("LeaseRevoke", request, timeout_s=timeout_s, token=token)
