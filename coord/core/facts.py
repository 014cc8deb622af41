"""What a view says of one role, gathered for whoever shows or explains it.

Owns the gathering. Decides nothing and knows no time: how long a bar still lasts is for each member
to count.
"""

from __future__ import annotations

from collections.abc import Mapping

from coord.model import Beacon, ClaimKey, RoleRecord, Shape, View

__all__ = ["bars", "declared_otherwise", "holders", "overdue_keys"]


def bars(
    view: View, record: RoleRecord
) -> tuple[frozenset[tuple[ClaimKey, str]], frozenset[ClaimKey]]:
    """The bars and the poison written on free claims of the role, whatever their age."""
    barred: set[tuple[ClaimKey, str]] = set()
    poisoned: set[ClaimKey] = set()
    for key in record.claim_keys():
        claim = view.claims.get(key)
        if claim is None or claim.session is not None:
            continue
        barred.update((key, e.member) for e in claim.note.endings if e.bar_s > 0)
        if claim.note.poison_s > 0:
            poisoned.add(key)
    return frozenset(barred), frozenset(poisoned)


def holders(view: View, role: str) -> dict[str, list[ClaimKey]]:
    """The claims of a role that are held now, of whatever generation, by member name."""
    found: dict[str, list[ClaimKey]] = {}
    for key, claim in view.claims.items():
        if key.role == role and claim.session is not None:
            member = view.members.get(claim.session)
            name = member.record.name if member is not None else f"session {claim.session}"
            found.setdefault(name, []).append(key)
    return {name: sorted(found[name]) for name in sorted(found)}


def declared_otherwise(view: View, role: str, shape: Shape) -> dict[str, Shape]:
    """The live members that serve the role in another shape, by name."""
    declared = {m.record.name: m.record.roles.get(role) for m in view.members.values()}
    return {
        name: other
        for name, other in sorted(declared.items())
        if other is not None and other != shape
    }


def overdue_keys(beacons: Mapping[str, Beacon]) -> frozenset[tuple[str, ClaimKey]]:
    """The sessions, and the claims on which they admit to be late with progress."""
    return frozenset(
        (session, late.key) for session, beacon in beacons.items() for late in beacon.overdue
    )
