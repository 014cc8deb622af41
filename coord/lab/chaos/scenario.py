"""A scenario as data: which fleet on which store, and which faults strike it when.

Owns the form, and nothing of how it is written down (`reading`), whether this machine can do it
(`capabilities`) or how it is played (`play`). Durations in seconds, on the boot clock.

A round: the fleet is steady; the faults strike at their moments, each for its time, and overlap if
their times do; all are healed; the fleet recovers. `rounds` times, each from a steady fleet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["FaultPlan", "FleetPlan", "Scenario", "StorePlan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StorePlan:
    """`place`: a kind, of which one is started for the run, or the URL of the user's own.

    `servers`: how many of its own store: 1 or 3; a file has none. `told`: where that place was
    chosen, as `FILE:LINE` or an option; empty if nowhere.
    """

    place: str
    servers: int = 1
    told: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlan:
    """Who is led: the lab's own housekeeping in one mode, or a daemon of the user's.

    `command`: the daemon; then `roles` are those that must be led for the fleet to be steady, and
    mode, shards and seats say nothing. None: what is usual for the mode. `line`: where the command
    stands in the file, 0 if in none.
    """

    members: int = 3
    mode: str = "single"
    shards: int | None = None
    seats: int | None = None
    command: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """One fault: what strikes whom, `at_s` after the round's beginning, for `for_s`.

    `options`: what this kind of fault takes besides (seconds, shares, counts), complete.
    `line`: where it stands in the file, 0 if in none.
    """

    kind: str
    target: str
    at_s: float
    for_s: float
    options: Mapping[str, float] = field(default_factory=dict)
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What is to be played. `ttl_s` None: what is usual for that kind of store."""

    title: str
    store: StorePlan
    fleet: FleetPlan
    faults: tuple[FaultPlan, ...]
    ttl_s: float | None = None
    rounds: int = 1
    seed: int = 1

    @property
    def name(self) -> str:
        """What strikes, as it stands in the report: `kill`, `latency+pause`."""
        return "+".join(fault.kind for fault in self.faults) or "none"
