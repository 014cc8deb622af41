"""The JSON shapes of views: `coord.status/1`, `coord.why/1`, and the records in them.

Owns the field names, which are documented in `docs/cli.md` and change only with the number in
`schema`. Pure. Durations are seconds and end in `_s`; tokens are as user code sees them.
"""

from __future__ import annotations

from typing import Any

from coord.cli.summary import Group, MemberLine, RoleBlock
from coord.core.explain import Explanation, Reason
from coord.model import Claim, LiveMember, RoleRecord, Shape, View

__all__ = ["STATUS", "WHY", "role_shape", "status_shape", "why_shape"]

STATUS = "coord.status/1"
WHY = "coord.why/1"

_Json = dict[str, Any]


def status_shape(group: Group) -> _Json:
    """`coord.status/1`."""
    view = group.reading.view
    return {
        "schema": STATUS,
        "group": view.group,
        "store": group.reading.store,
        "revision": view.revision,
        "all_led": group.all_led,
        "members": [_member(line) for line in group.members],
        "roles": [_block(view, block) for block in group.roles],
    }


def role_shape(record: RoleRecord) -> _Json:
    """A role record."""
    return {
        "name": record.name,
        "generation": record.generation,
        "shape": _shape(record.shape),
        "pending": _shape(record.pending) if record.pending is not None else None,
        "paused": record.paused,
        "preferred": list(record.preferred),
        "token_base": record.token_base,
        "version": record.version,
    }


def why_shape(view: View, store: str, answer: Explanation, shard: int | None) -> _Json:
    """`coord.why/1`."""
    return {
        "schema": WHY,
        "group": view.group,
        "store": store,
        "role": answer.role,
        "shard": shard,
        "led": answer.led,
        "record": role_shape(answer.record) if answer.record is not None else None,
        "reasons": [_reason(reason) for reason in answer.reasons],
        "seats": [
            {
                "shard": seat.key.shard,
                "seat": seat.key.seat,
                "leader": seat.leader,
                "token": seat.token or None,
                "reasons": [_reason(reason) for reason in seat.reasons],
            }
            for seat in answer.seats
        ],
    }


def _shape(shape: Shape) -> _Json:
    return {"shards": shape.shards, "seats": shape.seats}


def _reason(reason: Reason) -> _Json:
    return {"code": reason.code.value, "text": reason.text, "cure": reason.cure}


def _member(line: MemberLine) -> _Json:
    member, record = line.member, line.member.record
    return {
        "name": record.name,
        "session": member.session,
        "incarnation": record.incarnation,
        "zone": record.zone,
        "weight": record.weight,
        "max_shards": record.max_shards,
        "draining": record.draining,
        "host": record.host,
        "pid": record.pid,
        "ttl_s": member.ttl_s,
        "roles": {name: _shape(shape) for name, shape in sorted(record.roles.items())},
        "held": line.held,
        "marks": list(line.marks),
    }


def _block(view: View, block: RoleBlock) -> _Json:
    record = block.record
    claims = []
    for key in sorted(record.claim_keys(), key=lambda key: (key.shard, key.seat)):
        claim = view.claims.get(key)
        row: _Json = {"shard": key.shard, "seat": key.seat}
        if claim is None:
            claims.append({**row, "leader": None, "session": None, "token": None})
            continue
        holder = view.members.get(claim.session) if claim.session is not None else None
        row |= {
            "leader": _name(claim, holder),
            "session": claim.session,
            "token": claim.token + record.token_base,
        }
        claims.append(row if claim.session is not None else row | _free(claim))
    return {
        **role_shape(record),
        "seats": block.seats,
        "led": block.led,
        "marks": list(block.marks),
        "claims": claims,
    }


def _name(claim: Claim, holder: LiveMember | None) -> str | None:
    if holder is not None:
        return holder.record.name
    return f"session {claim.session}" if claim.session is not None else None


def _free(claim: Claim) -> _Json:
    """What a free claim says to whoever comes next."""
    note = claim.note
    return {
        "last_holder": note.member or None,
        "clean": note.clean,
        "lock_delay_s": note.lock_delay_s,
        "poison_s": note.poison_s,
        "endings": [
            {"member": e.member, "kind": e.kind.value, "count": e.count, "bar_s": e.bar_s}
            for e in note.endings
        ],
    }
