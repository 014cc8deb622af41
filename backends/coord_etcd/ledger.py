"""The ledger's records in etcd: `coord.tasks.spi.LedgerStore`.

Owns one key for each record, and the leases that end them. How requests reach the cluster is
`lane`'s. Rules and their reasons:

- A tag is the revision of the key's last write: etcd gives each out once, for all keys.
- A write is one transaction, and is sent once: if its reply is lost nobody here can tell its own
  effect from another's, so it is `unknown`, and the ledger reads back.
- Records lie outside of what members of the group watch: no record wakes anybody.
- Garbage goes by etcd's own leases and clock. A lease for each record would be a write more for
  each, and 100,000 leases; so all records that this process writes within an eighth of their time
  share one, which ends when the last of them may (`docs/decisions/ledger-observed-leases.md`).
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import etcd3.etcdrpc as rpc

from coord.clock import SYSTEM_CLOCK, Clock
from coord.errors import Certainty, StoreConflict, StoreUnavailable
from coord.spi import Probe
from coord.tasks.spi import (
    Entry,
    LedgerGuarantees,
    checked_body,
    checked_keep,
    checked_key,
)
from coord_etcd import wire
from coord_etcd.deadline import Deadline
from coord_etcd.failures import NoSuchLease
from coord_etcd.keys import RECORD, Keys
from coord_etcd.lane import Lane
from coord_etcd.login import Login
from coord_etcd.probe import findings
from coord_etcd.url import Place, place_of

__all__ = ["EtcdLedger"]

GUARANTEES = LedgerGuarantees(kind="etcd")

_SHARE = 1 / 8
_STEP = 1.25


class _Lease(NamedTuple):
    id: int
    used_until_s: float


class EtcdLedger:
    """Records in one cluster, in one group. Any thread; not in a forked child.

    `timeout_s` bounds every call, on the system's clock. Nothing is connected before the first.
    """

    def __init__(self, place: Place, *, clock: Clock = SYSTEM_CLOCK, timeout_s: float) -> None:
        self._keys = Keys(place.root, place.group)
        self._prefix = self._keys.prefix + RECORD
        self._targets = place.targets
        self._clock = clock
        self._timeout_s = timeout_s
        self._lane = Lane(place.targets, Login(place.user))
        self._lock = threading.Lock()
        self._leases: dict[float, _Lease] = {}

    @classmethod
    def from_url(cls, url: str, *, clock: Clock = SYSTEM_CLOCK, timeout_s: float) -> EtcdLedger:
        """Open `etcd://host:port,…/group?tls=true`. Raises `ConfigError`."""
        return cls(place_of(url, os.environ, timeout_s=timeout_s), clock=clock, timeout_s=timeout_s)

    @property
    def guarantees(self) -> LedgerGuarantees:
        """What this store declares about itself."""
        return GUARANTEES

    def read(self, keys: Sequence[str]) -> Mapping[str, Entry]:
        """The records of those keys that have one, linearizably: a request for 120 keys."""
        wanted = list(dict.fromkeys(checked_key(key) for key in keys))
        deadline = Deadline(self._timeout_s)
        found: dict[str, Entry] = {}
        for start in range(0, len(wanted), wire.KEYS_PER_REQUEST):
            part = wanted[start : start + wire.KEYS_PER_REQUEST]
            request = wire.txn([], [wire.read(self._key(key)) for key in part])
            answer = self._lane.call("Txn", request, deadline)
            for key, response in zip(part, answer.responses, strict=True):
                for kv in response.response_range.kvs:
                    found[key] = Entry(str(kv.mod_revision), kv.value)
        return found

    def write(self, key: str, body: bytes, *, expect: str | None, keep_s: float) -> str:
        """Write one record if its tag is still `expect`: one request, rarely two."""
        checked_body(checked_key(key), body, GUARANTEES)
        checked_keep(keep_s)
        deadline = Deadline(self._timeout_s)
        try:
            return self._put(key, body, expect, self._lease(keep_s, deadline), deadline)
        except NoSuchLease as error:  # somebody has revoked it
            self._forget_leases()
            if deadline.is_over:
                raise StoreUnavailable(
                    error.cause, cure="Try again.", certainty=Certainty.NOT_APPLIED
                ) from None
        return self._put(key, body, expect, self._lease(keep_s, deadline), deadline)

    def probe(self) -> list[Probe]:
        """Endpoints, versions, leader, round trips, space and alarms, users, what is granted."""
        return findings(self._lane, self._targets, self._keys, Deadline(self._timeout_s))

    def close(self) -> None:
        """Close connections; nothing in a forked child, where they are the parent's. Idempotent."""
        if self._lane.is_ours:
            self._lane.close()

    def _put(
        self, key: str, body: bytes, expect: str | None, lease: int, deadline: Deadline
    ) -> str:
        name = self._key(key)
        request = wire.txn(
            [wire.at_revision(name, 0 if expect is None else int(expect))],
            [wire.put(name, body, lease)],
        )
        answer = self._lane.call("Txn", request, deadline, repeatable=False)
        if not answer.succeeded:
            raise StoreConflict(
                f"the record of {key!r} is not at {expect} any more",
                cure="Read it again and decide anew.",
            )
        return str(answer.header.revision)

    def _lease(self, keep_s: float, deadline: Deadline) -> int:
        """A lease that lives for `keep_s` from now at least."""
        kept_s = _STEP ** math.ceil(math.log(keep_s, _STEP))  # few leases for many wishes
        now_s = self._clock.now()
        with self._lock:
            known = self._leases.get(kept_s)
        if known is not None and now_s < known.used_until_s:
            return known.id
        shared_s = kept_s * _SHARE
        request = rpc.LeaseGrantRequest(TTL=math.ceil(kept_s * (1 + 2 * _SHARE)))
        made = _Lease(self._lane.call("LeaseGrant", request, deadline).ID, now_s + shared_s)
        deadline.may_have_landed = False  # a lease that nobody uses is no effect
        with self._lock:
            self._leases[kept_s] = made
        return made.id

    def _forget_leases(self) -> None:
        with self._lock:
            self._leases.clear()

    def _key(self, key: str) -> bytes:
        return self._prefix + key.encode()
