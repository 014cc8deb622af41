"""What `coord doctor` shows of an etcd cluster.

Owns the findings. Changes nothing but one lease, granted and revoked again: only that shows what a
write costs, and the shortest ttl.
"""

from __future__ import annotations

import secrets
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from typing import NamedTuple

import etcd3.etcdrpc as rpc
import grpc

from coord.clock import SYSTEM_CLOCK
from coord.errors import StoreError
from coord.spi import Probe
from coord_etcd import wire
from coord_etcd.connection import Connection, Target
from coord_etcd.deadline import Deadline
from coord_etcd.failures import Compacted, judged
from coord_etcd.keys import Keys
from coord_etcd.lane import Lane
from coord_etcd.wire import Message

__all__ = ["findings", "revokes_wrongly"]

ROUNDS = 10
_MANY_REVISIONS = 5_000_000
_ALARMS = {1: "NOSPACE", 2: "CORRUPT"}
_MEBIBYTE = 2**20
_MENDED_IN = {(3, 4): 31, (3, 5): 13}
_FIRST_WITHOUT = (3, 6)


class _Health(NamedTuple):
    """What one endpoint says of itself, or why it says nothing."""

    endpoint: str
    status: Message | None
    cause: str
    cure: str


def findings(lane: Lane, targets: Sequence[Target], keys: Keys, deadline: Deadline) -> list[Probe]:
    """The state of the cluster, in the order in which an operator would look."""
    health = _health(lane, targets, Deadline(deadline.left_s / 2))
    found = [_endpoint(one) for one in health]
    up = [one.status for one in health if one.status is not None]
    answers = [one for one, its in zip(targets, health, strict=True) if its.status is not None]
    if answers:
        with closing(Lane(answers, lane.login)) as through:  # none of them hangs
            found.extend(_checks(through, targets, keys, up, deadline))
    return found


def _checks(
    lane: Lane, targets: Sequence[Target], keys: Keys, up: Sequence[Message], deadline: Deadline
) -> Iterator[Probe]:
    checks: list[tuple[str, Callable[[], Probe]]] = [
        ("cluster", lambda: _cluster(lane, up, deadline)),
        ("login", lambda: _login(lane, targets)),
        ("rights", lambda: _rights(lane, keys, deadline)),
        ("reading", lambda: _reading(lane, keys, deadline)),
        ("shortest ttl", lambda: _shortest_ttl(lane, deadline)),
        ("space", lambda: _space(lane, up, deadline)),
        ("history", lambda: _history(lane, keys, deadline)),
        ("version", lambda: _version(lane, up, deadline)),
    ]
    for name, check in checks:
        yield _told(name, check)


def _told(name: str, check: Callable[[], Probe]) -> Probe:
    try:
        return check()
    except StoreError as error:
        return Probe(name=name, ok=False, value=error.cause, cure=error.cure)


def _health(lane: Lane, targets: Sequence[Target], deadline: Deadline) -> list[_Health]:
    """Ask all endpoints at once, each over a connection of its own."""
    lane.check_usable()
    with ExitStack() as closing:
        asked = []
        for target in targets:
            connection = Connection(target)
            closing.callback(connection.close)
            pending = connection.begin(
                "Status", rpc.StatusRequest(), timeout_s=deadline.left_s, token=""
            )
            asked.append((connection, pending))
        return [_health_of(connection, pending.result, deadline) for connection, pending in asked]


def _health_of(
    connection: Connection, result: Callable[[], Message], deadline: Deadline
) -> _Health:
    try:
        return _Health(connection.endpoint, result(), "", "")
    except grpc.RpcError as error:
        trouble = judged(error, connection.endpoint, deadline.timeout_s, heard=False)
        return _Health(connection.endpoint, None, trouble.cause, trouble.cure)


def _endpoint(health: _Health) -> Probe:
    name = f"endpoint {health.endpoint}"
    status = health.status
    if status is None:
        return Probe(name=name, ok=False, value=health.cause, cure=health.cure)
    leads = status.leader == status.header.member_id
    value = (
        f"etcd {status.version}, {'leader' if leads else 'follower'}, "
        f"raft term {status.raftTerm}, database {status.dbSize / _MEBIBYTE:.1f} MiB"
    )
    if status.leader:
        return Probe(name=name, ok=True, value=value)
    cure = "It has no leader: a majority of its members must run and reach each other."
    return Probe(name=name, ok=False, value=value, cure=cure)


def _cluster(lane: Lane, up: Sequence[Message], deadline: Deadline) -> Probe:
    members = lane.call("MemberList", rpc.MemberListRequest(), deadline).members
    named = {member.ID: member.name for member in members}
    leaders = {status.leader for status in up}
    clusters = {status.header.cluster_id for status in up}
    count = "1 member" if len(members) == 1 else f"{len(members)} members"
    value = f"{count}, led by {' or '.join(named.get(i, '?') for i in leaders)}"
    if len(clusters) > 1:
        cure = "Name members of one cluster only in the URL."
        return Probe(name="cluster", ok=False, value="endpoints of different clusters", cure=cure)
    if len(leaders) > 1:
        cure = "An election is under way, or a member is cut off: look again."
        return Probe(name="cluster", ok=False, value=value, cure=cure)
    if len(members) > 1 and len(members) > len(up):
        value += f"; {len(up)} of them are named in the URL and answer"
    return Probe(name="cluster", ok=True, value=value)


