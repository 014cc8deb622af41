"""Intervals hold what they promise."""

from __future__ import annotations

import random

import pytest

from coord.lab.sim.tally import SUMS, Durations, Tally
from coord.lab.sweep.intervals import bootstrap, quantile_interval, ranks


def test_ranks_are_those_of_the_tables() -> None:
    assert ranks(100, 0.5) == (39, 60)
    assert ranks(6, 0.5) == (0, 5)
    assert ranks(5, 0.5) is None
    assert ranks(0, 0.5) is None
    assert ranks(100, 0.99) is None


def test_a_quantile_lies_in_its_interval_as_often_as_is_said() -> None:
    dice = random.Random(7)
    held = 0
    for _ in range(400):
        found = Durations()
        for _ in range(60):
            found.add(dice.expovariate(1.0))
        between = quantile_interval(found, 0.5, independent=60)
        assert between is not None
        held += between[0] <= 0.693147 <= between[1]
    assert held >= 370


def test_shards_that_suffer_together_make_no_interval_narrower() -> None:
    found = Durations()
    for number in range(800):
        found.add(float(number))
    alone = quantile_interval(found, 0.5, independent=800)
    together = quantile_interval(found, 0.5, independent=100)
    assert alone is not None
    assert together is not None
    assert together[1] - together[0] > 2 * (alone[1] - alone[0])


def test_a_mean_lies_in_its_bootstrap_interval_as_often_as_is_said() -> None:
    dice = random.Random(7)
    held = 0
    for _ in range(40):
        tally = _tally([dice.uniform(0.0, 2.0) for _ in range(40)])
        [between] = bootstrap(tally, [("gap_s", "cells")])
        assert between is not None
        held += between[0] <= 1.0 <= between[1]
    assert held >= 34


def test_of_few_rounds_there_is_no_interval() -> None:
    assert bootstrap(_tally([1.0] * 7), [("gap_s", "cells")]) == [None]
    assert bootstrap(_tally([1.0] * 8), [("gap_s", "cells")]) == [pytest.approx((1.0, 1.0))]
    assert bootstrap(_tally([1.0] * 8), [("failover_s", "failovers")]) == [None]


def _tally(gaps_s: list[float]) -> Tally:
    tally = Tally()
    for gap_s in gaps_s:
        sums = dict.fromkeys(SUMS, 0.0) | {"gap_s": gap_s, "cells": 1.0}
        tally._add_sums([sums[name] for name in SUMS])
    return tally
