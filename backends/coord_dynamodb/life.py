"""How sessions begin and end, and the records of members and roles.

Owns the conditions of these writes. Knows no claim. Rules:

- A session lives while its item is there. Ending deletes the item, and session ids are never used
  again, so dead is for ever: a late heartbeat finds nothing to renew, and makes nothing
  (`a_heartbeat_that_lands_late_resurrects_nobody` of the conformance suite).
- The member's item names the session, in the same transactions. Whatever a session writes besides
  heartbeats is conditional on that name (`pen.py`).
- Evicting is conditional on the heartbeat number that the peer has watched; how long it has is
  the core's business (`coord.core.peers`). A stale read shows an older number, and fails.
- `n` grows with each change, so a condition on it holds once: an opening that was held on its way
  cannot land on a later state.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import Any, NamedTuple

from coord.codec import note_text
from coord.errors import (
    Certainty,
    ConfigError,
    DuplicateMember,
    StoreConflict,
    StoreError,
    StoreUnavailable,
)
from coord.model import MemberRecord, RoleRecord
from coord.spi import Observed, Tenure
from coord_dynamodb.changes import Change, log_of
from coord_dynamodb.failures import Cancelled, ConditionFailed
from coord_dynamodb.group import Action, Group
from coord_dynamodb.items import (
    GENERATION_MOST,
    REST,
    Item,
    MemberItem,
    RestItem,
    Stored,
    claim_sk,
    expires,
    member_of,
    member_sk,
    number,
    record_of,
    record_sk,
    rest_of,
    role_of,
    role_sk,
    seed,
    session_of,
    session_sk,
    text,
)
from coord_dynamodb.link import Deadline
from coord_dynamodb.pen import lost

__all__ = ["Begun", "begin", "depose", "end", "evict", "put_role", "renew", "update"]

_ONE = number(1)
_REST_LOG_BYTES = 1024  # it stays, and each poll reads it


class Begun(NamedTuple):
    """A session that has begun, and the number of the last transaction of its name."""

    session: str
    last: int


def begin(group: Group, record: MemberRecord, ttl_s: float, deadline: Deadline) -> Begun:
    """Make a member live, ending a former session of the same incarnation, or a dead one.

    Raises DuplicateMember (not applied) for a live session of another incarnation.
    """
    tried: set[str] = set()
    while True:
        sitting = _member(group, record.name, deadline)
        if sitting is not None and sitting.session in tried and _lives(group, sitting, deadline):
            return Begun(str(sitting.session), sitting.claims)  # an answer that got lost
        session = secrets.token_hex(12)  # another one each time: one that was tried may be dead
        tried.add(session)
        former = _former(group, sitting, record, deadline)
        last = sitting.claims if sitting is not None else seed()
        actions = [
            _named(group, sitting, record.name, session, last),
            group.put(record_sk(record.name), _told(session, 0, record)),
            group.put(
                session_sk(session),
                {"nm": text(record.name), "seq": number(0), "life": number(ttl_s)},
                when="attribute_not_exists(pk)",
            ),
        ]
        if former is not None:
            actions.append(group.delete(session_sk(former)))
        try:
            group.transact(actions, deadline)
        except Cancelled:
            continue  # somebody was quicker: look again
        return Begun(session, last)


def _lives(group: Group, sitting: MemberItem, deadline: Deadline) -> bool:
    """Whether the session's own item shows, too: Amazon shows the items of a transaction one by one
    as long as it is not acknowledged. A session that claims before others can see that it lives
    would be taken for dead.
    """
    return bool(sitting.session and group.read(session_sk(sitting.session), deadline))


def _former(
    group: Group, sitting: MemberItem | None, record: MemberRecord, deadline: Deadline
) -> str | None:
    """The session whose place is taken, if its item may still be there."""
    if sitting is None or sitting.session is None:
        return None
    known = record_of(group.read(record_sk(record.name), deadline))
    ours = known is not None and known.incarnation == record.incarnation
    if not ours and group.read(session_sk(sitting.session), deadline):
        raise DuplicateMember(
            f"member {record.name!r} is live in group {group.name!r} with another incarnation",
            session=sitting.session,
            cure="Give each process its own member name, or wait for the old one to expire.",
        )
    return sitting.session


def _named(group: Group, sitting: MemberItem | None, name: str, session: str, last: int) -> Action:
    """The member's item names this session from now on."""
    if sitting is None:
        item = {"sid": text(session), "v": number(0)}
        counters = {"n": number(last), "k": number(last), "k0": number(last)}
        return group.put(member_sk(name), {**item, **counters}, when="attribute_not_exists(pk)")
    return group.update(
        member_sk(name),
        "SET sid = :sid, v = :v, n = n + :one REMOVE lg, expires",
        when="n = :n",
        values={
            ":sid": text(session),
            ":v": number(0),
            ":one": _ONE,
            ":n": number(sitting.changes),
        },
    )


def _told(session: str, version: int, record: MemberRecord) -> Item:
    """What the member says of itself, as it is stored."""
    return {
        "sid": text(session),
        "v": number(version),
        "inc": text(record.incarnation),
        "rec": text(record.to_json()),
    }


def renew(group: Group, session: str, seq: int, beacon: bytes, deadline: Deadline) -> None:
    """One heartbeat. Repeating it is harmless. Raises SessionLost."""
    values = {":n": number(seq)}
    change = "SET seq = :n REMOVE beat"
    if beacon:
        values[":b"] = {"B": beacon}
        change = "SET seq = :n, beat = :b"
    action = group.update(
        session_sk(session), change, when="attribute_exists(pk) AND seq <= :n", values=values
    )
    try:
        group.write(action, deadline)
    except ConditionFailed:
        raise lost(session) from None