def _login(lane: Lane, targets: Sequence[Target]) -> Probe:
    login = lane.login
    way = "without TLS" if targets[0].credentials is None else "with TLS"
    if not login.name:
        return Probe(name="login", ok=True, value=f"no user, {way}")
    if login.refused:
        value = f"user {login.name} is not asked for: the server has no users, {way}"
        return Probe(name="login", ok=True, value=value)
    value = f"user {login.name}, {way}"
    if targets[0].credentials is not None:
        return Probe(name="login", ok=True, value=value)
    cure = "Anybody on the way can read it: give etcd a certificate, and ?tls=true to the URL."
    return Probe(name="login", ok=False, value=f"{value}: the password travels in clear", cure=cure)


def _rights(lane: Lane, keys: Keys, deadline: Deadline) -> Probe:
    """A transaction that writes nothing, and that only those who may write are let have."""
    never = wire.at_revision(keys.changes, 2**62)
    lane.call("Txn", wire.txn([never], [wire.put(keys.changes, b"")]), deadline)
    value = f"may read and write {keys.prefix.decode()}"
    return Probe(name="rights", ok=True, value=value)


def _reading(lane: Lane, keys: Keys, deadline: Deadline) -> Probe:
    taken_ms = list(_reads(lane, keys, deadline))
    return Probe(
        name="reading",
        ok=True,
        value=f"{statistics.median(taken_ms):.2f} ms (median of {len(taken_ms)} linearizable "
        f"reads; slowest {max(taken_ms):.2f} ms)",
    )


def _reads(lane: Lane, keys: Keys, deadline: Deadline) -> Iterator[float]:
    stop = Deadline(deadline.left_s / 4)
    for _ in range(ROUNDS):
        begun_s = SYSTEM_CLOCK.now()
        lane.call("Range", wire.get(keys.changes), deadline)
        yield (SYSTEM_CLOCK.now() - begun_s) * 1000
        if stop.is_over:
            return


def _shortest_ttl(lane: Lane, deadline: Deadline) -> Probe:
    number = secrets.randbits(62) + 1
    begun_s = SYSTEM_CLOCK.now()
    granted = lane.call(
        "LeaseGrant", rpc.LeaseGrantRequest(ID=number, TTL=1), deadline, repeatable=False
    )
    took_ms = (SYSTEM_CLOCK.now() - begun_s) * 1000
    lane.call("LeaseRevoke", rpc.LeaseRevokeRequest(ID=number), deadline)
    value = f"{granted.TTL} s, by etcd's election timeout; granted in {took_ms:.2f} ms"
    return Probe(name="shortest ttl", ok=True, value=value)


def _space(lane: Lane, up: Sequence[Message], deadline: Deadline) -> Probe:
    alarms = lane.call("Alarm", rpc.AlarmRequest(), deadline).alarms
    raised = sorted({_ALARMS.get(alarm.alarm, str(alarm.alarm)) for alarm in alarms})
    size = max(status.dbSize for status in up) / _MEBIBYTE
    if not raised:
        return Probe(name="space", ok=True, value=f"{size:.1f} MiB, no alarm")
    cure = (
        "NOSPACE: compact, `etcdctl defrag`, `etcdctl alarm disarm`. CORRUPT: remove and re-add "
        "the member that it names."
    )
    return Probe(name="space", ok=False, value=f"{size:.1f} MiB, alarm {raised}", cure=cure)


def _history(lane: Lane, keys: Keys, deadline: Deadline) -> Probe:
    """Whether anybody compacts: every claim and release adds to the history."""
    try:
        request = wire.get(keys.changes, revision=1)
        revision = lane.call("Range", request, deadline).header.revision
    except Compacted:
        return Probe(name="history", ok=True, value="is compacted now and then")
    value = f"{revision:,} revisions, never compacted so far"
    if revision < _MANY_REVISIONS:
        return Probe(name="history", ok=True, value=value)
    cure = (
        "Start etcd with --auto-compaction-retention=1h: its database grows with every write, "
        "whoever's, up to its quota."
    )
    return Probe(name="history", ok=False, value=value, cure=cure)


def _version(lane: Lane, up: Sequence[Message], deadline: Deadline) -> Probe:
    versions = sorted({status.version for status in up})
    bad = [version for version in versions if revokes_wrongly(version)]
    if not bad:
        return Probe(name="version", ok=True, value=", ".join(versions))
    value = f"{', '.join(bad)}: a leader stopped and revived may revoke leases that live"
    if len(lane.call("MemberList", rpc.MemberListRequest(), deadline).members) == 1:
        return Probe(name="version", ok=True, value=f"{value}, in a cluster of several members")
    cure = (
        "Upgrade to 3.4.31, 3.5.13 or later. Until then two leaders may overlap after such a "
        "revival: tokens that reach the resource (SqlFence and its like) refuse the older one."
    )
    return Probe(name="version", ok=False, value=value, cure=cure)


def revokes_wrongly(version: str) -> bool:
    """Whether a revived leader of this release may revoke leases that its successor keeps alive.

    A version that cannot be read is given the benefit of the doubt.
    """
    try:
        major, minor, patch = (int(part) for part in version.partition("-")[0].split("."))
    except ValueError:
        return False
    if (major, minor) >= _FIRST_WITHOUT:
        return False
    return patch < _MENDED_IN.get((major, minor), patch + 1)
