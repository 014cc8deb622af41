"""A moment in UTC, exact to the microsecond: what names a tick, and what a cursor holds.

Owns the value and its text. Knows no clock and no schedule. Wall time is right here, and only
here: when a task is due is a matter of people's clocks, and it decides no ownership.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from coord.errors import ConfigError

__all__ = ["MICROSECONDS", "Tick"]

MICROSECONDS = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TEXT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?Z")


@dataclass(frozen=True, slots=True, order=True)
class Tick:
    """A due time of a task, the same for every member: `str()` is `2026-11-23T15:30:00Z`.

    Kept as whole microseconds since the epoch: as a float two members could name one tick
    differently, and each would run it. Ordered by time (its text is not, where one has a
    fraction and another has none).
    """

    us: int
    """Microseconds since 1970-01-01T00:00:00Z."""

    @classmethod
    def of(cls, wall_s: float) -> Tick:
        """The moment of a wall clock's reading in seconds since the epoch, rounded down."""
        return cls(math.floor(wall_s * MICROSECONDS))

    @classmethod
    def parse(cls, text: str) -> Tick:
        """What `str()` has written; ConfigError for any other text."""
        match = _TEXT.fullmatch(text)
        try:
            if match is None:
                raise ValueError(text)
            whole = datetime.fromisoformat(f"{match[1]}+00:00")
        except ValueError:
            raise ConfigError(
                f"{text!r} is not a tick", cure='Write it in UTC, like "2026-11-23T15:30:00Z".'
            ) from None
        fraction = int((match[2] or "").ljust(6, "0"))
        return cls((whole - _EPOCH) // _MICROSECOND + fraction)

    @classmethod
    def at(cls, moment: datetime) -> Tick:
        """The tick of an aware datetime."""
        return cls((moment - _EPOCH) // _MICROSECOND)

    @property
    def at_s(self) -> float:
        """Seconds since the epoch."""
        return self.us / MICROSECONDS

    @property
    def moment(self) -> datetime:
        """The same moment as an aware datetime, in UTC."""
        return _EPOCH + timedelta(microseconds=self.us)

    def shifted(self, us: int) -> Tick:
        """The moment so many microseconds later."""
        return Tick(self.us + us)

    def __str__(self) -> str:
        whole = self.moment.strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
        fraction = self.us % MICROSECONDS
        return f"{whole}.{fraction:06d}".rstrip("0") + "Z" if fraction else f"{whole}Z"
