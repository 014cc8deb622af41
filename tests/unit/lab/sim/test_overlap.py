"""Overlap of two leaders: never beyond what the closed form leaves, which is nothing.

Who is cut off asks its code to stop D after it sent its last heartbeat, on a clock that may be slow
by ρ, and the code takes s to stop, here as long as the act that is under way. The store ends the
session L after that heartbeat landed, and no successor leads before. So two lead for at most
max(0, D(1 + ρ) + s − L). The core's own D = L(1 − ρ) − stop_grace leaves nothing. With an x
planted on top of it both must lead for as long as the form says: else nobody looks for overlap.
"""

from __future__ import annotations

import pytest

from coord.config import Timing
from coord.core.lease import Lease
from coord.lab.sim.fleet import USUAL
from coord.lab.sim.manners import MANNERS
from coord.lab.sim.run import Outcome, Setting, simulate
from coord.spi import Proof

_TTL_S, _ROUNDS = 10.0, 40
_CLAIM_S = 0.1
"""For how long at most a near store is asked until the successor leads."""


def _played(store: str, fault: str) -> Outcome:
    return simulate(Setting(store=store, ttl_s=_TTL_S, fault=fault, rounds=_ROUNDS))


def _believes_longer(patch: pytest.MonkeyPatch, x_s: float) -> None:
    true = Lease.extend

    def extend(self: Lease, proof: Proof, timing: Timing) -> None:
        before = self.trusted_until_s
        true(self, proof, timing)
        if self.trusted_until_s > before:
            self.trusted_until_s += x_s
            self.stop_at_s += x_s

    patch.setattr(Lease, "extend", extend)


@pytest.mark.parametrize("x_s", [1.5, 3.0, 5.0])
def test_a_belief_that_is_too_long_overlaps_for_as_long_as_the_closed_form_says(
    monkeypatch: pytest.MonkeyPatch, x_s: float
) -> None:
    timing = Timing.of(_TTL_S)
    _believes_longer(monkeypatch, x_s)
    worst_s = _played("memory", "partition").tally.cells["split_s"].worst_s
    asked_s = (_TTL_S * (1 - timing.drift) - timing.stop_grace_s + x_s) * (1 + timing.drift)
    stop_s = USUAL.work.work_s
    overlap_s = max(0.0, asked_s + stop_s - _TTL_S)
    assert max(0.0, overlap_s - stop_s - _CLAIM_S) <= worst_s <= overlap_s


@pytest.mark.parametrize("store", MANNERS)
@pytest.mark.parametrize("fault", ["pause", "partition", "late-writes"])
def test_the_core_leaves_no_overlap(store: str, fault: str) -> None:
    outcome = _played(store, fault)
    assert outcome.tally.rounds == _ROUNDS
    assert outcome.tally.cells["split_s"].worst_s == 0.0
