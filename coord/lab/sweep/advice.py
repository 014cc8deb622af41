"""Which timings, mode and store meet limits: candidates, simulated, judged and priced.

Owns what is tried, when a candidate meets the limits, and what it costs a month. Each candidate is
played three times: its leader is killed again and again, is stopped for two ttls again and again,
and, for four times as long, is left in peace; all three under the user's own pauses. What is
simulated is `coord.lab.sim`'s.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import product
from typing import Any

from coord.errors import ConfigError
from coord.lab.sim.pauses import Stalls
from coord.lab.sim.run import NO_FAULT, Setting
from coord.lab.sweep.crew import Task, all_played
from coord.lab.sweep.prices import MONTH_S, Price, dynamodb_dollars

__all__ = ["PLAYS", "Advice", "Ask", "Candidate", "advised", "candidates"]

PLAYS = ("kill", "pause", NO_FAULT)
_TTLS = (0.35, 0.5, 0.65, 0.8, 0.95)
"""Of the gap that is allowed: the gap after a crash is about a ttl."""
_HEARTBEATS = (0.2, 0.3)
"""Of the ttl."""
_WHOLE_S = 2.0
_PRICED = "dynamodb"
_STRUCK = 2
"""Of the plays: those with a failover a round."""
_QUIET_TIMES = 4
"""False failovers are rare: what is looked for is looked for longer."""
_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What is asked for. `acts`: a second, of each leader; `hours`: of virtual time, each play."""

    gap_s: float
    split_s: float
    stores: tuple[str, ...]
    modes: tuple[str, ...]
    members: int
    acts: float
    hours: float
    seed: int
    pauses: Stalls | None
    price: Price


@dataclass(frozen=True, slots=True)
class Candidate:
    """One answer that could be given."""

    store: str
    mode: str
    ttl_s: float
    heartbeat_s: float

    def setting(self, ask: Ask, fault: str) -> Setting:
        """How it is played."""
        return Setting(
            mode=self.mode,
            store=self.store,
            ttl_s=self.ttl_s,
            heartbeat_s=self.heartbeat_s,
            members=ask.members,
            fault=fault,
            hours=ask.hours * (_QUIET_TIMES if fault == NO_FAULT else 1),
            seed=ask.seed,
            pauses=ask.pauses,
        )


@dataclass(frozen=True, slots=True)
class Advice:
    """All candidates as they were found to be; those that meet the limits first, best first."""

    rows: tuple[Mapping[str, Any], ...]
    left_out: Mapping[str, int]
    """How many candidates cannot be, by reason."""

    @property
    def met(self) -> bool:
        """Whether there is anything to be advised."""
        return any(row["meets"] for row in self.rows)

    def of_each(self) -> list[Mapping[str, Any]]:
        """The best of each store and mode, or what comes closest there."""
        found: dict[tuple[str, str], Mapping[str, Any]] = {}
        for row in self.rows:
            found.setdefault((row["store"], row["mode"]), row)
        return list(found.values())


def candidates(ask: Ask) -> tuple[list[Candidate], dict[str, int]]:
    """What is tried, and why the rest is not. Raises UsageError for unknown stores and modes."""
    found: list[Candidate] = []
    left_out: dict[str, int] = {}
    ttls = sorted({_rounded(share * ask.gap_s) for share in _TTLS})
    for store, mode, ttl_s, share in product(ask.stores, ask.modes, ttls, _HEARTBEATS):
        one = Candidate(store, mode, ttl_s, round(share * ttl_s, 6))
        setting = one.setting(ask, PLAYS[0])
        _ = setting.role, setting.manner
        try:
            _ = setting.timing
        except ConfigError as error:
            left_out[error.cause] = left_out.get(error.cause, 0) + 1
            continue
        found.append(one)
    return found, left_out


def _rounded(ttl_s: float) -> float:
    """Whole seconds, as some stores grant them; of short ones two digits."""
    return float(math.floor(ttl_s)) if ttl_s >= _WHOLE_S else float(f"{ttl_s:.2g}")


def advised(ask: Ask, *, jobs: int, look: Callable[[int, int], None]) -> Advice:
    """Play all candidates, and judge them. `look` gets how many plays are done, and of how many."""
    tried, left_out = candidates(ask)
    settings = [one.setting(ask, fault) for one in tried for fault in PLAYS]
    tasks = [Task(index, setting) for index, setting in enumerate(settings)]
    points: dict[int, dict[str, Any]] = {}
    playing = all_played(tasks, jobs=jobs, look=lambda: look(len(points), len(tasks)))
    with closing(playing):
        points.update(playing)  # one by one: `look` counts them meanwhile
    rows = [
        _row(one, [points[len(PLAYS) * place + play] for play in range(len(PLAYS))], ask)
        for place, one in enumerate(tried)
    ]
    return Advice(tuple(sorted(rows, key=_rank)), left_out)


def _rank(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Who meets the limits, then fewest false failovers, fewest requests; else what is closest."""
    if row["meets"]:
        return 0, row["false_failovers_a_month"]["value"], row["requests_a_month"], row["ttl_s"]
    return 1, row["violations"], row["split_s"]["worst"], row["gap_s"]["worst"]


def _row(one: Candidate, points: Sequence[Mapping[str, Any]], ask: Ask) -> dict[str, Any]:
    quiet = points[PLAYS.index(NO_FAULT)]
    gap_s = max(_worst(point, "gap_s") for point in points)
    split_s = max(_worst(point, "split_s") for point in points)
    violations = sum(point["violations"]["count"] for point in points)
    reasons = []
    if gap_s > ask.gap_s:
        reasons.append(f"gap {gap_s:.2f} s")
    if split_s > ask.split_s:
        reasons.append(f"split {split_s:.2f} s")
    if violations:
        reasons.append(f"{violations} rules broken")
    month_h = MONTH_S / _HOUR_S
    dollars = None
    if one.store == _PRICED:
        dollars = dynamodb_dollars(
            members=ask.members, heartbeat_s=one.heartbeat_s, price=ask.price
        )
    stale = quiet["stale_acts"]["unfenced_per_hour"]
    return {
        "store": one.store,
        "mode": one.mode,
        "ttl_s": one.ttl_s,
        "heartbeat_s": one.heartbeat_s,
        "meets": not reasons,
        "reasons": reasons,
        "rounds": min(point["rounds"] for point in points[:_STRUCK]),
        "gap_s": {"worst": gap_s, "p50_of_kill": points[0]["gap_s"]["p50"]},
        "split_s": {"worst": split_s},
        "violations": violations,
        "first_violation": next(
            (first for point in points for first in point["violations"]["first"]), None
        ),
        "false_failovers_a_month": _scaled(quiet["false_failovers"]["per_hour"], month_h),
        "stale_acts_a_month": _scaled(stale, month_h * ask.acts),
        "requests_a_month": round(quiet["requests"]["per_s"] * MONTH_S),
        "dollars_a_month": None if dollars is None else round(dollars, 2),
        "trace_hashes": {
            fault: point["trace_hash"] for fault, point in zip(PLAYS, points, strict=True)
        },
    }


def _worst(point: Mapping[str, Any], name: str) -> float:
    return float(point[name]["max"] or 0.0)


def _scaled(rate: Mapping[str, float], factor: float) -> dict[str, float]:
    return {name: round(value * factor, 3) for name, value in rate.items()}
