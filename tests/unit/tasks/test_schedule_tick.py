"""Ticks and periods: exact, aligned to the epoch, and the same in both directions."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.config import parse_duration_s
from coord.errors import ConfigError
from coord.tasks.schedule import Every, Tick, ticks_between

_DAY_US = 86_400_000_000
_MOMENTS = st.integers(-30_000 * _DAY_US, 100_000 * _DAY_US).map(Tick)
_PERIODS_S = st.integers(1, 10**8).map(lambda thousandths: thousandths / 1000)


def test_a_tick_reads_as_utc() -> None:
    assert str(Tick.parse("2026-11-23T15:30:00Z")) == "2026-11-23T15:30:00Z"
    assert Tick.of(0.0) == Tick.parse("1970-01-01T00:00:00Z")
    assert Tick.of(1_795_447_800.0).at_s == 1_795_447_800.0


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (500_000, "1970-01-01T00:00:00.5Z"),
        (1, "1970-01-01T00:00:00.000001Z"),
        (-1, "1969-12-31T23:59:59.999999Z"),
        (-62_135_596_800_000_000, "0001-01-01T00:00:00Z"),
    ],
)
def test_fractions_are_written_as_far_as_they_go(us: int, text: str) -> None:
    assert str(Tick(us)) == text
    assert Tick.parse(text) == Tick(us)


@given(_MOMENTS)
def test_what_a_tick_writes_can_be_read_back(tick: Tick) -> None:
    assert Tick.parse(str(tick)) == tick
    assert Tick.at(tick.moment) == tick


@given(_MOMENTS, _MOMENTS)
def test_ticks_are_ordered_by_time(one: Tick, other: Tick) -> None:
    assert (one < other) == (one.moment < other.moment)
    assert len({one, other}) == (1 if one == other else 2)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-11-23",
        "2026-11-23T15:30:00",
        "2026-13-01T00:00:00Z",
        "2026-11-23T15:30:00.Z",
    ],
)
def test_another_text_is_no_tick(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a tick"):
        Tick.parse(text)


def test_a_period_is_aligned_to_the_epoch_whoever_asks() -> None:
    ticks = ticks_between(Every(30.0), Tick.of(61.0), Tick.of(151.0))
    assert [tick.at_s for tick in ticks] == [90.0, 120.0, 150.0]
    assert [str(tick) for tick in ticks_between(Every(0.5), Tick.of(0.0), Tick.of(1.0))] == [
        "1970-01-01T00:00:00.5Z",
        "1970-01-01T00:00:01Z",
    ]


@given(_PERIODS_S, _MOMENTS)
def test_after_and_before_are_the_nearest_multiples(period_s: float, moment: Tick) -> None:
    every = Every(period_s)
    after, before = every.after(moment), every.before(moment)
    assert before < moment < after
    assert after.us % every.period_us == before.us % every.period_us == 0
    on_time = moment.us % every.period_us == 0
    assert after.us - before.us == every.period_us * (2 if on_time else 1)


@given(_PERIODS_S, _MOMENTS, st.integers(0, 50), st.integers(0, 999))
def test_count_says_how_many_there_are(
    period_s: float, start: Tick, periods: int, part: int
) -> None:
    every = Every(period_s)
    end = start.shifted(every.period_us * periods + every.period_us * part // 1000)
    assert every.count(start, end) == len(list(ticks_between(every, start, end)))
    assert every.count(end, start) == 0


def test_a_century_of_half_seconds_costs_nothing_to_cross() -> None:
    every = Every(0.5)
    assert every.count(Tick.of(0.0), Tick.of(3e9)) == 6_000_000_000
    assert every.before(Tick.of(3e9)) == Tick.of(3e9 - 0.5)


@pytest.mark.parametrize("period_s", [0.0, -1.0, 0.0001, 1e12, float("inf"), float("nan")])
def test_an_impossible_period_is_refused(period_s: float) -> None:
    with pytest.raises(ConfigError, match=r"It must be from 1 ms to 400 days"):
        Every(period_s)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("30s", 30.0),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("1d", 86400.0),
        ("0.5s", 0.5),
        ("250ms", 0.25),
        ("1m30s500ms", 90.5),
        (" 2h ", 7200.0),
        ("12", 12.0),
    ],
)
def test_durations_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "soon", "30m1h", "1h1h", "-5s", "1 s", "1h30", "inf"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ConfigError, match=r'is not a duration\. Write it like "250ms"'):
        parse_duration_s(text)
