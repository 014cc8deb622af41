"""What is played: the rows (a fault, whom it strikes, how) by the columns (a store) by the modes.

Owns the choice, as data, and nothing of how it is played. Whether a cell applies is not written
down here: the faults themselves say where they cannot strike, and why.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from coord.lab.chaos.faults import CATALOGUE
from coord.lab.chaos.preflight import refusals
from coord.lab.chaos.scenario import FaultPlan, FleetPlan, Scenario, StorePlan
from coord.lab.work.modes import MODES, mode_named

__all__ = [
    "MODE_NAMES",
    "ROWS",
    "STORES",
    "Cell",
    "Plan",
    "Row",
    "cells",
    "columns",
    "scenario_of",
    "unfit",
]

STORES: Mapping[str, StorePlan] = {
    "sqlite": StorePlan(place="sqlite"),
    "etcd": StorePlan(place="etcd", servers=3),
    "zookeeper": StorePlan(place="zookeeper", servers=3),
    "dynamodb": StorePlan(place="dynamodb"),
}
MODE_NAMES = tuple(mode.name for mode in MODES)
_AT_S = 0.5


@dataclass(frozen=True, slots=True)
class Row:
    """One fault. `ttls`: for how many ttls it stands. `note`: what a reader has to know of it."""

    fault: str
    target: str
    ttls: float = 2.0
    options: Mapping[str, float] = field(default_factory=dict)
    says: str = ""

    @property
    def name(self) -> str:
        """How the table calls it; unique among the rows."""
        return f"{self.fault} {self.target}{f', {self.says}' if self.says else ''}"


ROWS = (
    Row("kill", "leader", 1.5),
    Row("kill", "all", 1.5),
    Row("sigterm", "leader", 1.5),
    Row("pause", "leader"),
    Row("pause", "half"),
    Row("wedge", "leader"),
    Row("slow", "leader"),
    Row("gil", "leader"),
    Row("fds", "leader"),
    Row("memory", "leader"),
    Row("clock-jump", "leader", 1.0),
    Row("clock-jump", "follower", 1.0),
    Row("clock-drift", "leader", 2.0, {"share": 0.002}, "slow"),
    Row("clock-drift", "follower", 2.0, {"share": 0.002, "fast": 1.0}, "fast"),
    Row("grow", "all"),
    Row("shrink", "all"),
    Row("rolling", "all", 3.0),
    Row("partition", "leader"),
    Row("partition", "all"),
    Row("partition-requests", "leader"),
    Row("partition-replies", "leader"),
    Row("latency", "leader"),
    Row("loss", "all"),
    Row("reset", "all"),
    Row("store-kill", "store-leader"),
    Row("store-kill", "store-all", 1.5),
    Row("store-restart", "store-leader"),
    Row("store-pause", "store-leader"),
    Row("disk-full", "store-leader"),
    Row("throttle", "all"),
    Row("conflicts", "all"),
    Row("writer-stop", "leader"),
)
"""In the order of the catalogue. A drift is the largest that is declared: see docs/guarantees.md
for what a larger one breaks."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One row on one store in one mode."""

    mode: str
    row: Row
    store: str

    @property
    def name(self) -> str:
        """Unique in the matrix."""
        return f"{self.mode} / {self.row.name} / {self.store}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is the same for all cells."""

    ttl_s: float = 3.0
    rounds: int = 1
    seed: int = 1
    members: int = 3


def cells() -> Iterator[Cell]:
    """All of them, also those that do not apply; of a mode that uses no store, one column."""
    for mode in MODE_NAMES:
        for row in ROWS:
            for store in columns(mode):
                yield Cell(mode, row, store)


def columns(mode: str) -> tuple[str, ...]:
    """The stores of a mode's table. On a queue no store is used: one column."""
    return tuple(STORES)[:1] if mode_named(mode).queue else tuple(STORES)


def scenario_of(cell: Cell, plan: Plan) -> Scenario:
    """What is played for a cell."""
    usual = {option.name: option.default for option in CATALOGUE[cell.row.fault].options}
    fault = FaultPlan(
        kind=cell.row.fault,
        target=cell.row.target,
        at_s=_AT_S,
        for_s=cell.row.ttls * plan.ttl_s,
        options={**usual, **cell.row.options},
    )
    return Scenario(
        title=cell.name,
        store=STORES[cell.store],
        fleet=FleetPlan(members=plan.members, mode=cell.mode),
        faults=(fault,),
        ttl_s=plan.ttl_s,
        rounds=plan.rounds,
        seed=plan.seed,
    )


def unfit(cell: Cell, plan: Plan) -> str:
    """Why a cell does not apply, or cannot be played here; empty if it can."""
    found = refusals(scenario_of(cell, plan))
    return "; ".join(one.cause.removeprefix(f"{cell.row.fault}: ") for one in found)
