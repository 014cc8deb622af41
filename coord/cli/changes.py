"""What happened between two views of one group.

Owns the comparison and its words. Pure. What came and went between the two views is not seen;
tokens tell that somebody led in between.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from coord.cli.summary import free_mark, ranges
from coord.core.wording import listed, shape_text
from coord.model import Claim, ClaimKey, MemberRecord, RoleRecord, View

__all__ = ["Change", "changes_between"]

_SHARDS_WIDTH = 60


@dataclass(frozen=True, slots=True)
class Change:
    """One change: its kind and facts for programs, a sentence for people."""

    kind: str
    text: str
    facts: Mapping[str, Any]


def changes_between(before: View, after: View) -> list[Change]:
    """The changes from `before` to `after`: roles, members leaving, leaders, members joining."""
    return [
        *_roles(before, after),
        *_left(before, after),
        *_leaders(before, after),
        *_joined(before, after),
    ]


def _left(before: View, after: View) -> Iterator[Change]:
    for session, member in before.members.items():
        if session not in after.members:
            yield _member("member-left", member.record, "left, or its session is over")


def _joined(before: View, after: View) -> Iterator[Change]:
    for session, member in after.members.items():
        old = before.members.get(session)
        record = member.record
        if old is None:
            zone = f" in {record.zone}" if record.zone else ""
            yield _member("member-joined", record, f"joined{zone}")
        elif record.draining and not old.record.draining:
            yield _member("member-draining", record, "drains: it hands over what it holds")


def _member(kind: str, record: MemberRecord, what: str) -> Change:
    facts = {"member": record.name, "incarnation": record.incarnation, "zone": record.zone}
    return Change(kind, f"{record.name} {what}", facts)


def _roles(before: View, after: View) -> Iterator[Change]:
    for name, record in sorted(after.roles.items()):
        old = before.roles.get(name)
        if old is None:
            yield _role("role-made", record, f"is new: {shape_text(record.shape)}")
            continue
        if record.paused != old.paused:
            kind, what = ("paused", "is paused") if record.paused else ("resumed", "is resumed")
            yield _role(f"role-{kind}", record, what)
        if record.generation != old.generation:
            shape = shape_text(record.shape)
            yield _role("role-reshaped", record, f"opens generation {record.generation}: {shape}")
        elif record.pending is not None and record.pending != old.pending:
            yield _role("role-reshaping", record, f"drains for {shape_text(record.pending)}")
        if record.preferred != old.preferred:
            names = listed(record.preferred) if record.preferred else "nobody"
            yield _role("role-preference", record, f"prefers {names}")
        if record.token_base != old.token_base:
            text = f"has its tokens lifted by {record.token_base}"
            yield _role("role-tokens", record, text)


def _role(kind: str, record: RoleRecord, what: str) -> Change:
    return Change(kind, f"{record.name} {what}", {"role": record.name})


def _leaders(before: View, after: View) -> Iterator[Change]:
    groups: dict[tuple[str, int, str | None, str | None, str], list[Claim]] = {}
    for key, claim in after.claims.items():
        old = before.claims.get(key)
        if old is claim or (old is not None and _tenure(old) == _tenure(claim)):
            continue
        was, now = _holder(before, old), _holder(after, claim)
        how = free_mark(claim) if now is None else ""
        groups.setdefault((key.role, key.generation, was, now, how), []).append(claim)
    for (role, generation, was, now, how), claims in sorted(groups.items(), key=_order):
        base = after.roles[role].token_base if role in after.roles else 0
        claims.sort(key=lambda claim: claim.key)
        facts = {
            "role": role,
            "generation": generation,
            "from": was,
            "to": now,
            "seats": [
                {"shard": c.key.shard, "seat": c.key.seat, "token": c.token + base} for c in claims
            ],
        }
        if now is None:
            where = _where(after, [claim.key for claim in claims])
            yield Change("freed", f"{role}{where}: {was or 'nobody'} → nobody ({how})", facts)
            continue
        where = _where(after, [claim.key for claim in claims])
        came = f"{was} → {now}" if was not in (None, now) else f"{now} leads"
        tokens = f"token {claims[0].token + base}" if len(claims) == 1 else f"{len(claims)} seats"
        yield Change("led", f"{role}{where}: {came} ({tokens})", facts)


def _order(item: tuple[tuple[str, int, str | None, str | None, str], list[Claim]]) -> Any:  # noqa: ANN401
    (role, generation, was, now, how), claims = item
    return (role, generation, min(claim.key for claim in claims), was or "", now or "", how)


def _tenure(claim: Claim) -> tuple[int, str | None, float]:
    return claim.token, claim.session, claim.note.poison_s


def _holder(view: View, claim: Claim | None) -> str | None:
    if claim is None or claim.session is None:
        return None
    member = view.members.get(claim.session)
    return member.record.name if member is not None else f"session {claim.session}"


def _where(view: View, keys: list[ClaimKey]) -> str:
    record = view.roles.get(keys[0].role)
    if record is not None and record.shape.shards == 1:
        return ""
    return f" {ranges((key.shard for key in keys), width=_SHARDS_WIDTH)}"
