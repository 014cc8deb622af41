"""The items of a group: their keys, their attributes, and the values that they stand for.

Owns the form of what is stored. Knows no request and no rule. All items of a group have its name as
partition key; the sort key tells them apart, and its first letter puts in one row what one query
reads: claims and members' records first, which are large and rarely read, then all that is polled.

| sort key | attributes | |
|---|---|---|
| `c#role#generation#shard#seat` | `own`, `tok`, `note` | no `own`: released |
| `d#name` | `sid`, `v`, `inc`, `rec` | the record of a live member |
| `m#name` | `sid`, `v`, `n`, `k`, `k0`, `lg`, `req`, `expires` | no `sid`: its session is over |
| `n#` | `n`, `lg` | changes of claims that no session made |
| `r#role` | `rec`, `ver`, `gen`, `req` | |
| `s#session` | `nm`, `seq`, `life`, `beat` | gone: the session is dead, for ever |

`n` counts changes of any kind, `k` numbers the transactions that changed claims (`k0`: where it
began), `lg` tells what the latest of them did (`changes.py`), `req` is the nonce of the last
request (`pen.py`, `life.py`), `v` is the number of the member's
record, so that nobody reads a record twice. Attribute names are short because
every byte is read in every poll; none is a reserved word of DynamoDB.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from coord.codec import key_of
from coord.model import ClaimKey

__all__ = [
    "GENERATION_MOST",
    "POLLED_FROM",
    "REST",
    "Item",
    "MemberItem",
    "RecordItem",
    "RestItem",
    "RoleItem",
    "SessionItem",
    "Stored",
    "claim_of",
    "claim_sk",
    "expires",
    "first_token",
    "member_of",
    "member_sk",
    "number",
    "record_of",
    "record_sk",
    "rest_of",
    "role_of",
    "role_sk",
    "seed",
    "session_of",
    "session_sk",
    "text",
]

Item = Mapping[str, Any]
"""An item, or its key, as DynamoDB's protocol has it: {"sk": {"S": "…"}, "n": {"N": "1"}}."""

REST = "n#"
POLLED_FROM = "m"
"""What views and watches read: all sort keys from `m` on."""

_CLAIM, _RECORD, _MEMBER, _ROLE, _SESSION = "c#", "d#", "m#", "r#", "s#"
_GENERATION_BITS = 40
GENERATION_MOST = (1 << (63 - _GENERATION_BITS)) - 1
"""Its tokens still have 63 bits."""
_COUNTER_MOST = (1 << _GENERATION_BITS) - (1 << 32)  # leaves room for four billion tenures
_EPOCH_S = 1_577_836_800  # 2020-01-01
_DAY_S = 86_400


class Stored(NamedTuple):
    """A claim as it is stored. `owner` may be dead; then the claim is free all the same."""

    token: int
    owner: str | None
    note: str


class MemberItem(NamedTuple):
    """A name, the session that has it (None: nobody), and its counters."""

    name: str
    session: str | None
    version: int
    changes: int
    claims: int
    claims_from: int
    log: str
    request: str


class RecordItem(NamedTuple):
    """What a live member says of itself, as text; `version` is that of its item."""

    session: str
    version: int
    incarnation: str
    record: str


class RestItem(NamedTuple):
    """The counter of changes that no session made (0: none yet), and their log."""

    changes: int = 0
    log: str = ""


class RoleItem(NamedTuple):
    """A role's record as text."""

    name: str
    record: str
    version: int
    generation: int
    request: str


class SessionItem(NamedTuple):
    """A live session."""

    session: str
    member: str
    seq: int
    ttl_s: float
    beacon: bytes


def text(value: str) -> Item:
    """A string, as the protocol has it."""
    return {"S": value}


def number(value: float) -> Item:
    """A number, as the protocol has it."""
    return {"N": repr(value)}


def claim_sk(key: ClaimKey) -> str:
    """Where a claim is."""
    return f"{_CLAIM}{key.role}#{key.generation}#{key.shard}#{key.seat}"


def member_sk(name: str) -> str:
    """Where a member's name is."""
    return _MEMBER + name


def record_sk(name: str) -> str:
    """Where a live member's record is."""
    return _RECORD + name


def role_sk(name: str) -> str:
    """Where a role's record is."""
    return _ROLE + name


def session_sk(session: str) -> str:
    """Where a session is, while it lives."""
    return _SESSION + session


def claim_of(item: Item) -> tuple[ClaimKey, Stored] | None:
    """The claim that an item holds; None if it holds none that this release can read."""
    key = key_of(_s(item, "sk").removeprefix(_CLAIM), "#")
    if key is None or not _s(item, "sk").startswith(_CLAIM):
        return None
    return key, Stored(_n(item, "tok"), _s(item, "own") or None, _s(item, "note"))


def member_of(item: Item) -> MemberItem | None:
    """The name that an item holds, or None."""
    sk = _s(item, "sk")
    if not sk.startswith(_MEMBER):
        return None
    return MemberItem(
        name=sk.removeprefix(_MEMBER),
        session=_s(item, "sid") or None,
        version=_n(item, "v"),
        changes=_n(item, "n"),
        claims=_n(item, "k"),
        claims_from=_n(item, "k0"),
        log=_s(item, "lg"),
        request=_s(item, "req"),
    )


def record_of(item: Item) -> RecordItem | None:
    """The member's record that an item holds, or None."""
    if not _s(item, "sk").startswith(_RECORD):
        return None
    return RecordItem(_s(item, "sid"), _n(item, "v"), _s(item, "inc"), _s(item, "rec"))


def rest_of(item: Item) -> RestItem:
    """What the item of changes by no session holds, if it is there."""
    return RestItem(_n(item, "n"), _s(item, "lg"))


def role_of(item: Item) -> RoleItem | None:
    """The role that an item holds, or None."""
    sk = _s(item, "sk")
    if not sk.startswith(_ROLE):
        return None
    name = sk.removeprefix(_ROLE)
    version, generation = _n(item, "ver"), _n(item, "gen")
    return RoleItem(name, _s(item, "rec"), version, generation, _s(item, "req"))


def session_of(item: Item) -> SessionItem | None:
    """The live session that an item holds, or None."""
    sk = _s(item, "sk")
    if not sk.startswith(_SESSION):
        return None
    return SessionItem(
        session=sk.removeprefix(_SESSION),
        member=_s(item, "nm"),
        seq=_n(item, "seq"),
        ttl_s=float(item.get("life", {}).get("N", 0.0)),
        beacon=bytes(item.get("beat", {}).get("B", b"")),
    )


def seed() -> int:
    """Where a counter begins that has no past: milliseconds since 2020.

    So that counters whose item was deleted go on above where they were (`docs/stores/dynamodb.md`
    says what that takes for granted). No ownership is decided by it.
    """
    now_s = time.time()  # noqa: TID251  only to begin above what was deleted; nobody compares it
    return min(max(1, int((now_s - _EPOCH_S) * 1000)), _COUNTER_MOST)


def first_token(generation: int) -> int:
    """The first token of a key: above all tokens of older generations."""
    return (generation << _GENERATION_BITS) + seed()


def expires() -> Item:
    """When DynamoDB may delete what nobody needs any more: a day from now."""
    now_s = int(time.time())  # noqa: TID251  garbage only; nothing is decided by it
    return number(now_s + _DAY_S)


def _s(item: Item, name: str) -> str:
    value: str = item.get(name, {}).get("S", "")
    return value


def _n(item: Item, name: str) -> int:
    return int(item.get(name, {}).get("N", 0))
