"""What a meter's notes come to: percentiles, moments, and how sure a count is.

Owns the arithmetic. Pure: reads no clock, file or machine.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping

__all__ = ["PERCENTILES", "bucket_of", "bucket_s", "moments", "percentiles", "poisson_interval"]

PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "p99.99": 0.9999}
_FINEST_S = 1e-6
_STEP = math.log(1.02)  # a bucket is 2 % wide
_EXACT = 200  # counts up to which sums are taken instead of an approximation
_TAIL = 0.025


def bucket_of(length_s: float) -> int:
    """The number of the bucket that a length falls into."""
    if length_s <= _FINEST_S:
        return 0
    return math.ceil(math.log(length_s / _FINEST_S) / _STEP)


def bucket_s(number: int) -> float:
    """The longest length in a bucket."""
    return _FINEST_S * math.exp(number * _STEP)


def percentiles(
    wakes: Mapping[int, int], *, every_s: float, longest_s: float
) -> dict[str, float | None]:
    """How late something runs that is due at a moment of its own; None where too little was seen.

    Whoever sleeps through a long pause notes it once, and whoever had been due every millisecond
    would have noted a thousand of it, each a millisecond shorter: they are added. Otherwise ten
    stopped seconds in a minute were one wake-up of fifty thousand.
    """
    seen = _as_if_always_due(wakes, every_s)
    total = sum(seen.values())
    out: dict[str, float | None] = {}
    for name, share in PERCENTILES.items():
        enough = total * (1 - share) >= 1 - 1e-9
        out[name] = min(longest_s, _at(seen, share * total)) if enough else None
    return {**out, "max": longest_s}


def _as_if_always_due(wakes: Mapping[int, int], every_s: float) -> dict[int, int]:
    seen: dict[int, int] = {}
    for number, count in wakes.items():
        length_s = bucket_s(number)
        if length_s <= every_s:
            seen[number] = seen.get(number, 0) + count
            continue
        for lower in range(number + 1):
            low_s = bucket_s(lower - 1) if lower else 0.0
            high_s = bucket_s(lower) if lower < number else length_s
            within = math.ceil((length_s - low_s) / every_s)
            within -= math.ceil((length_s - high_s) / every_s)
            if within:
                seen[lower] = seen.get(lower, 0) + count * within
    return seen


def _at(seen: Mapping[int, int], rank: float) -> float:
    passed = 0
    for number in sorted(seen):
        passed += seen[number]
        if passed >= rank:
            return bucket_s(number)
    return 0.0


def moments(pauses: Iterable[tuple[float, float]]) -> int:
    """How many stretches of time the pauses cover, each given as its begin and its length."""
    count, until_s = 0, -math.inf
    for begun_s, length_s in sorted(pauses):
        count += begun_s > until_s
        until_s = max(until_s, begun_s + length_s)
    return count


def poisson_interval(count: int) -> tuple[float, float]:
    """Between which means a count lies that came of things independent of each other: 95 %.

    Exact for small counts; a known approximation (Wilson and Hilferty's) above 200, where it is off
    by less than a thousandth.
    """
    if count > _EXACT:
        return _hilferty(count, -1.959964), _hilferty(count + 1, 1.959964)
    most = 2.0 * count + 20
    low = _solved(lambda mean: 1 - _at_most(count - 1, mean), _TAIL, most) if count else 0.0
    return low, _solved(lambda mean: 1 - _at_most(count, mean), 1 - _TAIL, most)


def _hilferty(count: int, deviations: float) -> float:
    return count * float((1 - 1 / (9 * count) + deviations / (3 * math.sqrt(count))) ** 3)


def _at_most(count: int, mean: float) -> float:
    """That something with this mean happens so often or less."""
    term = total = math.exp(-mean)
    for number in range(1, count + 1):
        term *= mean / number
        total += term
    return total


def _solved(rising: Callable[[float], float], wanted: float, most: float) -> float:
    low, high = 0.0, most
    for _ in range(60):
        middle = (low + high) / 2
        if rising(middle) < wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2
