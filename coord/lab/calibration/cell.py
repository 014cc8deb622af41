"""One figure in both worlds, and whether they agree.

Owns the bound: 10 % of the real median or 0.15 s, whichever is larger. Pure. A difference that few
real rounds explain by chance says so: the exact interval of the real median holds the simulated
one. Every other difference beyond the bound needs a reason that somebody has found out.
"""

from __future__ import annotations

from typing import Any

from coord.lab.sim.tally import Durations, Tally
from coord.lab.sweep.intervals import CONFIDENCE, quantile_interval

__all__ = ["LEAST_S", "METRICS", "SHARE", "cells_of"]

SHARE, LEAST_S = 0.1, 0.15
METRICS = ("gap_s", "split_s", "faux_s", "failover_s")
"""Of each shard in each round; of each failover, in total."""
_QUARTILES = {"p25": 0.25, "p50": 0.5, "p75": 0.75}
_DECIMALS = 6


def cells_of(real: Tally, simulated: Tally) -> list[dict[str, Any]]:
    """A cell for each metric."""
    return [_cell(metric, real, simulated) for metric in METRICS]


def _cell(metric: str, real: Tally, simulated: Tally) -> dict[str, Any]:
    ours, theirs = _durations(real, metric), _durations(simulated, metric)
    interval = quantile_interval(ours, 0.5, independent=real.rounds)
    return {
        "metric": metric,
        "real": {**_side(ours), "interval": interval},
        "simulated": _side(theirs),
        **_judged(ours.quantile_s(0.5), theirs.quantile_s(0.5), interval),
    }


def _durations(tally: Tally, metric: str) -> Durations:
    return tally.parts["total"] if metric == "failover_s" else tally.cells[metric]


def _side(found: Durations) -> dict[str, Any]:
    told: dict[str, Any] = {"n": found.n}
    for name, share in _QUARTILES.items():
        value_s = found.quantile_s(share)
        told[name] = None if value_s is None else round(value_s, _DECIMALS)
    return told


def _judged(
    real_s: float | None,
    simulated_s: float | None,
    interval: tuple[float, float] | None,
) -> dict[str, Any]:
    """Difference, bound, whether it is within, and why not; nulls where a side has no figure."""
    if real_s is None or simulated_s is None:
        missing = real_s is not None or simulated_s is not None
        why = "it happened in one of the two only" if missing else ""
        return {"difference_s": None, "bound_s": None, "within": None, "why": why}
    bound_s = max(SHARE * real_s, LEAST_S)
    within = abs(simulated_s - real_s) <= bound_s
    chance = interval is not None and interval[0] <= simulated_s <= interval[1]
    return {
        "difference_s": round(simulated_s - real_s, _DECIMALS),
        "bound_s": round(bound_s, _DECIMALS),
        "within": within,
        "why": _CHANCE if chance and not within else "",
    }


_CHANCE = (
    f"chance: so few real rounds tell their median no better than their {CONFIDENCE:.0%} interval, "
    "and the simulated median lies in it"
)
