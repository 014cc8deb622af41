"""A cell says what the two samples say: medians, the bound, and whether chance explains it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from coord.lab.calibration.cell import METRICS, cells_of
from coord.lab.measure.effects import StaleActs
from coord.lab.measure.events import Log, Who
from coord.lab.measure.failover import Failover
from coord.lab.measure.faults import Fault
from coord.lab.measure.intervals import Span
from coord.lab.measure.rounds import Round, RoundResult
from coord.lab.sim.tally import Tally
from coord.model import ClaimKey


def _tally(gaps: Sequence[float], failovers: Sequence[Failover] = ()) -> Tally:
    tally = Tally()
    results = [
        RoundResult(
            round=Round(number, "single", "kill", Span(0.0, 10.0)),
            gap_s=(gap_s,),
            split_s=(0.0,),
            faux_s=(0.0,),
            failovers=tuple(failovers),
            stale_acts=StaleActs(),
            false_failovers=0,
            blast_radius=0.0,
            duplicates=0,
            missed=0,
            requests=0,
            member_s=0.0,
        )
        for number, gap_s in enumerate(gaps, 1)
    ]
    tally.add(results, Log.of(()))
    return tally


def test_medians_and_quartiles_are_those_of_the_rounds() -> None:
    gap = cells_of(_tally([4.0, 1.0, 3.0, 2.0, 5.0]), _tally([2.0, 4.0]))[0]
    assert gap["real"] == {"n": 5, "p25": 2.0, "p50": 3.0, "p75": 4.0, "interval": None}
    assert gap["simulated"] == {"n": 2, "p25": 2.5, "p50": 3.0, "p75": 3.5}
    assert (gap["difference_s"], gap["within"], gap["why"]) == (0.0, True, "")


@pytest.mark.parametrize(
    ("real_s", "simulated_s", "bound_s", "within"),
    [
        (10.0, 10.99, 1.0, True),
        (10.0, 8.99, 1.0, False),
        (0.1, 0.24, 0.15, True),
        (0.0, 0.16, 0.15, False),
        (1.0, 1.14, 0.15, True),
    ],
)
def test_the_bound_is_a_tenth_or_150_ms_whichever_is_larger(
    real_s: float, simulated_s: float, bound_s: float, within: bool
) -> None:
    gap = cells_of(_tally([real_s]), _tally([simulated_s]))[0]
    assert gap["bound_s"] == pytest.approx(bound_s)
    assert gap["difference_s"] == pytest.approx(simulated_s - real_s)
    assert gap["within"] is within


def test_chance_is_a_reason_only_where_the_interval_of_the_real_median_holds_the_simulated() -> (
    None
):
    wide = _tally([1.0, 1.2, 1.4, 2.0, 2.6, 2.8, 3.0, 3.2])
    near, far = (cells_of(wide, _tally([at_s] * 9))[0] for at_s in (2.8, 4.0))
    assert near["real"]["interval"] == (1.0, 3.2)
    assert near["why"].startswith("chance:")
    assert (near["within"], far["within"], far["why"]) == (False, False, "")


def test_what_happened_in_one_world_only_is_told_and_not_judged() -> None:
    fault = Fault("kill", "kill-1", Who("a", 1), 0.0, 0.1, 0.1)
    took = Failover(ClaimKey("reaper", 1, 0, 0), fault, 0.5, 0.25, 0.25, 1.0)
    cells = {one["metric"]: one for one in cells_of(_tally([1.0], [took]), _tally([1.0]))}
    assert tuple(cells) == METRICS
    failover = cells["failover_s"]
    assert (failover["real"]["p50"], failover["simulated"]["p50"]) == (1.0, None)
    assert (failover["within"], failover["difference_s"]) == (None, None)
    assert "one of the two only" in failover["why"]
    neither = cells_of(_tally([1.0]), _tally([1.0]))[3]
    assert (neither["within"], neither["why"]) == (None, "")
