"""What nodes say, read forgivingly.

Owns the texts of members', sessions' and claims' nodes. Sends nothing. What cannot be read gives
nothing away: such a claim is not shown, and a first claim of its key is refused by the node in
`keys`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from coord.codec import member_of, note_of
from coord.model import Claim, LiveMember, MemberRecord, Note
from coord_zookeeper.layout import named_key
from coord_zookeeper.requests import Node

__all__ = [
    "ClaimNode",
    "MemberNode",
    "claim_node",
    "claim_text",
    "member_data",
    "member_node",
    "session_data",
    "session_seq",
    "unheld",
]

_MEMBER_WORDS = 3
_CLAIM_WORDS = 2
_NOBODY = "-"


class ClaimNode(NamedTuple):
    """The one node that holds a key, as it was written: it never changes.

    `number` counts the key's changes; `claim` is what a view shows while the holder lives.
    """

    name: str
    number: int
    claim: Claim


class MemberNode(NamedTuple):
    """A member's node: whose session it is, and what it says of itself."""

    sid: str
    incarnation: str
    member: LiveMember


def claim_node(name: str, node: Node) -> ClaimNode | None:
    """Read a claim; None if this release cannot."""
    named = named_key(name)
    head, _, note = node.data.partition(b"\n")
    words = head.split()
    if named is None or len(words) < _CLAIM_WORDS or not words[1].isdigit():
        return None
    key, number = named
    sid = words[0].decode(errors="replace")
    token = int(words[1]) or node.stat.czxid
    return ClaimNode(
        name, number, Claim(key, token, None if sid == _NOBODY else sid, note_of(note))
    )


def claim_text(claim: Claim, note: str, *, fresh: bool = False) -> bytes:
    """What `claim_node` reads back. `fresh`: its token will be the new node's own czxid."""
    return f"{claim.session or _NOBODY} {0 if fresh else claim.token}\n{note}".encode()


def unheld(claim: Claim) -> Claim:
    """What a view shows once the holder's session is over: free and unclean."""
    return replace(claim, session=None, note=_unclean(claim.note))


@lru_cache(maxsize=4096)
def _unclean(note: Note) -> Note:
    return replace(note, clean=False)


def session_data(seq: int) -> bytes:
    """What `session_seq` reads back."""
    return str(seq).encode()


def session_seq(data: bytes) -> int:
    """The number of the heartbeat that landed last; 0 if it cannot be read."""
    return int(data) if data.isdigit() else 0


def member_data(sid: str, ttl_s: float, record: MemberRecord) -> bytes:
    """What `member_node` reads back."""
    return f"{sid} {record.incarnation} {round(ttl_s * 1000)}\n{record.to_json()}".encode()


def member_node(name: str, data: bytes) -> MemberNode | None:
    """Read the member that is called `name`; None if this release cannot."""
    head, _, text = data.decode(errors="replace").partition("\n")
    words = head.split(" ")
    if len(words) < _MEMBER_WORDS or not words[2].isdigit():
        return None
    sid, incarnation, ttl_ms = words[:_MEMBER_WORDS]
    record = member_of(text, name, incarnation)
    member = LiveMember(session=sid, record=record, ttl_s=int(ttl_ms) / 1000, seq=0)
    return MemberNode(sid, incarnation, member)
