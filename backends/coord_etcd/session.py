"""A live member's session: one lease, and what hangs on it.

Owns the session's end as this process knows it, and its member's record. How it is renewed is in
`heartbeat`, what it does to claims in `tenancy`, how it began in `opening`.

A record is replaced only where it is still the one that is known, by its revision: an update that
is delayed on its way finds a later one and does nothing, instead of bringing back a member that
drains no more (`test_an_update_that_lands_late_brings_nothing_back`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple, TypeVar

import etcd3.etcdrpc as rpc

from coord.errors import SessionLost, StoreUnavailable, UsageError
from coord.model import MemberRecord
from coord.spi import Claimed, ClaimRequest, Held, Proof, Tenure
from coord_etcd import wire
from coord_etcd.deadline import Deadline
from coord_etcd.failures import NoSuchLease, lost
from coord_etcd.heartbeat import Heartbeat
from coord_etcd.keys import Keys, lease_of
from coord_etcd.lane import Lane
from coord_etcd.records import member_value
from coord_etcd.tenancy import Tenancy

__all__ = ["BATCH_SIZE", "EtcdSession", "Opened", "revoke"]

T = TypeVar("T")

# Twelve transactions, some 40 ms of the server's time, for which all others have to wait.
BATCH_SIZE = 12 * wire.KEYS_PER_REQUEST
_ROUNDS = 3


class Opened(NamedTuple):
    """What opening gave."""

    session: str
    record: MemberRecord
    revision: int
    """Of the write that made the record."""
    proof: Proof


class EtcdSession:
    """Implements `coord.spi.Session`. `heartbeat` has a connection of its own, so it waits for no
    other request of this process.
    """

    def __init__(
        self,
        opened: Opened,
        *,
        keys: Keys,
        lane: Lane,
        heartbeat: Heartbeat,
        tenancy: Tenancy,
        timeout_s: float,
    ) -> None:
        self._id, self._record, self._revision, self._opened = opened
        self._keys = keys
        self._lane = lane
        self._heartbeat = heartbeat
        self._tenancy = tenancy
        self._timeout_s = timeout_s
        self._over = False
        self._leaving = False

    @property
    def id(self) -> str:
        """The number of its lease: random, never used again."""
        return self._id

    @property
    def ttl_s(self) -> float:
        """The granted ttl: whole seconds, and not below one and a half of etcd's elections."""
        return self._opened.ttl_s

    @property
    def opened(self) -> Proof:
        """The proof that opening gave."""
        return self._opened

    @property
    def unproven(self) -> int:
        """How many acknowledged heartbeats could not be trusted so far; see `heartbeat`."""
        return self._heartbeat.unproven

    def heartbeat(self, beacon: bytes) -> Proof:
        """Renew, and publish `beacon`: two requests, whatever the session holds.

        Raises `SessionLost`, `StoreUnavailable` (unknown, unless nothing could be sent) and
        `StoreRefused`.
        """
        return self._call(lambda deadline: self._heartbeat.beat(beacon, self.ttl_s, deadline))

    def claim(self, requests: Sequence[ClaimRequest]) -> list[Claimed | Held]:
        """Try to take each key: transactions of some keys each, each key by itself."""
        batch = _batch(requests)
        return self._call(lambda deadline: self._tenancy.claim(batch, deadline))

    def release(self, tenures: Sequence[Tenure]) -> None:
        """Let go of each tenure that is still ours under its token."""
        batch = _batch(tenures)
        self._call(lambda deadline: self._tenancy.release(batch, deadline))

    def amend(self, tenures: Sequence[Tenure]) -> None:
        """Replace the note of each tenure that is still ours under its token."""
        batch = _batch(tenures)
        self._call(lambda deadline: self._tenancy.amend(batch, deadline))

    def update(self, record: MemberRecord) -> None:
        """Replace this member's record."""
        known = self._record
        if (record.name, record.incarnation) != (known.name, known.incarnation):
            raise UsageError(
                f"session {self._id} is {known.name!r} and cannot become {record.name!r}",
                cure="Keep name and incarnation; open another session for another member.",
            )
        self._call(lambda deadline: self._update(record, deadline))
        self._record = record

    def close(self) -> None:
        """End the session; what it held becomes free, unclean. One request. Idempotent.

        Whatever the answer, nothing else is asked for this session any more. After an error
        `close` may be called again.
        """
        self._leaving = True
        if not self._over:
            revoke(self._lane, lease_of(self._id), Deadline(self._timeout_s))
            self._over = True

    def _update(self, record: MemberRecord, deadline: Deadline) -> None:
        member, lease = self._keys.member(record.name), lease_of(self._id)
        value = member_value(record, self.ttl_s)
        for _ in range(_ROUNDS):
            request = wire.txn(
                [wire.on_lease(member, lease), wire.at_revision(member, self._revision)],
                [wire.put(member, value, lease), wire.put(self._keys.changes, b"")],
                [wire.read(member)],
            )
            answer = self._lane.call("Txn", request, deadline)
            if answer.succeeded:
                self._revision = answer.header.revision
                return
            found = answer.responses[0].response_range.kvs
            if not found or found[0].lease != lease:
                raise lost(self._id)
            self._revision = found[0].mod_revision
            if found[0].value == value:
                return
        raise StoreUnavailable(
            f"the record of {record.name!r} changed as fast as it could be read",
            cure="Let one thread at a time update it.",
        )

    def _call(self, act: Callable[[Deadline], T]) -> T:
        if self._over or self._leaving:
            raise lost(self._id)
        try:
            return act(Deadline(self._timeout_s))
        except SessionLost:
            self._over = True
            raise


def _batch(items: Sequence[T]) -> tuple[T, ...]:
    if len(items) > BATCH_SIZE:
        raise UsageError(
            f"a batch of {len(items)}", cure=f"Send at most {BATCH_SIZE} keys a request."
        )
    return tuple(items)


def revoke(lane: Lane, lease: int, deadline: Deadline) -> None:
    """End a lease and delete what hangs on it; no error if it is over already."""
    with suppress(NoSuchLease):
        lane.call("LeaseRevoke", rpc.LeaseRevokeRequest(ID=lease), deadline)
