"""How sure a figure is: intervals of 95 %, and by which method each.

Owns the arithmetic. Pure. Means and rates: bootstrap, 1,000 draws of batches of rounds, with a
stream of lots of their own, so that the same rounds give the same interval. Quantiles: exact, from
ranks, whatever the distribution. Counts: exact, of a Poisson count.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from functools import cache

from coord.lab.sim.tally import SUMS, Durations, Tally

__all__ = ["CONFIDENCE", "METHODS", "bootstrap", "quantile_interval", "ranks"]

CONFIDENCE = 0.95
METHODS = {
    "mean": "bootstrap of batches of rounds, 1000 draws, percentiles",
    "quantile": "exact: order statistics",
    "count": "exact: Poisson",
}
_DRAWS = 1000
_LEAST_BATCHES = 8
_DECIMALS = 6

Interval = tuple[float, float]


def bootstrap(tally: Tally, pairs: Sequence[tuple[str, str]]) -> list[Interval | None]:
    """Of each ratio of two of `SUMS`; None where there are fewer than eight batches.

    Rounds are independent enough: each begins with a whole fleet. The same draws serve all ratios.
    """
    batches = tally.batches
    if len(batches) < _LEAST_BATCHES:
        return [None] * len(pairs)
    dice = random.Random(tally.rounds)
    places = [(SUMS.index(above), SUMS.index(below)) for above, below in pairs]
    drawn: list[list[float]] = [[] for _ in pairs]
    for _ in range(_DRAWS):
        chosen = dice.choices(batches, k=len(batches))
        for found, (above, below) in zip(drawn, places, strict=True):
            divisor = sum(batch[below] for batch in chosen)
            if divisor:
                found.append(sum(batch[above] for batch in chosen) / divisor)
    return [_percentiles(found) for found in drawn]


def _percentiles(found: list[float]) -> Interval | None:
    if not found:
        return None
    found.sort()
    tail = (1 - CONFIDENCE) / 2
    low, high = math.floor(tail * (len(found) - 1)), math.ceil((1 - tail) * (len(found) - 1))
    return round(found[low], _DECIMALS), round(found[high], _DECIMALS)


def quantile_interval(found: Durations, share: float, *, independent: int) -> Interval | None:
    """Of a quantile, from so many independent observations; None if they are too few for it."""
    count = min(found.n, independent)
    between = ranks(count, share)
    if between is None:
        return None
    low, high = (found.quantile_s(rank / (count - 1)) for rank in between)
    if low is None or high is None:
        return None
    return round(low, _DECIMALS), round(high, _DECIMALS)


@cache
def ranks(count: int, share: float) -> tuple[int, int] | None:
    """Two ranks, from 0, between which the quantile lies with the confidence, at least.

    How many of the observations are below it is a binomial count. None: even from the first to the
    last it is less sure than that.
    """
    tail = (1 - CONFIDENCE) / 2
    low = _last_within(count, share, tail)
    high = _last_within(count, 1 - share, tail)
    if low is None or high is None:
        return None
    return low, count - 1 - high


def _last_within(count: int, share: float, tail: float) -> int | None:
    """The largest rank r for which at most r are below the quantile with no more than `tail`."""
    total, rank = 0.0, -1
    while rank < count:
        total += _binomial(count, rank + 1, share)
        if total > tail:
            break
        rank += 1
    return None if rank < 0 else min(rank, count - 1)


def _binomial(count: int, hits: int, share: float) -> float:
    logs = math.lgamma(count + 1) - math.lgamma(hits + 1) - math.lgamma(count - hits + 1)
    return math.exp(logs + hits * math.log(share) + (count - hits) * math.log1p(-share))
