"""Clocks that the caller moves, for tests in virtual time.

Owns clocks that obey `coord.clock.Clock` and read no operating-system time. Knows no store.
"""

from __future__ import annotations

from coord.clock import Clock

__all__ = ["ManualClock", "SkewedClock"]


class ManualClock:
    """A clock that stands still until it is told to go on. Never backwards. One thread moves it."""

    __slots__ = ("_now_s",)

    def __init__(self, now_s: float = 1000.0) -> None:
        self._now_s = now_s

    def now(self) -> float:
        """Seconds, as last set."""
        return self._now_s

    def advance(self, by_s: float) -> None:
        """Let `by_s` seconds pass."""
        self.set(self._now_s + by_s)

    def set(self, now_s: float) -> None:
        """Let time pass until `now_s`; ValueError if that lies in the past."""
        if now_s < self._now_s:
            raise ValueError(f"time runs forward: {now_s} is before {self._now_s}")
        self._now_s = now_s


class SkewedClock:
    """A member's own clock: another start and another rate than the clock it is made from."""

    __slots__ = ("_base", "_offset_s", "_origin_s", "_rate")

    def __init__(self, base: Clock, *, offset_s: float = 0.0, rate: float = 1.0) -> None:
        self._base = base
        self._origin_s = base.now()
        self._offset_s = offset_s
        self._rate = rate

    def now(self) -> float:
        """Seconds on this clock at the present moment of the base clock."""
        elapsed_s = self._base.now() - self._origin_s
        return self._origin_s + self._offset_s + elapsed_s * self._rate

    def base_time_s(self, at_s: float) -> float:
        """When, on the base clock, this clock shows `at_s`: for drivers that sleep until then."""
        return self._origin_s + (at_s - self._offset_s - self._origin_s) / self._rate
