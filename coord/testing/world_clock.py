"""The clocks of a virtual world: true time in whole nanoseconds, and what each host makes of it.

Owns the arithmetic between the two. Knows no host and no event. Whole nanoseconds of true time
and a search for the first one that a host's clock calls due: so a wake never comes too early by
a rounding, which would have to be asked for again and again.
"""

from __future__ import annotations

import math

__all__ = ["NEVER_NS", "NS", "HostClock", "TrueClock"]

_INF = float("inf")
NEVER_NS = 1 << 62
NS = 1_000_000_000


class TrueClock:
    """The time of the world, counted in whole nanoseconds from 0."""

    __slots__ = ("now_ns",)

    def __init__(self) -> None:
        self.now_ns = 0

    def now(self) -> float:
        """Seconds of true time."""
        return self.now_ns * 1e-9


class HostClock:
    """A host's own clock: another start and another rate than true time."""

    __slots__ = ("_origin_ns", "_origin_s", "_true", "rate")

    def __init__(self, true: TrueClock, *, offset_s: float = 0.0, rate: float = 1.0) -> None:
        self._true = true
        self._origin_ns = true.now_ns
        self._origin_s = true.now() + offset_s
        self.rate = rate

    def now(self) -> float:
        """Seconds on this clock."""
        return self._origin_s + (self._true.now_ns - self._origin_ns) * 1e-9 * self.rate

    def run_at(self, rate: float) -> None:
        """Go on at another rate from now."""
        self._origin_s, self._origin_ns = self.now(), self._true.now_ns
        self.rate = rate

    def jump(self, by_s: float) -> None:
        """Show `by_s` more from now on. What was planned before wakes when it would have."""
        self._origin_s += by_s

    def when_ns(self, own_s: float) -> int:
        """The first nanosecond of true time, not before now, at which this clock shows `own_s`."""
        if own_s == _INF:
            return NEVER_NS
        now_ns, rate = self._true.now_ns, self.rate
        origin_s, origin_ns = self._origin_s, self._origin_ns
        moment_ns = origin_ns + math.ceil((own_s - origin_s) / rate * 1e9)
        if moment_ns <= now_ns:
            return now_ns
        while origin_s + (moment_ns - origin_ns) * 1e-9 * rate < own_s:
            moment_ns += 1
        return moment_ns
