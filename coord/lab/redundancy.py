"""How many co-leaders it takes so that all of them are hardly ever down at once.

Owns the model, its closed form, and a simulation of it. Reads nothing, measures nothing: what `p`
and `beta` are in a fleet, its user has to know. The model, at one moment:

- with probability c = βp something strikes all members at once (one release, one configuration,
  one store);
- otherwise zones are down with probability `zone_p` each, and members with q each, all of them
  independently, q such that a member alone, but for its zone, is down with probability p:
  p = c + (1 − c)q, hence q = (1 − β)p / (1 − βp);
- members are dealt to the zones in turn.

So all n are down with probability c + (1 − c) · Π over the zones in use of (z + (1 − z) q^nᵢ), and
without zones with c + (1 − c) q^n. The usual approximation ((1 − β)p)^n + βp leaves the
denominator of q and the factor (1 − c) out; both agree at n = 1. Sums are exact (fractions), since
0.01 ** 3 is above 1e-6 in floating point.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from coord.errors import ConfigError

__all__ = ["CONFIDENCE", "MOST_MEMBERS", "MOST_ZONES", "Estimate", "Redundancy", "estimate"]

MOST_MEMBERS = 100
"""Whoever needs more has another problem than too few."""
MOST_ZONES = 16
CONFIDENCE = 0.99
_DEVIATIONS = 2.5758293035489004  # of a normal distribution, two-sided, for CONFIDENCE
_LEAST_P, _LEAST_TARGET = Fraction(1, 10**9), Fraction(1, 10**18)
_LEAST_DRAWS, _MOST_DRAWS = 1_000, 1_000_000


@dataclass(frozen=True, kw_only=True)
class Redundancy:
    """The question: a member's chance to be down, what they share, and what is wanted.

    Every probability is of one moment. Without zones `zones` is 0. Raises ConfigError for what is
    no probability, or beyond what can be told apart from nothing.
    """

    p: Fraction
    """That a member is down, the share of it that strikes all included, its zone's not."""
    beta: Fraction = Fraction(0)
    """Which share of `p` strikes all members at once."""
    zones: int = 0
    zone_p: Fraction = Fraction(0)
    """That a zone is down, with all members in it."""

    def __post_init__(self) -> None:
        if not _LEAST_P <= self.p < 1:
            _refuse("p", self.p, f"It must be at least {float(_LEAST_P):g} and below 1.")
        if not 0 <= self.beta <= 1:
            _refuse("beta", self.beta, "It must be from 0 to 1; 0.01 to 0.1 is usual.")
        if not 0 <= self.zones <= MOST_ZONES:
            raise ConfigError(
                f"zones is {self.zones}", cure=f"It must be from 0 (none) to {MOST_ZONES}."
            )
        if not 0 <= self.zone_p < 1:
            _refuse("zone_p", self.zone_p, "It must be at least 0 and below 1.")
        if self.zone_p and not self.zones:
            raise ConfigError(
                f"zone_p is {float(self.zone_p):g}, and there are no zones",
                cure="Say how many zones there are, or leave zone_p out.",
            )

    @cached_property
    def common(self) -> Fraction:
        """That something strikes all at once, c."""
        return self.beta * self.p

    @cached_property
    def own(self) -> Fraction:
        """That a member is down by itself where nothing strikes all, q."""
        return (self.p - self.common) / (1 - self.common)

    @property
    def independent(self) -> Redundancy:
        """The same members, with nothing in common."""
        return Redundancy(p=self.p)

    def dealt(self, members: int) -> list[int]:
        """How many members each zone in use has; without zones each is on its own."""
        zones = min(self.zones, members)
        return [members // zones + (place < members % zones) for place in range(zones)]

    def all_down(self, members: int) -> Fraction:
        """That all of so many members are down. Exact; never grows with their number."""
        if not self.zones:
            rest = self.own**members
        else:
            rest = Fraction(1)
            for count in self.dealt(members):
                rest *= self.zone_p + (1 - self.zone_p) * self.own**count
        return self.common + (1 - self.common) * rest

    def approximation(self, members: int) -> float | None:
        """((1 − β)p)^n + βp, as it is usually written; None with zones, of which it knows none."""
        if self.zones:
            return None
        return float(((1 - self.beta) * self.p) ** members + self.common)

    @cached_property
    def floor(self) -> Fraction:
        """What no number of members goes below: all zones down, or what strikes all."""
        zones = self.zone_p**self.zones if self.zones else Fraction(0)
        return self.common + (1 - self.common) * zones

    def needed(self, target: Fraction) -> int | None:
        """The fewest members for which that is at most `target`; None: not with MOST_MEMBERS."""
        if not _LEAST_TARGET <= target < 1:
            _refuse("target", target, f"It must be at least {float(_LEAST_TARGET):g}, and below 1.")
        if self.floor > target:
            return None
        low, high = 1, MOST_MEMBERS
        if self.all_down(high) > target:
            return None
        while low < high:
            middle = (low + high) // 2
            if self.all_down(middle) <= target:
                high = middle
            else:
                low = middle + 1
        return low

    def beta_limit(self, target: Fraction) -> Fraction | None:
        """Below which β some number of members does, all else equal; None: zones forbid it."""
        zones = self.zone_p**self.zones if self.zones else Fraction(0)
        if zones >= target:
            return None
        return min(Fraction(1), (target - zones) / (1 - zones) / self.p)


def _refuse(name: str, value: Fraction, cure: str) -> None:
    raise ConfigError(f"{name} is {float(value):g}", cure=cure)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a simulation found, with the interval that holds the truth 99 times in 100."""

    chance: float
    low: float
    high: float
    draws: int

    def holds(self, chance: float) -> bool:
        """Whether a value lies in the interval; a rounding error of the sums is allowed."""
        spare = 1e-9 * chance
        return self.low - spare <= chance <= self.high + spare


def estimate(model: Redundancy, members: int, *, seed: int, draws: int) -> Estimate:
    """Draw the state of everything, again and again, and see how often all members are down.

    What is rare is drawn more often than it happens, and counts for less by the ratio of the two
    probabilities (importance sampling), so that some thousand draws tell 1e-15 from 2e-15. The
    interval is of the normal approximation; about half the draws count, so it is a good one. The
    same seed gives the same figures, whatever else is drawn.
    """
    if not _LEAST_DRAWS <= draws <= _MOST_DRAWS:
        raise ConfigError(
            f"draws is {draws}", cure=f"It must be from {_LEAST_DRAWS} to {_MOST_DRAWS}."
        )
    state = _State(model, members)
    draw = random.Random(f"coord.redundancy/{seed}/{members}").random
    total = squares = 0.0
    for _ in range(draws):
        weight = state.drawn(draw)
        total += weight
        squares += weight * weight
    mean = total / draws
    variance = max(0.0, squares / draws - mean * mean) * draws / (draws - 1)
    reach = _DEVIATIONS * math.sqrt(variance / draws)
    return Estimate(mean, max(0.0, mean - reach), mean + reach, draws)


class _Lot:
    """Something that is down or up: drawn with one probability, weighed by another."""

    __slots__ = ("down", "drawn", "up")

    def __init__(self, chance: Fraction, drawn: float) -> None:
        self.drawn = drawn if 0 < chance < 1 else float(chance)
        self.down = float(chance) / self.drawn if chance else 0.0
        self.up = float(1 - chance) / (1 - self.drawn) if chance < 1 else 0.0


class _State:
    """All that can be down, and one draw of it."""

    def __init__(self, model: Redundancy, members: int) -> None:
        self._common = _Lot(model.common, 0.5)
        self._member = _Lot(model.own, max(0.5 ** (1 / members), float(model.own)))
        counts = model.dealt(members) if model.zones else [1] * members
        self._zones = [(_zone(model, count), count) for count in counts]

    def drawn(self, draw: Callable[[], float]) -> float:
        """The weight of a state in which all are down; 0 for any other."""
        if draw() < self._common.drawn:
            return self._common.down
        weight, member = self._common.up, self._member
        for zone, count in self._zones:
            if draw() < zone.drawn:
                weight *= zone.down
                continue
            weight *= zone.up
            for _ in range(count):
                if draw() >= member.drawn:
                    return 0.0
                weight *= member.down
        return weight


def _zone(model: Redundancy, count: int) -> _Lot:
    """Drawn down about as often as it is, where all of it is down; any other share is as true."""
    below = float(model.own) ** count
    share = float(model.zone_p) / ((float(model.zone_p) + below) or 1.0)
    return _Lot(model.zone_p, min(0.95, max(0.05, share)))
