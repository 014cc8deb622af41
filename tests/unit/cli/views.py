"""Views of groups, put together by hand for tests of what reads them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from coord.model import (
    Claim,
    ClaimKey,
    Ending,
    EndingKind,
    LiveMember,
    MemberRecord,
    Note,
    RoleRecord,
    Shape,
    View,
)

ROLE = "r"


def role(shards: int = 1, seats: int = 1, **fields: object) -> RoleRecord:
    """The role "r"."""
    return RoleRecord(name=ROLE, shape=Shape(shards, seats), version=1, **fields)  # type: ignore[arg-type]


def member(name: str, shape: tuple[int, int] | None = (1, 1), **fields: object) -> LiveMember:
    """A member whose session has its name in capitals; `shape` None: it does not serve "r"."""
    live = {key: fields.pop(key) for key in ("expires_at_s", "gone") if key in fields}
    record = MemberRecord(
        name=name,
        incarnation=name,
        roles=MappingProxyType({ROLE: Shape(*shape)} if shape else {}),
        **fields,  # type: ignore[arg-type]
    )
    return LiveMember(session=name.upper(), record=record, ttl_s=10, seq=1, **live)  # type: ignore[arg-type]


def key(shard: int = 0, seat: int = 0, generation: int = 1) -> ClaimKey:
    """A claim key of "r"."""
    return ClaimKey(ROLE, generation, shard, seat)


def held(by: str, token: int = 1, *, at: ClaimKey | None = None, **note: object) -> Claim:
    """A claim held by the member of that name."""
    left = Note(member=by, clean=False, **note)  # type: ignore[arg-type]
    return Claim(at or key(), token, by.upper(), left)


def free(by: str = "a", token: int = 1, *, at: ClaimKey | None = None, **note: object) -> Claim:
    """A free claim that the member of that name held last."""
    return Claim(at or key(), token, None, Note(member=by, **note))  # type: ignore[arg-type]


def barred(name: str, bar_s: float = 30.0, kind: EndingKind = EndingKind.WEDGED) -> Ending:
    """An ending that bars a member."""
    return Ending(member=name, kind=kind, bar_s=bar_s)


def view(
    *things: RoleRecord | LiveMember | Claim,
    revision: int = 1,
    group: str = "g",
) -> View:
    """A view of these."""
    roles: Mapping[str, RoleRecord] = {t.name: t for t in things if isinstance(t, RoleRecord)}
    members = {t.session: t for t in things if isinstance(t, LiveMember)}
    claims = {t.key: t for t in things if isinstance(t, Claim)}
    return View(group=group, revision=revision, members=members, claims=claims, roles=roles)
