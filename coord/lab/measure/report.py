"""`coord.report/1`: from rounds to the figures that are published.

Owns how rounds are combined, and the form of the report; computes no quantity itself. Figures of
several rounds: gap, split and faux are {worst, mean} over all shards of all rounds; failovers of
all rounds are one sample; blast_radius is the mean over rounds; counts are sums; requests are per
second that a member was there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypedDict

from coord.lab.measure.effects import StaleActs
from coord.lab.measure.failover import Failover, Stats, stats
from coord.lab.measure.rounds import RoundResult

__all__ = [
    "REPORT_SCHEMA",
    "Extent",
    "FailoverFigures",
    "Figures",
    "Report",
    "Run",
    "Setup",
    "StaleFigures",
    "build_report",
    "to_json",
]

REPORT_SCHEMA = "coord.report/1"
_DECIMALS = 6


class Extent(TypedDict):
    """Seconds per shard and round: the worst of them, and the mean."""

    worst: float
    mean: float


class Figures(TypedDict):
    """Of n durations in seconds; null where there is nothing to say (p99: below n = 100)."""

    n: int
    mean: float | None
    p50: float | None
    p99: float | None
    max: float | None


class FailoverFigures(TypedDict):
    """The parts of a failover and their sum."""

    detect: Figures
    claim: Figures
    warm_up: Figures
    total: Figures


class StaleFigures(TypedDict):
    """Stale acts: attempted at any resource, taken by fenced ones, taken by unfenced ones."""

    attempted: int
    accepted: int
    accepted_unfenced: int


class Run(TypedDict):
    """One mode under one kind of fault, over all its rounds."""

    mode: str
    fault: str
    gap_s: Extent
    split_s: Extent
    faux_s: Extent
    failover_s: FailoverFigures
    stale_acts: StaleFigures
    false_failovers: int
    blast_radius: float
    duplicates: int
    missed: int
    store_requests_per_member_s: float


class Report(TypedDict):
    """`coord.report/1`."""

    schema: str
    store: str
    ttl_s: float
    seed: int
    members: int
    shards: int
    seats: int
    rounds: int
    runs: list[Run]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What was run; `shards` and `seats` are those of the modes that have them."""

    store: str
    ttl_s: float
    seed: int
    members: int
    shards: int
    seats: int
    rounds: int


def build_report(setup: Setup, results: Iterable[RoundResult]) -> Report:
    """Combine rounds by mode and fault, in the order of their first appearance."""
    groups: dict[tuple[str, str], list[RoundResult]] = {}
    for result in results:
        groups.setdefault((result.round.mode, result.round.fault), []).append(result)
    runs = [_run(mode, fault, group) for (mode, fault), group in groups.items()]
    return Report(
        schema=REPORT_SCHEMA,
        store=setup.store,
        ttl_s=setup.ttl_s,
        seed=setup.seed,
        members=setup.members,
        shards=setup.shards,
        seats=setup.seats,
        rounds=setup.rounds,
        runs=runs,
    )


def to_json(report: Report) -> str:
    """The report as JSON text, indented, with a newline at its end."""
    return json.dumps(report, indent=2, allow_nan=False) + "\n"


def _run(mode: str, fault: str, group: Sequence[RoundResult]) -> Run:
    stale = sum((result.stale_acts for result in group), StaleActs())
    member_s = sum(result.member_s for result in group)
    requests = sum(result.requests for result in group)
    return Run(
        mode=mode,
        fault=fault,
        gap_s=_extent([seconds for result in group for seconds in result.gap_s]),
        split_s=_extent([seconds for result in group for seconds in result.split_s]),
        faux_s=_extent([seconds for result in group for seconds in result.faux_s]),
        failover_s=_failover([one for result in group for one in result.failovers]),
        stale_acts=StaleFigures(
            attempted=stale.attempted,
            accepted=stale.accepted,
            accepted_unfenced=stale.accepted_unfenced,
        ),
        false_failovers=sum(result.false_failovers for result in group),
        blast_radius=_rounded(math.fsum(r.blast_radius for r in group) / len(group)),
        duplicates=sum(result.duplicates for result in group),
        missed=sum(result.missed for result in group),
        store_requests_per_member_s=_rounded(requests / member_s if member_s else 0.0),
    )


def _extent(seconds: Sequence[float]) -> Extent:
    mean = math.fsum(seconds) / len(seconds) if seconds else 0.0
    return Extent(worst=_rounded(max(seconds, default=0.0)), mean=_rounded(mean))


def _failover(found: Sequence[Failover]) -> FailoverFigures:
    return FailoverFigures(
        detect=_figures(stats([f.detect_s for f in found if f.detect_s is not None])),
        claim=_figures(stats([f.claim_s for f in found if f.claim_s is not None])),
        warm_up=_figures(stats([f.warm_up_s for f in found if f.warm_up_s is not None])),
        total=_figures(stats([f.total_s for f in found])),
    )


def _figures(found: Stats) -> Figures:
    return Figures(
        n=found.n,
        mean=_maybe(found.mean),
        p50=_maybe(found.p50),
        p99=_maybe(found.p99),
        max=_maybe(found.max),
    )


def _maybe(value: float | None) -> float | None:
    return None if value is None else _rounded(value)


def _rounded(value: float) -> float:
    return round(value, _DECIMALS)
