"""Cron expressions in a time zone, by the rules of Debian's cron.

Owns where an expression's ticks lie. Knows no clock. The expression is read by cronsim, which
also says whether a day matches; placing a matching day's ticks on the clock is done here, day by
day and therefore the same forwards and backwards. cronsim's own walk steps in whole hours and
loses ticks where clocks move by half an hour (Lord Howe, `test_schedule_dst.py`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from coord.errors import ConfigError
from coord.tasks.schedule.tick import MICROSECONDS, Tick

__all__ = ["Cron"]

_DAY = timedelta(days=1)
_HORIZON_YEARS = 50
_COUNT_MOST = 100_000
_START = datetime(2000, 1, 1, tzinfo=UTC)
_DEBIAN_FIELDS = 5
_DAYS_OF_MONTH = {str(day) for day in range(1, 32)}


@dataclass(frozen=True, slots=True, init=False)
class Cron:
    """The ticks of a cron expression in a zone of the tz database.

    Five fields (minute, hour, day of month, month, day of week), or six with seconds first; names
    of months and days, ranges, steps, and cronsim's `L`, `LW` and `#`. Where clocks change:

    - a job at fixed hours and minutes runs once: right after the gap if its time was left out,
      at the first of the two if its time comes twice;
    - a job whose minute or hour begins with `*`, or with six fields, runs whenever the clock on
      the wall matches: not in a gap, in both of a doubled hour.

    ConfigError for what cannot be read, never happens, or lies in an unknown zone. Members with
    different tz databases see different ticks: keep them alike.
    """

    expression: str
    zone: str
    _tz: tzinfo = field(repr=False, compare=False)
    _cron: CronSim = field(repr=False, compare=False)
    _fixed: bool = field(repr=False, compare=False)
    _times_us: tuple[int, ...] = field(repr=False, compare=False)

    def __init__(self, expression: str, zone: str = "UTC") -> None:
        cron = _parsed(expression)
        values = {
            "expression": " ".join(expression.split()),
            "zone": zone,
            "_tz": _zone(zone),
            "_cron": cron,
            "_fixed": len(expression.split()) == _DEBIAN_FIELDS
            and not cron.parts[1].startswith("*")
            and not cron.parts[2].startswith("*"),
            "_times_us": _times_of_day(cron),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        if self.after(Tick.at(_START)) is None:
            raise _never(expression)

    def after(self, moment: Tick) -> Tick | None:
        """The first tick later than the moment; None: none within 50 years."""
        for day in self._days(self._date_of(moment) - _DAY, 1):
            first = self._first_after(day, moment.us)
            if first is not None:
                # Clocks that go back over midnight interleave two days: look at the next one too.
                other = self._first_after(day + _DAY, moment.us)
                return Tick(first if other is None else min(first, other))
        return None

    def before(self, moment: Tick) -> Tick | None:
        """The last tick earlier than the moment; None: none within 50 years."""
        for day in self._days(self._date_of(moment) + _DAY, -1):
            last = self._last_before(day, moment.us)
            if last is not None:
                other = self._last_before(day - _DAY, moment.us)
                return Tick(last if other is None else max(last, other))
        return None

    def count(self, after: Tick, upto: Tick) -> int:
        """How many ticks lie later than `after` and not later than `upto`; at most 100,000."""
        total = 0
        first, last = self._date_of(after) - _DAY, self._date_of(upto) + _DAY
        for day in self._days(first, 1, years=last.year - first.year):
            if day > last or total >= _COUNT_MOST:
                break
            base, offsets = _ticks_on(self, day)
            total += bisect_right(offsets, upto.us - base) - bisect_right(offsets, after.us - base)
        return min(total, _COUNT_MOST)

    def _days(self, start: date, step: int, years: int = _HORIZON_YEARS) -> Iterator[date]:
        """The matching days from `start` on, in the direction of `step`; whole months skipped."""
        day, last_year = start, start.year + step * years
        while (last_year - day.year) * step >= 0:
            if day.month not in self._cron.months:
                day = _next_month(day) if step > 0 else day.replace(day=1) - _DAY
                continue
            if self._cron.match_day(day):
                yield day
            day += _DAY * step

    def _date_of(self, moment: Tick) -> date:
        return moment.moment.astimezone(self._tz).date()

    def _first_after(self, day: date, us: int) -> int | None:
        base, offsets = _ticks_on(self, day)
        place = bisect_right(offsets, us - base)
        return base + offsets[place] if place < len(offsets) else None

    def _last_before(self, day: date, us: int) -> int | None:
        base, offsets = _ticks_on(self, day)
        place = bisect_left(offsets, us - base)
        return base + offsets[place - 1] if place else None


def _parsed(expression: str) -> CronSim:
    if not isinstance(expression, str):
        raise ConfigError(
            f"cron is {expression!r}, which is not text", cure='Write it like "*/5 * * * *".'
        )
    try:
        cron = CronSim(expression, _START)
    except (CronSimError, ValueError) as error:
        raise _refusal(expression, str(error)) from None
    return cron


def _refusal(expression: str, complaint: str) -> ConfigError:
    fields = expression.split()
    if len(fields) not in (_DEBIAN_FIELDS, _DEBIAN_FIELDS + 1):
        return ConfigError(
            f"cron {expression!r} has {len(fields)} fields",
            cure="Five are needed: minute, hour, day of month, month, day of week (or six, with "
            'seconds first); every five minutes is "*/5 * * * *".',
        )
    name = complaint.removeprefix("Bad ")
    if name == "day-of-month" and set(fields[-3].split(",")) <= _DAYS_OF_MONTH:
        return _never(expression)
    return ConfigError(
        f"cron {expression!r}: its {name} cannot be read or does not exist",
        cure="Minutes are 0-59, hours 0-23, days 1-31, months 1-12 or JAN-DEC, days of the week "
        "0-7 or SUN-SAT; lists a,b, ranges a-b and steps */n are allowed.",
    )


def _never(expression: str) -> ConfigError:
    return ConfigError(
        f"cron {expression!r} never happens: no such day exists",
        cure='Choose a day that its months have; the last day of each month is "L" (0 0 L * *).',
    )


def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC  # needs no tz database
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, TypeError, KeyError):  # what the key looks like decides which
        raise ConfigError(
            f"zone {name!r} is not in the tz database of this machine",
            cure='Use a name like "Europe/Berlin"; where no zone is found, install tzdata.',
        ) from None


def _times_of_day(cron: CronSim) -> tuple[int, ...]:
    """The times of day of an expression, as microseconds since midnight."""
    return tuple(
        ((hour * 60 + minute) * 60 + second) * MICROSECONDS
        for hour in sorted(cron.hours)
        for minute in sorted(cron.minutes)
        for second in sorted(cron.seconds)
    )


def _midnight(day: date, tz: tzinfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=tz)


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


# One class and its functions: the cache wants a function, and the cron is its key.
@lru_cache(maxsize=512)
def _ticks_on(cron: Cron, day: date) -> tuple[int, tuple[int, ...]]:
    """A day's ticks: a base, and what to add to it; in microseconds, in order.

    On nearly every day the offset from UTC stays the same, and the times of day are the ticks.
    """
    rules, tz, times_us = cron._cron, cron._tz, cron._times_us  # noqa: SLF001
    if day.month not in rules.months or not rules.match_day(day):
        return 0, ()
    start, end = (_midnight(one, tz) for one in (day, day + _DAY))
    if len({one.replace(fold=fold).utcoffset() for one in (start, end) for fold in (0, 1)}) == 1:
        return Tick.at(start).us, times_us
    found: set[int] = set()
    for time_us in times_us:
        wall = start.replace(tzinfo=None) + timedelta(microseconds=time_us)
        moments = _moments_of(wall, tz)
        if cron._fixed:  # noqa: SLF001
            moments = moments[:1] or [_end_of_gap(wall, tz)]
        found.update(Tick.at(moment).us for moment in moments)
    return 0, tuple(sorted(found))


def _moments_of(wall: datetime, tz: tzinfo) -> list[datetime]:
    """When the clocks on the wall show this: never, once or twice; in order."""
    readings = (wall.replace(tzinfo=tz, fold=fold).astimezone(UTC) for fold in (0, 1))
    return sorted({one for one in readings if one.astimezone(tz).replace(tzinfo=None) == wall})


def _end_of_gap(wall: datetime, tz: tzinfo) -> datetime:
    """The first whole minute after a time that the clocks leave out."""
    moments: list[datetime] = []
    while not moments:
        wall += timedelta(minutes=1)
        moments = _moments_of(wall, tz)
    return moments[0]
