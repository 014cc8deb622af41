"""What a world has seen against its own store, as violations, and which of them are excused.

Owns the rule `act-against-store` (an act at a moment at which the store did not hold the claim for
its session) and its one excuse: the store itself had ended that very session against its promise.
The world judges without any record; `coord.lab.measure` judges by the records.
"""

from __future__ import annotations

from coord.lab.chaos.verdict import Excused
from coord.lab.measure import Violation
from coord.lab.sim.fleet import SimWorld

__all__ = ["AGAINST_STORE", "REVOKED", "broken_by", "heard"]

AGAINST_STORE = "act-against-store"
REVOKED = (
    "etcd before 3.4.31 and 3.5.13: a leader that was stopped and goes on revokes leases that its"
    " successor keeps alive"
)


def heard(world: SimWorld, already: int) -> tuple[list[Violation], list[Excused]]:
    """What the world has seen beyond the first `already` violations, and what is excused.

    Excused are acts under sessions that the store revoked, and no others; both are forgotten here.
    """
    told = []
    for line in world.verdict.violations[already:]:
        moment, _, detail = line.partition(" ")
        told.append(Violation(AGAINST_STORE, float(moment), detail))
    excused = [
        Excused(Violation(AGAINST_STORE, at_s, f"{detail} after its session was revoked"), REVOKED)
        for at_s, detail in world.misled
    ]
    world.misled.clear()
    world.service.revoked.clear()
    return told, excused


def broken_by(world: SimWorld) -> dict[str, str]:
    """By fault, why the store did not keep its promises under it; empty if it has kept them."""
    return {"store-pause": REVOKED} if world.service.revoked else {}
