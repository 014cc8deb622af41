"""Cron: read as cronsim does, the same forwards and backwards, impossible expressions refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from hypothesis import given
from hypothesis import strategies as st

from coord.errors import ConfigError
from coord.tasks.schedule import Cron, Tick, ticks_between

# Zones whose clocks move by a whole hour and not at midnight; cronsim is a fair judge there.
_ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Europe/London"]


def _field(low: int, high: int) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    span = st.tuples(number, number).map(lambda two: f"{min(two)}-{max(two)}")
    steps = st.integers(2, 7).map(lambda step: f"*/{step}")
    return st.one_of(st.just("*"), steps, number.map(str), span)


_EXPRESSIONS = st.tuples(
    _field(0, 59), _field(0, 23), _field(1, 28), _field(1, 12), _field(0, 6)
).map(" ".join)
_MOMENTS = st.integers(0, 3 * 366 * 1440).map(
    lambda minutes: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
)


@given(_EXPRESSIONS, st.sampled_from(_ZONES), _MOMENTS)
def test_ticks_lie_where_cronsim_has_them(expression: str, zone: str, start: datetime) -> None:
    tz = UTC if zone == "UTC" else ZoneInfo(zone)
    judge = CronSim(expression, start.astimezone(tz))
    expected = [next(judge).astimezone(UTC) for _ in range(20)]
    ticks = ticks_between(Cron(expression, zone), Tick.at(start), Tick.of(1e11), 20)
    assert [tick.moment for tick in ticks] == expected


@given(_EXPRESSIONS, st.sampled_from([*_ZONES, "Australia/Lord_Howe", "Africa/Cairo"]), _MOMENTS)
def test_the_way_back_leads_over_the_same_ticks(
    expression: str, zone: str, start: datetime
) -> None:
    cron = Cron(expression, zone)
    there = list(ticks_between(cron, Tick.at(start), Tick.of(1e11), 20))
    back = [there[-1]]
    while len(back) < len(there):
        earlier = cron.before(back[-1])
        assert earlier is not None
        back.append(earlier)
    assert back[::-1] == there
    assert cron.count(Tick.at(start), there[-1]) == len(there)


def test_a_tick_is_strictly_after_and_strictly_before() -> None:
    cron, tick = Cron("0 3 * * *"), Tick.parse("2026-06-01T03:00:00Z")
    assert str(cron.after(tick)) == "2026-06-02T03:00:00Z"
    assert str(cron.before(tick)) == "2026-05-31T03:00:00Z"
    assert cron.before(tick.shifted(1)) == cron.after(tick.shifted(-1)) == tick


def test_six_fields_have_seconds() -> None:
    ticks = ticks_between(Cron("*/20 0 * * * *"), Tick.of(0.0), Tick.of(3600.0))
    assert [tick.at_s for tick in ticks] == [20.0, 40.0, 3600.0]


def test_rare_days_are_found_in_both_directions() -> None:
    leap = Cron("0 0 29 2 *", "Europe/Berlin")
    assert str(leap.after(Tick.parse("2097-01-01T00:00:00Z"))) == "2104-02-28T23:00:00Z"
    assert str(leap.before(Tick.parse("2103-01-01T00:00:00Z"))) == "2096-02-28T23:00:00Z"


def test_counting_ends_at_a_hundred_thousand() -> None:
    assert Cron("* * * * *").count(Tick.of(0.0), Tick.of(3e9)) == 100_000


@pytest.mark.parametrize(
    ("expression", "cause"),
    [
        ("30 2 30 2 *", "never happens: no such day exists"),
        ("0 0 31 4,6 *", "never happens: no such day exists"),
        ("0 0 30-31 2 *", "day-of-month cannot be read or does not exist"),
        ("* * * *", "has 4 fields. Five are needed: minute, hour"),
        ("@daily", "has 1 fields"),
        ("60 * * * *", "its minute cannot be read"),
        ("* * * FOO *", "its month cannot be read"),
        ("*/0 * * * *", "its minute cannot be read"),
        ("", "has 0 fields"),
    ],
)
def test_an_impossible_expression_is_refused_with_cause_and_cure(
    expression: str, cause: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        Cron(expression)
    assert cause in str(refused.value)
    assert refused.value.cure


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "Europe/berlin/x", "\0"])
def test_an_unknown_zone_is_refused(zone: str) -> None:
    with pytest.raises(ConfigError, match="is not in the tz database"):
        Cron("0 3 * * *", zone)


def test_equal_schedules_are_equal_values() -> None:
    assert Cron("0  3 * * *", "Europe/Berlin") == Cron("0 3 * * *", "Europe/Berlin")
    assert len({Cron("0 3 * * *"), Cron("0 3 * * *"), Cron("0 3 * * *", "Europe/Berlin")}) == 2
