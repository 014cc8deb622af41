"""What the values of etcd's keys say, read forgivingly.

Owns the texts of member records and claims. Speaks to no server. A text that this release cannot
read must not keep anybody from the view: a member is then shown as one that serves no role, and a
claim as one that nobody may take, since a release that we do not know may hold it.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import NamedTuple, Protocol

from coord.codec import member_of, note_of, note_text
from coord.model import LiveMember, MemberRecord, Note
from coord_etcd.keys import session_of

__all__ = [
    "UNREADABLE",
    "ClaimRow",
    "KeyValue",
    "claim_row",
    "claim_value",
    "incarnation_in",
    "live_member",
    "member_value",
    "owned_by",
    "unclean",
]

UNREADABLE = "?"
_FREE = b"-"


class KeyValue(Protocol):
    """etcd's own message."""

    key: bytes
    value: bytes
    lease: int
    version: int
    create_revision: int
    mod_revision: int


class ClaimRow(NamedTuple):
    """A claim as stored. `owner` is the session that it was given to, dead or not; "" if none."""

    mod_revision: int
    owner: str
    token: int
    note: bytes


def claim_value(owner: str, token: int, note: Note) -> bytes:
    """The text of a claim. `token` 0: the revision of this very write, which is not known yet."""
    return b"%b %d %b" % (owner.encode() or _FREE, token, note_text(note).encode())


def owned_by(owner: str) -> tuple[bytes, bytes]:
    """The texts of claims of `owner` are above the first and below the second."""
    return owner.encode() + b" ", owner.encode() + b"!"


def claim_row(kv: KeyValue) -> ClaimRow:
    """Read what `claim_value` wrote."""
    revision = kv.mod_revision
    try:
        owner, token, note = kv.value.split(b" ", 2)
        return ClaimRow(
            revision, "" if owner == _FREE else owner.decode(), int(token) or revision, note
        )
    except ValueError:
        return ClaimRow(revision, UNREADABLE, revision, b"")


@lru_cache(maxsize=4096)
def unclean(note: bytes) -> Note:
    """The note of a claim whose holder has died."""
    read = note_of(note)
    return Note(
        member=read.member,
        clean=False,
        lock_delay_s=read.lock_delay_s,
        poison_s=read.poison_s,
        endings=read.endings,
    )


def member_value(record: MemberRecord, ttl_s: float) -> bytes:
    """The text of a member: what others must know of its session, and its record."""
    envelope = {"incarnation": record.incarnation, "ttl_s": ttl_s, "record": record.to_json()}
    return json.dumps(envelope, separators=(",", ":")).encode()


def live_member(kv: KeyValue, name: str) -> LiveMember:
    """Read what `member_value` wrote. The session is the lease that the key hangs on."""
    incarnation, ttl_s, record = _envelope(kv.value)
    return LiveMember(
        session=session_of(kv.lease),
        record=member_of(record, name, incarnation),
        ttl_s=ttl_s,
        seq=0,
    )


def incarnation_in(value: bytes) -> str:
    """Which incarnation of a member wrote this text."""
    return _envelope(value)[0]


def _envelope(value: bytes) -> tuple[str, float, str]:
    try:
        raw = json.loads(value)
        return str(raw["incarnation"]), float(raw["ttl_s"]), str(raw["record"])
    except (ValueError, TypeError, LookupError):
        return "", 0.0, ""