def update(
    group: Group, session: str, version: int, record: MemberRecord, deadline: Deadline
) -> None:
    """Replace a member's record by its next `version`. Raises SessionLost."""
    told = group.put(record_sk(record.name), _told(session, version, record))
    counted = group.update(
        member_sk(record.name),
        "SET v = :v, n = n + :one",
        when="sid = :me AND v < :v",
        values={":v": number(version), ":one": _ONE, ":me": text(session)},
    )
    try:
        group.transact([counted, told], deadline)
    except Cancelled as answer:
        found = member_of(answer.item(0)) if answer.item(0) else None
        if found is None or found.session != session:
            raise lost(session) from None
        # else: an answer of ours that got lost


def end(group: Group, session: str, name: str, deadline: Deadline) -> None:
    """End a session by its own wish; no error if it is over."""
    try:
        group.transact(
            [group.delete(session_sk(session)), *_vacated(group, session, name)], deadline
        )
    except Cancelled:
        return  # the member's item names another session, or none: this one is over


def evict(group: Group, observed: Observed, deadline: Deadline) -> bool:
    """End a session for a peer, if it has not moved since it was observed."""
    sk = session_sk(observed.session)
    found = session_of(group.read(sk, deadline))
    if found is None:
        return True
    if found.seq != observed.seq:
        return False
    seen = {":seen": number(observed.seq)}
    gone = group.delete(sk, when="seq = :seen", values=seen)
    try:
        group.transact([gone, *_vacated(group, observed.session, found.member)], deadline)
    except Cancelled as answer:
        if answer.failed(0):
            return not answer.item(0)
    else:
        return True
    # Only its item was left, which no write of ours does: somebody has edited the table.
    try:
        group.write(gone, deadline)
    except ConditionFailed:
        return not group.read(sk, deadline)
    return True


def _vacated(group: Group, session: str, name: str) -> list[Action]:
    """The member's item names nobody, and may be deleted some day; its record goes at once."""
    item = group.update(
        member_sk(name),
        "SET n = n + :one, expires = :day REMOVE sid",
        when="sid = :me",
        values={":one": _ONE, ":day": expires(), ":me": text(session)},
    )
    return [item, group.delete(record_sk(name))]


def depose(group: Group, tenure: Tenure, deadline: Deadline) -> None:
    """Take one tenure away from its holder, if it is still the one that is meant."""
    freed = group.update(
        claim_sk(tenure.key),
        "SET note = :note REMOVE own",
        when="tok = :t AND attribute_exists(own)",
        values={":note": text(note_text(tenure.note)), ":t": number(tenure.token)},
    )
    change = Change(tenure.key, Stored(tenure.token, None, note_text(tenure.note)))
    while True:
        told = _logged(rest_of(group.read(REST, deadline)), change)
        try:
            group.transact([freed, group.put(REST, **told)], deadline)
        except Cancelled as answer:
            if answer.failed(0):
                return  # not held under that token
        else:
            return  # else: somebody else has deposed meanwhile


def _logged(rest: RestItem, change: Change) -> dict[str, Any]:
    """The item of changes by no session after one more, if it is as it was read."""
    this = rest.changes + 1 if rest.changes else seed()
    log = log_of(rest.log, upto=this - 1).with_entry(this, [change], _REST_LOG_BYTES)
    item = {"n": number(this), "lg": text(log.text())}
    if not rest.changes:
        return {"item": item, "when": "attribute_not_exists(pk)"}
    return {"item": item, "when": "n = :was", "values": {":was": number(rest.changes)}}


def put_role(group: Group, record: RoleRecord, deadline: Deadline) -> RoleRecord:
    """Write a role's record if the stored one has the version that was read.

    Raises ConfigError for a generation whose tokens would have more than 63 bits
    (`test_a_generation_whose_tokens_would_be_too_long_is_refused`).
    """
    if record.generation > GENERATION_MOST:
        raise ConfigError(
            f"role {record.name!r} has generation {record.generation}",
            cure=f"This store counts to {GENERATION_MOST}: give the role another name.",
        )
    version = record.version + 1 if record.version else seed()
    request = secrets.token_hex(8)
    item = {
        "rec": text(record.to_json()),
        "ver": number(version),
        "gen": number(record.generation),
        "req": text(request),
    }
    when, values = "attribute_not_exists(pk)", {}
    if record.version:
        when, values = "ver = :v", {":v": number(record.version)}
    try:
        group.write(group.put(role_sk(record.name), item, when=when, values=values), deadline)
    except ConditionFailed as answer:
        stored = role_of(group.read(role_sk(record.name), deadline))
        if stored is None or stored.request != request:  # else: an answer that got lost
            raise _overtaken(record, stored.version if stored else 0, answer) from None
    return replace(record, version=version)


def _overtaken(record: RoleRecord, version: int, answer: ConditionFailed) -> StoreError:
    cause = f"role {record.name!r} is at version {version}, not {record.version}"
    cure = "Read the view again and decide anew."
    if answer.doubtful:  # perhaps ours was applied, and another write followed it
        return StoreUnavailable(cause, cure=cure, certainty=Certainty.UNKNOWN)
    return StoreConflict(cause, cure=cure)


def _member(group: Group, name: str, deadline: Deadline) -> MemberItem | None:
    return member_of(group.read(member_sk(name), deadline))
