"""Requests to etcd, in its own messages, and the parts of its answers that we read.

Owns the spelling. Sends nothing. A transaction of etcd counts nested operations: an outer one of
`KEYS_PER_REQUEST` leaves each nested one eight of the 128 that a server allows by default.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import etcd3.etcdrpc as rpc
from etcd3.etcdrpc import kv_pb2

from coord_etcd.records import KeyValue

__all__ = [
    "DELETE",
    "KEYS_PER_REQUEST",
    "Change",
    "Header",
    "Message",
    "RangeAnswer",
    "TxnAnswer",
    "add",
    "at_revision",
    "get",
    "on_lease",
    "put",
    "read",
    "txn",
]

KEYS_PER_REQUEST = 120

Message = Any
"""A message of etcd's protocol; its classes are generated and have no types."""

DELETE: int = kv_pb2.Event.DELETE
"""The type of an event that tells of a deletion."""

_EQUAL = rpc.Compare.EQUAL
_NOT_EQUAL = rpc.Compare.NOT_EQUAL
_GREATER = rpc.Compare.GREATER
_LESS = rpc.Compare.LESS
_CREATE = rpc.Compare.CREATE
_MOD = rpc.Compare.MOD
_LEASE = rpc.Compare.LEASE
_VALUE = rpc.Compare.VALUE


class Header(Protocol):
    """Who answered, at which revision, in which term of the cluster's own election."""

    @property
    def cluster_id(self) -> int:
        """Which cluster."""
        ...

    @property
    def member_id(self) -> int:
        """Which of its members."""
        ...

    @property
    def revision(self) -> int:
        """The revision of its data."""
        ...

    @property
    def raft_term(self) -> int:
        """The number of its leader's term."""
        ...


class RangeAnswer(Protocol):
    """Keys that were read."""

    header: Header
    kvs: Sequence[KeyValue]
    more: bool
    count: int


class TxnAnswer(Protocol):
    """What a transaction did; `responses` are those of the branch that was taken."""

    header: Header
    succeeded: bool
    responses: Sequence[Any]


class Change(NamedTuple):
    """One write of one claim and its conditions, all of which must hold.

    The key is at `mod_revision` (0: there is none); `gone`, if given, does not exist; the value
    lies between the two of `owned`, if given. `value` None deletes the key.
    """

    key: bytes
    mod_revision: int
    value: bytes | None
    gone: bytes = b""
    alive: bytes = b""
    owned: tuple[bytes, bytes] | None = None


def get(key: bytes, end: bytes = b"", **settings: int) -> Message:
    """Read a key or a range, linearizably."""
    return rpc.RangeRequest(key=key, range_end=end, **settings)


def put(key: bytes, value: bytes, lease: int = 0, **settings: bool) -> Message:
    """Write a key."""
    request = rpc.PutRequest(key=key, value=value, lease=lease, **settings)
    return rpc.RequestOp(request_put=request)


def read(key: bytes, end: bytes = b"", **settings: int) -> Message:
    """Read within a transaction."""
    return rpc.RequestOp(request_range=get(key, end, **settings))


def txn(
    conditions: Sequence[Message],
    success: Iterable[Message],
    failure: Sequence[Message] = (),
) -> Message:
    """A transaction."""
    return rpc.TxnRequest(compare=conditions, success=success, failure=failure)


def at_revision(key: bytes, revision: int) -> Message:
    """The key was written last at `revision`; 0: it does not exist."""
    return rpc.Compare(result=_EQUAL, target=_MOD, key=key, mod_revision=revision)


def on_lease(key: bytes, lease: int) -> Message:
    """The key exists and hangs on this lease."""
    return rpc.Compare(result=_EQUAL, target=_LEASE, key=key, lease=lease)


def add(transaction: Message, change: Change) -> None:
    """Let a transaction make a change, or not, by itself.

    Built in place: a message that is handed to another's constructor is copied, which takes four
    times as long (8 us a key instead of 2).
    """
    key, revision, value, gone, alive, owned = change
    nested = transaction.success.add().request_txn
    compare = nested.compare.add
    compare(target=_MOD, key=key, mod_revision=revision)
    if gone:
        compare(target=_CREATE, key=gone, create_revision=0)
    if alive:
        compare(result=_NOT_EQUAL, target=_CREATE, key=alive, create_revision=0)
    if owned is not None:
        above, below = owned
        compare(result=_GREATER, target=_VALUE, key=key, value=above)
        compare(result=_LESS, target=_VALUE, key=key, value=below)
    operation = nested.success.add()
    if value is None:
        operation.request_delete_range.key = key
    else:
        put_request = operation.request_put
        put_request.key = key
        put_request.value = value
