"""What goes over the wire: transactions, and many reads in one.

Owns the bytes of two requests and of their answers. A transaction of ours is built from operations
that are encoded already. A multi-read (since ZooKeeper 3.6; kazoo has none) costs a twentieth of as
many single reads in Python, and shows one moment: servers let no write through while they answer a
read (`CommitProcessor`). A server leaves the stat of a created node out of a transaction's answer,
so what wants to know the number of its transaction writes some node in it: `zxid_of`. Sends
nothing.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

__all__ = [
    "BAD_VERSION",
    "INVALID_ACL",
    "NODE_EXISTS",
    "NO_AUTH",
    "NO_NODE",
    "Multi",
    "MultiRead",
    "Node",
    "Op",
    "Reading",
    "Refused",
    "Stat",
    "check",
    "children_of",
    "create",
    "data_of",
    "delete",
    "number",
    "refusal",
    "set_data",
    "zxid_of",
]

_CREATE, _DELETE, _GET_DATA, _SET_DATA, _GET_CHILDREN, _CHECK = 1, 2, 4, 5, 8, 13
_ERROR = -1
_EPHEMERAL = 1

NO_NODE, NO_AUTH, BAD_VERSION, NODE_EXISTS, INVALID_ACL = -101, -102, -103, -110, -114

_INT = struct.Struct("!i")
_HEADER = struct.Struct("!iBi")
_STAT = struct.Struct("!qqqqiiiqiiq")
_END = _HEADER.pack(_ERROR, 1, -1)


class Stat(NamedTuple):
    """What ZooKeeper says about a node. `owner` is the session of an ephemeral one, else 0."""

    czxid: int
    mzxid: int
    ctime: int
    mtime: int
    version: int
    cversion: int
    aversion: int
    owner: int
    length: int
    children: int
    pzxid: int


class Node(NamedTuple):
    """A node as it was read."""

    data: bytes
    stat: Stat


class Op(NamedTuple):
    """One operation, ready to be sent."""

    type: int
    body: bytes


class Refused(NamedTuple):
    """A multi that changed nothing: the operation that could not be done, and why (a code)."""

    at: int
    code: int


Reading = Node | list[str] | int
"""What one read of a multi-read gave: a node, names, or the code of an error."""


def create(path: str, data: bytes, acl: bytes, *, ephemeral: bool = False) -> Op:
    """Make a node. `acl` is the encoded list."""
    flags = _INT.pack(_EPHEMERAL if ephemeral else 0)
    return Op(_CREATE, _text(path) + _INT.pack(len(data)) + data + acl + flags)


def delete(path: str, version: int = -1) -> Op:
    """Remove a node, at that version or at any."""
    return Op(_DELETE, _text(path) + _INT.pack(version))


def set_data(path: str, data: bytes, version: int = -1) -> Op:
    """Write a node, at that version or at any."""
    return Op(_SET_DATA, _text(path) + _INT.pack(len(data)) + data + _INT.pack(version))


def check(path: str, version: int = -1) -> Op:
    """Go on only if the node is there, at that version or at any."""
    return Op(_CHECK, _text(path) + _INT.pack(version))


def data_of(path: str) -> Op:
    """Read a node."""
    return Op(_GET_DATA, _text(path) + b"\0")


def children_of(path: str) -> Op:
    """Read the names of a node's children."""
    return Op(_GET_CHILDREN, _text(path) + b"\0")


class _Batch:
    """Several operations as one request, in the form in which kazoo sends requests."""

    def __init__(self, ops: Sequence[Op]) -> None:
        self.ops = ops

    def serialize(self) -> bytes:
        """The request's body."""
        parts = [_HEADER.pack(op.type, 0, -1) + op.body for op in self.ops]
        parts.append(_END)
        return b"".join(parts)


class Multi(_Batch):
    """All of the operations, or none."""

    type = 14

    @staticmethod
    def deserialize(data: bytes, offset: int) -> list[Stat | Refused | None]:
        """What was written, None where there is nothing to say; or one `Refused`."""
        results: list[Stat | Refused | None] = []
        while True:
            kind, done, _ = _HEADER.unpack_from(data, offset)
            offset += _HEADER.size
            if done:
                return results
            if kind == _ERROR:
                (code,) = _INT.unpack_from(data, offset)
                offset += _INT.size
                if code:
                    return [Refused(len(results), code)]
                results.append(None)
                continue
            if kind == _SET_DATA:
                results.append(Stat._make(_STAT.unpack_from(data, offset)))
                offset += _STAT.size
                continue
            if kind == _CREATE:
                (length,) = _INT.unpack_from(data, offset)
                offset += _INT.size + length
            results.append(None)


class MultiRead(_Batch):
    """Several reads of one moment; each succeeds or fails by itself."""

    type = 22

    @staticmethod
    def deserialize(data: bytes, offset: int) -> list[Reading]:
        """One reading an operation, in order."""
        results: list[Reading] = []
        while True:
            kind, done, _ = _HEADER.unpack_from(data, offset)
            offset += _HEADER.size
            if done:
                return results
            (value,) = _INT.unpack_from(data, offset)
            offset += _INT.size
            if kind == _ERROR:
                results.append(value)
            elif kind == _GET_DATA:
                end = offset + max(value, 0)
                found = bytes(data[offset:end])
                results.append(Node(found, Stat._make(_STAT.unpack_from(data, end))))
                offset = end + _STAT.size
            else:
                names: list[str] = []
                for _ in range(value):
                    (length,) = _INT.unpack_from(data, offset)
                    offset += _INT.size
                    names.append(data[offset : offset + length].decode())
                    offset += length
                results.append(names)


def refusal(results: Sequence[Stat | Refused | None]) -> Refused | None:
    """Why the multi changed nothing; None if it was done."""
    first = results[0] if results else None
    return first if isinstance(first, Refused) else None


def zxid_of(results: Sequence[Stat | Refused | None]) -> int:
    """The number of a transaction that was done and wrote a node; 0 if it tells none."""
    return next((one.mzxid for one in results if isinstance(one, Stat)), 0)


def number(value: int) -> bytes:
    """An int as requests carry it."""
    return _INT.pack(value)


def _text(text: str) -> bytes:
    raw = text.encode()
    return _INT.pack(len(raw)) + raw
