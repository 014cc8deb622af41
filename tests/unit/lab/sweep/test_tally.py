"""Rounds that are added up one by one give the report that all of them together give."""

from __future__ import annotations

import random

import pytest

from coord.lab.measure.effects import StaleActs
from coord.lab.measure.events import Log, Who
from coord.lab.measure.failover import Failover
from coord.lab.measure.faults import Fault
from coord.lab.measure.intervals import Span
from coord.lab.measure.report import Setup, build_report
from coord.lab.measure.rounds import Round, RoundResult
from coord.lab.sim.run import Setting, Simulation, simulate
from coord.lab.sim.tally import Tally
from coord.model import ClaimKey

_SETUP = Setup(store="etcd", ttl_s=10.0, seed=1, members=3, shards=2, seats=1, rounds=1)
_NOTHING = Log.of([])


def _results(count: int) -> list[RoundResult]:
    dice = random.Random(1)
    return [_result(number, dice) for number in range(count)]


def _result(number: int, dice: random.Random) -> RoundResult:
    parts_s = [dice.uniform(0.0, 9.0) for _ in range(3)]
    fault = Fault("kill", f"kill-{number}", Who("m1", 1), 0.0, 0.0, 1.0)
    key = ClaimKey("role", 1, 0, 0)
    failover = Failover(key, fault, parts_s[0], parts_s[1], parts_s[2], sum(parts_s))
    return RoundResult(
        round=Round(number, "single", "kill", Span(0.0, 30.0)),
        gap_s=(sum(parts_s), dice.random()),
        split_s=(0.0, dice.choice([0.0, 0.5])),
        faux_s=(0.0, dice.random()),
        failovers=(failover,),
        stale_acts=StaleActs(2, 0, 1),
        false_failovers=number % 2,
        blast_radius=dice.random(),
        duplicates=1,
        missed=0,
        requests=dice.randrange(50, 90),
        member_s=dice.uniform(80.0, 90.0),
    )


def _tally(results: list[RoundResult]) -> Tally:
    tally = Tally()
    for first in range(0, len(results), 3):
        tally.add(results[first : first + 3], _NOTHING)
    return tally


@pytest.mark.parametrize("count", [1, 2, 99, 700])
def test_rounds_added_up_one_by_one_give_the_report_of_all_together(count: int) -> None:
    results = _results(count)
    assert _tally(results).report(_SETUP) == build_report(_SETUP, results)


def test_of_very_many_durations_quantiles_are_right_to_a_thousandth() -> None:
    results = _results(9000)
    [added] = _tally(results).report(_SETUP)["runs"]
    [exact] = build_report(_SETUP, results)["runs"]
    for name in ("detect", "claim", "warm_up", "total"):
        for figure in ("mean", "p50", "p99", "max"):
            found, right = added["failover_s"][name][figure], exact["failover_s"][name][figure]
            assert found == pytest.approx(right, rel=0.0011)
    assert added["gap_s"] == exact["gap_s"]
    assert added["store_requests_per_member_s"] == exact["store_requests_per_member_s"]


def test_what_is_kept_of_rounds_does_not_grow_with_them() -> None:
    tally = _tally(_results(9000))
    assert len(tally.batches) <= 64
    assert 100 <= len(tally.sample.rows) <= 200
    assert tally.total("cells") == 18_000
    assert all(len(found._values) <= 4096 for found in tally.parts.values())


def test_a_simulation_keeps_no_round() -> None:
    running = Simulation(Setting(hours=0.2))
    outcome = running.run()
    assert outcome.tally.rounds == outcome.report["rounds"] > 20
    assert outcome.tally.calls["Heartbeat"] > 100
    assert len(running.world.recorder.log().records) < 50


def test_rounds_come_no_sooner_than_asked() -> None:
    outcome = simulate(Setting(hours=1.0, every_s=600.0))
    assert outcome.kept
    assert outcome.report["rounds"] == 6
    assert outcome.tally.parts["total"].n == 6
