"""Cron where clocks change: fixed times once, wildcard times as the clock on the wall shows them.

2026: Berlin goes 02:00 → 03:00 on 29 March and 03:00 → 02:00 on 25 October, New York 02:00 → 03:00
on 8 March and 02:00 → 01:00 on 1 November, Lord Howe 02:00 → 01:30 on 5 April and 02:00 → 02:30
on 4 October.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.tasks.schedule import Cron, Tick, ticks_between

_BERLIN, _NEW_YORK, _LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"
_CHANGES = [
    (_BERLIN, date(2026, 3, 29)),
    (_BERLIN, date(2026, 10, 25)),
    (_NEW_YORK, date(2026, 3, 8)),
    (_NEW_YORK, date(2026, 11, 1)),
    (_LORD_HOWE, date(2026, 4, 5)),
    (_LORD_HOWE, date(2026, 10, 4)),
]


def _local(expression: str, zone: str, day: date) -> list[str]:
    """The ticks of a local day, as its clocks show them."""
    tz = ZoneInfo(zone)
    start = datetime(day.year, day.month, day.day, tzinfo=tz)
    end = start + timedelta(days=1)  # the next local midnight
    ticks = ticks_between(
        Cron(expression, zone), Tick.at(start).shifted(-1), Tick.at(end).shifted(-1)
    )
    return [tick.moment.astimezone(tz).strftime("%H:%M%z") for tick in ticks]


@pytest.mark.parametrize(
    ("zone", "day", "expression", "expected"),
    [
        (_BERLIN, date(2026, 3, 29), "30 2 * * *", ["03:00+0200"]),
        (_BERLIN, date(2026, 3, 29), "0,30 2 * * *", ["03:00+0200"]),
        (_BERLIN, date(2026, 3, 29), "0 2,3 * * *", ["03:00+0200"]),
        (_NEW_YORK, date(2026, 3, 8), "15 2 * * *", ["03:00-0400"]),
        (_LORD_HOWE, date(2026, 10, 4), "15 2 * * *", ["02:30+1100"]),
    ],
)
def test_a_job_in_the_skipped_hour_runs_once_right_after(
    zone: str, day: date, expression: str, expected: list[str]
) -> None:
    assert _local(expression, zone, day) == expected


@pytest.mark.parametrize(
    ("zone", "day", "expression", "expected"),
    [
        (_BERLIN, date(2026, 10, 25), "30 2 * * *", ["02:30+0200"]),
        (_NEW_YORK, date(2026, 11, 1), "30 1 * * *", ["01:30-0400"]),
        (_LORD_HOWE, date(2026, 4, 5), "45 1 * * *", ["01:45+1100"]),
    ],
)
def test_a_job_in_the_doubled_hour_runs_once(
    zone: str, day: date, expression: str, expected: list[str]
) -> None:
    assert _local(expression, zone, day) == expected


def test_a_wildcard_hour_runs_in_every_hour_that_passes() -> None:
    assert len(_local("30 * * * *", _BERLIN, date(2026, 3, 29))) == 23
    autumn = _local("30 * * * *", _BERLIN, date(2026, 10, 25))
    assert len(autumn) == 25
    assert autumn[2:4] == ["02:30+0200", "02:30+0100"]
    assert len(_local("45 * * * *", _LORD_HOWE, date(2026, 4, 5))) == 25
    assert len(_local("15 * * * *", _LORD_HOWE, date(2026, 10, 4))) == 23


def test_no_tick_is_lost_where_clocks_move_by_half_an_hour() -> None:
    assert _local("0 */3 * * *", _LORD_HOWE, date(2026, 10, 4))[:3] == [
        "00:00+1030",
        "03:00+1100",
        "06:00+1100",
    ]


def test_a_day_that_a_zone_leaves_out_is_made_up_for_at_its_end() -> None:
    ticks = ticks_between(
        Cron("0 9 * * *", "Pacific/Apia"),
        Tick.parse("2011-12-29T12:00:00Z"),
        Tick.parse("2011-12-31T12:00:00Z"),
    )
    # 29 December 09:00 at -10:00, the missing 30th at the first moment of the 31st, then the 31st.
    assert [str(tick) for tick in ticks] == [
        "2011-12-29T19:00:00Z",
        "2011-12-30T10:00:00Z",
        "2011-12-30T19:00:00Z",
    ]


def test_clocks_that_go_back_over_midnight_interleave_two_days() -> None:
    """St. John's, until 2011: 00:01 on the 7th became 23:01 on the 6th."""
    start, end = Tick.parse("2010-11-07T01:30:00Z"), Tick.parse("2010-11-07T04:00:00Z")
    cron = Cron("*/30 * * * *", "America/St_Johns")
    ticks = list(ticks_between(cron, start, end))
    tz = ZoneInfo("America/St_Johns")
    assert [tick.moment.astimezone(tz).strftime("%d. %H:%M%z") for tick in ticks] == [
        "06. 23:30-0230",
        "07. 00:00-0230",
        "06. 23:30-0330",
        "07. 00:00-0330",
        "07. 00:30-0330",
    ]
    assert [cron.before(tick) for tick in ticks] == [start, *ticks[:-1]]


_MINUTES = st.sampled_from(["*", "*/5", "*/7", "*/30"])
_HOURS = st.sampled_from(["*", "*/2", "*/3", "1", "2", "1-3", "0,2"])


@given(st.sampled_from(_CHANGES), _MINUTES, _HOURS)
def test_wildcard_jobs_run_whenever_the_clock_on_the_wall_matches(
    change: tuple[str, date], minutes: str, hours: str
) -> None:
    """Judged by looking at the clock in every minute of three days."""
    zone, day = change
    tz = ZoneInfo(zone)
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(days=1)
    cron = Cron(f"{minutes} {hours} * * *", zone)
    allowed_minutes, allowed_hours = _allowed(minutes, 60), _allowed(hours, 24)
    seen = [start + timedelta(minutes=n) for n in range(1, 3 * 1440 + 1)]
    expected = [
        one
        for one, wall in ((one, one.astimezone(tz)) for one in seen)
        if wall.minute in allowed_minutes and wall.hour in allowed_hours
    ]
    ticks = ticks_between(cron, Tick.at(start), Tick.at(seen[-1]))
    assert [tick.moment for tick in ticks] == expected


@given(st.sampled_from(_CHANGES), st.integers(0, 23), st.integers(0, 59))
def test_fixed_jobs_run_once_on_every_day(change: tuple[str, date], hour: int, minute: int) -> None:
    zone, day = change
    for one in (day - timedelta(days=1), day, day + timedelta(days=1)):
        assert len(_local(f"{minute} {hour} * * *", zone, one)) == 1


def _allowed(text: str, size: int) -> set[int]:
    if text.startswith("*"):
        return set(range(0, size, int(text[2:] or 1)))
    if "-" in text:
        low, high = map(int, text.split("-"))
        return set(range(low, high + 1))
    return {int(one) for one in text.split(",")}
