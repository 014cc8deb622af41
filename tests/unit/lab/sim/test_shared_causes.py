"""Faults with one cause in common: how often all co-leaders are down, against the closed form.

With three co-leaders among three members and one kill a round, all are down in the rounds whose
strike is shared, and in no other. So the number of rounds with a gap is binomial with the share
beta: the beta-factor model with no independent trouble beside it.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import pytest

from coord.lab.measure.events import FaultMark
from coord.lab.sim.run import Setting, Simulation
from coord.lab.sim.tally import Durations

_ROUNDS = 300
_Z = NormalDist().inv_cdf(0.9995)  # one seed in a thousand may lie outside, and these do not


class _Counted(Durations):
    """Gaps, and how many of them there were."""

    above_zero = 0

    def add(self, value_s: float) -> None:
        self.above_zero += value_s > 0.0
        super().add(value_s)


def _down(beta: float) -> float:
    """In what share of the rounds nobody led for a while."""
    simulation = Simulation(
        Setting(mode="co-leaders", ttl_s=4.0, target="one", beta=beta, rounds=_ROUNDS)
    )
    gaps = simulation.judged.tally.cells["gap_s"] = _Counted()
    assert simulation.run().kept
    assert gaps.n == _ROUNDS
    return gaps.above_zero / gaps.n


@pytest.mark.parametrize("beta", [0.1, 0.4])
def test_all_co_leaders_are_down_in_as_many_rounds_as_have_a_shared_cause(beta: float) -> None:
    assert abs(_down(beta) - beta) <= _Z * math.sqrt(beta * (1 - beta) / _ROUNDS)


def test_without_a_shared_cause_somebody_always_leads() -> None:
    assert _down(0.0) == 0.0


def _struck(setting: Setting) -> list[set[str]]:
    """Who was struck, round by round."""
    simulation = Simulation(setting)
    found: dict[str, set[str]] = {}
    cut = simulation.world.recorder.cut

    def kept() -> None:
        for mark in simulation.world.recorder.log().all(FaultMark):
            if mark.phase == "effect":
                found.setdefault(mark.mark.rsplit("-", 1)[0], set()).add(mark.who.member)
        cut()

    simulation.world.recorder.cut = kept  # type: ignore[method-assign]
    simulation.run()
    return list(found.values())


def test_with_zones_a_shared_cause_strikes_a_whole_zone_and_no_more() -> None:
    setting = Setting(ttl_s=4.0, members=4, zones=2, beta=1.0, rounds=20)
    struck = _struck(setting)
    assert len(struck) == 20
    assert all(names in ({"m1", "m3"}, {"m2", "m4"}) for names in struck)


def test_the_target_zone_strikes_the_zone_of_a_leader() -> None:
    struck = _struck(Setting(ttl_s=4.0, members=5, zones=3, target="zone", rounds=20))
    assert {frozenset(names) for names in struck} <= {
        frozenset({"m1", "m4"}),
        frozenset({"m2", "m5"}),
        frozenset({"m3"}),
    }
