"""Writing claims: many at a time, each by itself, each only if nothing has changed.

Owns how a batch becomes transactions, and what is asked about those that failed. Knows no clock and
no session's life. Rules:

- Every write names the revision at which it believes the claim to be. Revisions are the store's,
  grow with every write and never come back, so a delayed request finds another one and does
  nothing (the checks of landing late, `coord/testing/conformance/ambiguity.py`).
- A token is the revision of the write that gave the claim: it grows from holder to holder and from
  generation to generation whatever is released, expired or deleted in between.
- A claim whose holder died is taken over on two conditions in one step: the claim is as it was
  seen, and its holder's beacon, which lives exactly as long as its lease, does not exist.
- What is believed comes from the last view, or is a guess; a wrong belief loses, is corrected by a
  read, and is tried again, a few times at most.
- The conditions that all share (the session lives, the role is as seen) stand once in the outer
  transaction; a key adds one nested operation, so 10,000 claims cost what bare ones do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from coord_etcd import wire
from coord_etcd.deadline import Deadline
from coord_etcd.lane import Lane
from coord_etcd.records import ClaimRow, claim_row
from coord_etcd.wire import Change, Message, TxnAnswer

__all__ = ["Written", "current", "write"]

_BYTES_PER_REQUEST = 512 * 1024  # a third of what etcd takes by default


class Written(NamedTuple):
    """What became of one batch's changes, by their place: the revision of those that were made."""

    revisions: Mapping[int, int]
    refused: TxnAnswer | None
    """An answer whose outer conditions failed, with what was read instead."""


def write(
    lane: Lane,
    deadline: Deadline,
    changes: Mapping[int, Change],
    *,
    conditions: Sequence[Message],
    notice: bytes,
    otherwise: Sequence[Message] = (),
) -> Written:
    """Make each change whose own conditions hold, under `conditions` for all.

    `notice` is the key that tells of changes. Where `conditions` do not hold, `otherwise` is read.
    """
    parts = list(_parts(changes))

    def requests() -> Iterator[Message]:
        for part in parts:
            request = wire.txn(conditions, (), otherwise)
            for place in part:
                wire.add(request, changes[place])
            request.success.append(wire.put(notice, b""))
            yield request

    made: dict[int, int] = {}
    refused: TxnAnswer | None = None
    answers = lane.call_many("Txn", requests(), deadline)
    for part, answer in zip(parts, answers, strict=True):
        if not answer.succeeded:
            refused = answer
            continue
        revision = answer.header.revision
        for place, response in zip(part, answer.responses, strict=False):
            if response.response_txn.succeeded:
                made[place] = revision
    return Written(made, refused)


def current(
    lane: Lane, deadline: Deadline, keys: Mapping[int, bytes]
) -> dict[int, ClaimRow | None]:
    """Each claim as it is now; None where there is none. Linearizable."""
    places = list(keys)
    size = wire.KEYS_PER_REQUEST
    parts = [places[start : start + size] for start in range(0, len(places), size)]
    requests = (wire.txn([], [wire.read(keys[place]) for place in part]) for part in parts)
    found: dict[int, ClaimRow | None] = {}
    for part, answer in zip(parts, lane.call_many("Txn", requests, deadline), strict=True):
        for place, response in zip(part, answer.responses, strict=True):
            kvs = response.response_range.kvs
            found[place] = claim_row(kvs[0]) if kvs else None
    return found


def _parts(changes: Mapping[int, Change]) -> Iterator[list[int]]:
    """Places in parts that fit a request; a key that is asked for again comes in another."""
    part: list[int] = []
    keys: set[bytes] = set()
    weight = 0
    for place, change in changes.items():
        value = change.value
        size = len(value) if value is not None else 0
        full = len(part) == wire.KEYS_PER_REQUEST or weight + size > _BYTES_PER_REQUEST
        if part and (full or change.key in keys):
            yield part
            part, keys, weight = [], set(), 0
        part.append(place)
        keys.add(change.key)
        weight += size
    if part:
        yield part
