"""Lots of a simulation: a stream for each purpose, and pauses as they were seen."""

from __future__ import annotations

from dataclasses import dataclass

from coord.lab.sim.dice import Dice
from coord.lab.sim.pauses import FLOOR_S, Stalls
from coord.lab.sim.run import Setting, simulate


@dataclass(frozen=True)
class _Seen:
    observed_s: float
    pauses_s: tuple[float, ...]


def test_what_one_purpose_draws_moves_no_other() -> None:
    alone, beside = Dice(7), Dice(7)
    beside.stream("other").random()
    assert alone.stream("one").random() == beside.stream("one").random()
    assert Dice(7).stream("one").random() != Dice(8).stream("one").random()
    assert Dice(7).stream("one").random() != Dice(7).stream("other").random()


def test_pauses_come_as_often_and_as_long_as_they_were_seen() -> None:
    seen = _Seen(observed_s=100.0, pauses_s=(0.001, 0.5, 2.0))
    stalls = Stalls.of(seen)
    assert stalls is not None
    assert stalls.lengths_s == (0.5, 2.0)
    dice = Dice(1).stream("pauses")
    drawn = [stalls.next_s(dice) for _ in range(4000)]
    mean_s = sum(wait_s for wait_s, _ in drawn) / len(drawn)
    assert 45.0 < mean_s < 55.0
    assert {length_s for _, length_s in drawn} == {0.5, 2.0}


def test_pauses_too_short_to_matter_are_none() -> None:
    seen = _Seen(observed_s=10.0, pauses_s=(FLOOR_S / 2,))
    assert Stalls.of(seen) is None


def test_members_that_pause_for_longer_than_the_ttl_are_replaced_without_a_fault() -> None:
    stalls = Stalls(rate=1 / 300, lengths_s=(20.0,))
    outcome = simulate(Setting(fault="none", hours=1.0, pauses=stalls))
    [run] = outcome.report["runs"]
    assert outcome.kept
    assert run["false_failovers"] > 0
    assert run["split_s"]["worst"] == 0
