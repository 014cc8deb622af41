"""The nouns of a store as JSON, and back: what both ends of the wire agree on.

Owns that form, errors included. Knows no socket. Both ends are of one release: nothing is
versioned.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from coord.codec import member_of, note_of, note_text, role_of
from coord.errors import (
    Certainty,
    ConfigError,
    CoordError,
    DuplicateMember,
    InternalError,
    SessionLost,
    StoreConflict,
    StoreError,
    StoreRefused,
    UsageError,
)
from coord.model import Claim, ClaimKey, LiveMember, MemberRecord, RoleRecord, View
from coord.spi import Claimed, ClaimRequest, Expiry, Guarantees, Held, Tenure

__all__ = [
    "GUARANTEES",
    "answers_from",
    "answers_json",
    "error_from",
    "error_json",
    "member_from",
    "member_json",
    "requests_from",
    "requests_json",
    "role_from",
    "role_json",
    "same_from",
    "tenures_from",
    "tenures_json",
    "view_from",
    "view_json",
]

GUARANTEES = Guarantees(
    kind="memory",
    token_source="one counter for the whole server",  # noqa: S106  a fencing token
    expiry=Expiry.PROVEN,
    pushes_changes=True,
    peers_evict=False,
    batch_size=1000,
)
"""What the server promises to every handle."""

Row = list[Any]

_ERRORS: Mapping[str, type[CoordError]] = {
    kind.__name__: kind
    for kind in (ConfigError, UsageError, SessionLost, StoreConflict, StoreRefused)
}


# ---------------------------------------------------------------------------------------- records


def member_json(record: MemberRecord) -> Row:
    """A member's record."""
    return [record.to_json(), record.name, record.incarnation]


def member_from(row: Row) -> MemberRecord:
    """Reads `member_json`."""
    text, name, incarnation = row
    return member_of(text, name, incarnation)


def role_json(record: RoleRecord) -> Row:
    """A role's record."""
    return [record.to_json(), record.version]


def role_from(row: Row) -> RoleRecord:
    """Reads `role_json`."""
    text, version = row
    found = role_of(text, version)
    if found is None:
        raise InternalError(f"a role record that this release cannot read: {text!r}")
    return found


# ----------------------------------------------------------------------------------------- claims


def requests_json(requests: Sequence[ClaimRequest]) -> list[Row]:
    """What is to be claimed."""
    return [[*r.key, r.seen_token, r.role_version, note_text(r.note)] for r in requests]


def requests_from(rows: Sequence[Row]) -> tuple[ClaimRequest, ...]:
    """Reads `requests_json`."""
    return tuple(ClaimRequest(_key(row), row[4], row[5], note_of(row[6])) for row in rows)


def answers_json(answers: Sequence[Claimed | Held]) -> list[int]:
    """The token of each key that was given, 0 for each that was not."""
    return [answer.token if isinstance(answer, Claimed) else 0 for answer in answers]


def answers_from(tokens: Sequence[int], requests: Sequence[ClaimRequest]) -> list[Claimed | Held]:
    """Reads `answers_json`."""
    return [
        Claimed(request.key, token) if token else Held(request.key)
        for token, request in zip(tokens, requests, strict=True)
    ]


def tenures_json(tenures: Sequence[Tenure]) -> list[Row]:
    """What is to be released, amended or taken away."""
    return [[*tenure.key, tenure.token, note_text(tenure.note)] for tenure in tenures]


def tenures_from(rows: Sequence[Row]) -> tuple[Tenure, ...]:
    """Reads `tenures_json`."""
    return tuple(Tenure(_key(row), row[4], note_of(row[5])) for row in rows)


# ------------------------------------------------------------------------------------------ views


def view_json(view: View, *, revision: int, known: int) -> dict[str, Any]:
    """A view, or of one whose revision the other side knows only what heartbeats change."""
    if revision == known:
        seqs = {session: member.seq for session, member in view.members.items()}
        return {"revision": revision, "seqs": seqs}
    return {
        "revision": revision,
        "members": [
            [session, *member_json(one.record), one.ttl_s, one.seq]
            for session, one in view.members.items()
        ],
        "claims": [
            [*key, claim.token, claim.session, note_text(claim.note)]
            for key, claim in view.claims.items()
        ],
        "roles": [role_json(record) for record in view.roles.values()],
    }


def view_from(group: str, found: Mapping[str, Any]) -> View:
    """Reads a whole view."""
    roles = [role_from(row) for row in found["roles"]]
    return View(
        group=group,
        revision=found["revision"],
        members={row[0]: _live(row) for row in found["members"]},
        claims={claim.key: claim for claim in map(_claim, found["claims"])},
        roles={role.name: role for role in roles},
    )


def same_from(known: View, seqs: Mapping[str, int]) -> View:
    """A view of the same revision: the same object if no heartbeat came meanwhile."""
    if all(member.seq == seqs[session] for session, member in known.members.items()):
        return known
    return known.with_members(
        {session: replace(one, seq=seqs[session]) for session, one in known.members.items()}
    )


def _live(row: Row) -> LiveMember:
    session, text, name, incarnation, ttl_s, seq = row
    record = member_from([text, name, incarnation])
    return LiveMember(session=session, record=record, ttl_s=ttl_s, seq=seq)


def _key(row: Row) -> ClaimKey:
    return ClaimKey(row[0], row[1], row[2], row[3])


def _claim(row: Row) -> Claim:
    return Claim(_key(row), row[4], row[5], note_of(row[6]))


# ----------------------------------------------------------------------------------------- errors


def error_json(error: CoordError) -> dict[str, Any]:
    """An error as the other side shall raise it."""
    told: dict[str, Any] = {
        "error": type(error).__name__,
        "cause": error.cause,
        "cure": error.cure,
    }
    if isinstance(error, StoreError):
        told["certainty"] = error.certainty.value
    if isinstance(error, DuplicateMember):
        told["session"] = error.session
    return told


def error_from(told: Mapping[str, Any]) -> CoordError:
    """Reads `error_json`."""
    name, cause, cure = told["error"], told["cause"], told["cure"]
    if name == "DuplicateMember":
        return DuplicateMember(cause, session=told["session"], cure=cure)
    if name == "StoreRefused":
        return StoreRefused(cause, cure=cure, certainty=Certainty(told["certainty"]))
    kind = _ERRORS.get(name)
    return InternalError(f"{name}: {cause}") if kind is None else kind(cause, cure=cure)
