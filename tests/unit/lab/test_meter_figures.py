"""What a meter's notes come to."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coord.lab.meter_figures import bucket_of, bucket_s, moments, percentiles, poisson_interval


@given(st.floats(1e-9, 1e6))
def test_a_bucket_holds_its_length_within_two_in_a_hundred(length_s: float) -> None:
    number = bucket_of(length_s)
    assert length_s <= bucket_s(number) * (1 + 1e-9)
    assert number == 0 or bucket_s(number - 1) <= length_s * (1 + 1e-9)


def test_a_long_pause_counts_for_all_who_were_due_in_it() -> None:
    """Ten seconds of a minute: one wake-up of fifty thousand, and a sixth of the time."""
    wakes = {bucket_of(0.0001): 50_000, bucket_of(10.0): 1}
    late_s = percentiles(wakes, every_s=0.001, longest_s=10.0)
    p90, p99 = late_s["p90"], late_s["p99"]
    assert p90 is not None
    assert p99 is not None
    # of 60,000 that were due 10,000 were late by up to ten seconds, evenly
    assert p90 == pytest.approx(10 * (1 - 6_000 / 10_000), rel=0.05)
    assert p99 == pytest.approx(10 * (1 - 600 / 10_000), rel=0.05)
    assert late_s["max"] == 10.0


def test_a_percentile_of_too_few_is_not_told() -> None:
    late_s = percentiles({bucket_of(0.0001): 100}, every_s=0.001, longest_s=0.0001)
    assert late_s["p99"] is not None
    assert late_s["p99.9"] is None


@given(st.dictionaries(st.integers(0, 800), st.integers(1, 1000), min_size=1))
def test_percentiles_rise_to_the_longest(wakes: dict[int, int]) -> None:
    longest_s = bucket_s(max(wakes))
    told = percentiles(wakes, every_s=0.001, longest_s=longest_s)
    found = [value for value in told.values() if value is not None]
    assert found == sorted(found)
    assert found[-1] == longest_s


def test_what_stops_several_threads_at_once_is_one_moment() -> None:
    assert moments([]) == 0
    assert moments([(1.0, 0.5), (1.1, 0.5), (1.0, 0.1), (3.0, 0.1)]) == 2


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [(0, 0, 3.689), (1, 0.0253, 5.572), (10, 4.795, 18.39), (100, 81.36, 121.63)],
)
def test_intervals_of_counts_are_those_of_the_tables(count: int, low: float, high: float) -> None:
    found = poisson_interval(count)
    assert found[0] == pytest.approx(low, abs=0.01)
    assert found[1] == pytest.approx(high, abs=0.01)


def test_exact_and_approximate_intervals_meet() -> None:
    for exact, rough in zip(poisson_interval(200), poisson_interval(201), strict=True):
        assert math.isclose(exact + 1, rough, rel_tol=2e-3)
