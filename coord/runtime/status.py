"""What a member, and a role, look like from outside: immutable snapshots.

Owns the shapes that `status()` and `observe()` give out. Each is true of one moment that is past
when the caller sees it; nothing here grants anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coord.model import ClaimKey, RoleRecord, View

if TYPE_CHECKING:
    from coord.runtime.engine import Engine

__all__ = ["Leader", "Leadership", "Status", "leadership_of", "status_of"]


@dataclass(frozen=True, slots=True)
class Leader:
    """Who held a claim, under which token."""

    member: str
    token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Leadership:
    """Who led a role at one moment, by (shard, seat); absent where nobody did."""

    role: str
    generation: int
    paused: bool
    leaders: Mapping[tuple[int, int], Leader]


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A member at one moment. `trusted_for_s` is 0 without a session."""

    member: str
    group: str
    store: str
    phase: str
    session: str | None
    trusted_for_s: float
    held: tuple[ClaimKey, ...]
    members: tuple[str, ...]
    last_trouble: str


def leadership_of(view: View, role: str) -> Leadership:
    """Read one role out of a view, with tokens as users see them."""
    record = view.roles.get(role)
    if record is None:
        return Leadership(role=role, generation=0, paused=False, leaders={})
    return Leadership(
        role=role,
        generation=record.generation,
        paused=record.paused,
        leaders=_leaders(view, record),
    )


def _leaders(view: View, record: RoleRecord) -> dict[tuple[int, int], Leader]:
    found = {}
    for key in record.claim_keys():
        claim = view.claims.get(key)
        holder = view.members.get(claim.session) if claim and claim.session else None
        if claim is not None and holder is not None:
            token = claim.token + record.token_base
            found[key.shard, key.seat] = Leader(holder.record.name, token)
    return found


def status_of(engine: Engine, *, member: str, group: str) -> Status:
    """Take a snapshot of one running member."""
    machine, view = engine.machine, engine.view
    lease = machine.member.keeper.lease
    live = view.members.values() if view is not None else ()
    return Status(
        member=member,
        group=group,
        store=machine.member.guarantees.kind,
        phase=machine.phase.name.lower(),
        session=machine.member.keeper.session,
        trusted_for_s=max(0.0, lease.trusted_until_s - engine.clock.now()),
        held=tuple(sorted(term.key for term in engine.crew.terms() if not term.told_over)),
        members=tuple(sorted(other.record.name for other in live)),
        last_trouble=engine.last_trouble,
    )
