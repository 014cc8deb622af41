"""Views made by hand: what a store would show, without a store. Knows no rule of the core."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from coord.model import Claim, ClaimKey, LiveMember, MemberRecord, Note, RoleRecord, Shape, View

__all__ = ["ROLE", "claim_of", "live", "record_of", "view_of"]

ROLE = "r"
_SHAPE = Shape(4, 1)


def live(
    name: str,
    shape: Shape = _SHAPE,
    *,
    zone: str = "",
    weight: float = 1.0,
    max_shards: int | None = None,
    draining: bool = False,
    stuck: tuple[ClaimKey, ...] = (),
    seq: int = 1,
    ttl_s: float = 10.0,
    expires_at_s: float | None = None,
    gone: bool = False,
    seen_at_s: float | None = None,
    session: str = "",
    role: str = ROLE,
) -> LiveMember:
    """A live member that serves `role` in `shape`; its session is named after it."""
    return LiveMember(
        session=session or f"s-{name}",
        record=MemberRecord(
            name=name,
            incarnation=f"i-{name}",
            zone=zone,
            weight=weight,
            max_shards=max_shards,
            draining=draining,
            roles={role: shape},
            stuck=stuck,
        ),
        ttl_s=ttl_s,
        seq=seq,
        expires_at_s=expires_at_s,
        gone=gone,
        seen_at_s=seen_at_s,
    )


def record_of(
    shape: Shape,
    *,
    preferred: tuple[str, ...] = (),
    generation: int = 1,
    paused: bool = False,
    pending: Shape | None = None,
    version: int = 1,
    token_base: int = 0,
    name: str = ROLE,
) -> RoleRecord:
    """A stored role record."""
    return RoleRecord(
        name=name,
        shape=shape,
        generation=generation,
        preferred=preferred,
        paused=paused,
        pending=pending,
        version=version,
        token_base=token_base,
    )


def claim_of(
    key: ClaimKey, session: str | None, *, token: int = 1, note: Note | None = None
) -> Claim:
    """A claim, held by `session` or free."""
    return Claim(key, token, session, note if note is not None else Note())


def view_of(
    members: Iterable[LiveMember],
    record: RoleRecord | None,
    held: Mapping[ClaimKey, str] | None = None,
    claims: Iterable[Claim] = (),
    *,
    revision: int = 1,
) -> View:
    """A view of one role; `held` maps claim keys to member names."""
    found = {key: claim_of(key, f"s-{name}") for key, name in (held or {}).items()}
    found.update({claim.key: claim for claim in claims})
    return View(
        group="g",
        revision=revision,
        members={member.session: member for member in members},
        claims=found,
        roles={record.name: record} if record is not None else {},
    )
