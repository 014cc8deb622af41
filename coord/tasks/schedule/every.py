"""A fixed period, counted from the epoch: no member needs to remember when it started.

Owns the arithmetic of periods, all of it O(1). Knows no clock and no zone.
"""

from __future__ import annotations

from dataclasses import dataclass

from coord.errors import ConfigError
from coord.tasks.schedule.tick import MICROSECONDS, Tick

__all__ = ["Every"]

_SHORTEST_US = 1000
_LONGEST_US = 400 * 86400 * MICROSECONDS


@dataclass(frozen=True, slots=True, init=False)
class Every:
    """A tick at each multiple of the period since 1970-01-01T00:00:00Z.

    `Every(30.0)` ticks at :00 and :30 of every minute, `Every(86400.0)` at midnight UTC. The
    period is rounded to the microsecond. ConfigError below 1 ms, or above 400 days.
    """

    period_us: int

    def __init__(self, period_s: float) -> None:
        within = _SHORTEST_US <= period_s * MICROSECONDS <= _LONGEST_US  # NaN is not
        if not within:
            raise ConfigError(
                f"a period of {period_s:g} s is {'too long' if period_s > 1 else 'too short'}",
                cure="It must be from 1 ms to 400 days.",
            )
        object.__setattr__(self, "period_us", round(period_s * MICROSECONDS))

    @property
    def period_s(self) -> float:
        """The period in seconds."""
        return self.period_us / MICROSECONDS

    def after(self, moment: Tick) -> Tick:
        """The first tick later than the moment."""
        return Tick((moment.us // self.period_us + 1) * self.period_us)

    def before(self, moment: Tick) -> Tick:
        """The last tick earlier than the moment."""
        return Tick((moment.us - 1) // self.period_us * self.period_us)

    def count(self, after: Tick, upto: Tick) -> int:
        """How many ticks lie later than `after` and not later than `upto`."""
        return max(0, upto.us // self.period_us - after.us // self.period_us)
