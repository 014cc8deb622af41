"""What one setting came to, as a point of `coord.sweep/1`.

Owns the form of a point: quantiles, rates and counts with their intervals, a bounded sample of
failovers, and what was broken, with the seed. Simulates through `coord.lab.sim`, and nothing else.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

from coord.lab.meter_figures import poisson_interval
from coord.lab.sim.run import Outcome, Setting, simulate
from coord.lab.sim.tally import PARTS, Durations, Tally
from coord.lab.sweep.grid import setting_json
from coord.lab.sweep.intervals import Interval, bootstrap, quantile_interval

__all__ = ["played", "point_of"]

_QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
_ENOUGH_FOR_P99 = 100
_VIOLATIONS = 20
_DECIMALS = 6
_HOUR_S = 3600.0
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")
_MEANS = (
    ("gap_s", "cells"),
    ("split_s", "cells"),
    ("faux_s", "cells"),
    ("failover_s", "failovers"),
    ("requests", "member_s"),
)


def played(setting: Setting, progress: Callable[[float], None] | None = None) -> dict[str, Any]:
    """Simulate a setting; its point."""
    return point_of(simulate(setting, progress=progress))


def point_of(outcome: Outcome) -> dict[str, Any]:
    """The point of a setting that was simulated. The same outcome gives the same point."""
    tally = outcome.tally
    gap, split, faux, failover, requests = bootstrap(tally, _MEANS)
    cells, parts, hours = tally.cells, tally.parts, outcome.simulated_s / _HOUR_S
    rounds, struck = tally.rounds, tally.struck
    return {
        "setting": setting_json(outcome.setting),
        "kept": outcome.kept,
        "rounds": rounds,
        "simulated_s": round(outcome.simulated_s, _DECIMALS),
        "gap_s": _figures(cells["gap_s"], gap, rounds),
        "split_s": _figures(cells["split_s"], split, rounds),
        "faux_s": _figures(cells["faux_s"], faux, rounds),
        "failover_s": {
            name: _figures(parts[name], failover if name == "total" else None, struck)
            for name in PARTS
        },
        "failovers": [
            [None if part is None else round(part, _DECIMALS) for part in row]
            for row in tally.sample.rows
        ],
        "stale_acts": {
            "attempted": tally.stale.attempted,
            "accepted": tally.stale.accepted,
            "accepted_unfenced": tally.stale.accepted_unfenced,
            "unfenced_per_hour": _per_hour(tally.stale.accepted_unfenced, hours),
        },
        "false_failovers": {
            "count": tally.false_failovers,
            "per_hour": _per_hour(tally.false_failovers, hours),
        },
        "missed": tally.missed,
        "duplicates": tally.duplicates,
        "requests": _requests(tally, outcome.simulated_s, requests),
        "violations": _violations(outcome),
        "excused": dict(sorted(Counter(one.reason for one in outcome.excused).items())),
        "trace_hash": outcome.trace_hash,
    }


def _figures(found: Durations, mean: Interval | None, independent: int) -> dict[str, Any]:
    """Quantiles as in `coord.report/1`; no interval of a part's mean."""
    told: dict[str, Any] = {"n": found.n, "mean": round(found.mean_s, _DECIMALS)}
    if not found.n:
        return {"n": 0, **dict.fromkeys(("mean", *_QUANTILES, "max")), "intervals": {}}
    intervals: dict[str, Interval | None] = {} if mean is None else {"mean": mean}
    for name, share in _QUANTILES.items():
        enough = name != "p99" or found.n >= _ENOUGH_FOR_P99
        value_s = found.quantile_s(share) if enough else None
        told[name] = None if value_s is None else round(value_s, _DECIMALS)
        intervals[name] = quantile_interval(found, share, independent=independent)
    told["max"] = round(found.worst_s, _DECIMALS)
    return {**told, "intervals": {name: one for name, one in intervals.items() if one is not None}}


def _per_hour(count: int, hours: float) -> dict[str, float]:
    low, high = poisson_interval(count)
    return {
        "value": round(count / hours, _DECIMALS),
        "low": round(low / hours, _DECIMALS),
        "high": round(high / hours, _DECIMALS),
    }


def _requests(tally: Tally, simulated_s: float, interval: Interval | None) -> dict[str, Any]:
    """Between the rounds as well, by kind; of a member, within the rounds only."""
    member_s = tally.total("member_s")
    kinds = sorted(tally.calls.items())
    return {
        "per_s": round(sum(tally.calls.values()) / simulated_s, _DECIMALS),
        "per_member_s": round(tally.total("requests") / member_s if member_s else 0.0, _DECIMALS),
        "interval": interval,
        "by_kind_per_s": {
            _WORD.sub("_", kind).lower(): round(count / simulated_s, _DECIMALS)
            for kind, count in kinds
        },
    }


def _violations(outcome: Outcome) -> dict[str, Any]:
    first = [
        {
            "rule": one.rule,
            "at_s": one.at_s,
            "detail": one.detail,
            "seed": outcome.setting.seed,
        }
        for one in outcome.violations[:_VIOLATIONS]
    ]
    return {"count": len(outcome.violations), "first": first}
