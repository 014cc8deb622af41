"""Every kind of fault, by its name.

Owns the catalogue. Each family has a file of its own; none of them is told to those it strikes.
"""

from __future__ import annotations

from coord.lab.chaos.faults import (
    clocks,
    disk,
    dynamodb,
    fleets,
    inside,
    limits,
    network,
    processes,
    servers,
    sqlite,
)
from coord.lab.chaos.faults.kind import MEMBERS, SERVERS, Blow, FaultKind, Option, Setting

__all__ = [
    "CATALOGUE",
    "MEMBERS",
    "SERVERS",
    "Blow",
    "FaultKind",
    "Option",
    "Setting",
]

CATALOGUE: dict[str, FaultKind] = {
    kind.name: kind
    for family in (
        processes,
        inside,
        limits,
        clocks,
        fleets,
        network,
        servers,
        disk,
        dynamodb,
        sqlite,
    )
    for kind in family.KINDS
}
"""By name, in the order in which they are listed."""
