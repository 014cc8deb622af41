"""What a reshape leaves behind in etcd: claims of generations that are over.

Owns their deletion, as a best effort: views hide them, so nothing depends on it.
"""

from __future__ import annotations

from contextlib import suppress

from coord.codec import key_of
from coord.errors import StoreError
from coord.model import RoleRecord
from coord_etcd import wire
from coord_etcd.claims import write
from coord_etcd.deadline import Deadline
from coord_etcd.keys import Keys
from coord_etcd.lane import Lane
from coord_etcd.records import UNREADABLE, claim_row
from coord_etcd.wire import Change

__all__ = ["forget_older"]

_MOST = 20_000


def forget_older(lane: Lane, keys: Keys, role: RoleRecord, deadline: Deadline) -> None:
    """Delete the free claims of a role's older generations, each if it is still as it was read.

    Held ones stay until they are let go of: their holders may still be at work.
    """
    with suppress(StoreError):
        request = wire.get(*keys.claims_of(role.name), limit=_MOST)
        changes: dict[int, Change] = {}
        for place, kv in enumerate(lane.call("Range", request, deadline).kvs):
            key = key_of(keys.parts(kv.key)[1])
            row = claim_row(kv)
            if key is None or key.generation >= role.generation or row.owner == UNREADABLE:
                continue
            gone = keys.beacon(row.owner) if row.owner else b""
            changes[place] = Change(kv.key, row.mod_revision, None, gone=gone)
        if changes:
            write(lane, deadline, changes, conditions=(), notice=keys.changes)
