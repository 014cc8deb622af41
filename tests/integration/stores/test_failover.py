"""How soon a successor acts, on each store, when the leader is killed, or goes in order.

The bounds are the promised ones, and a second more where a noisy machine could be at fault: the
figures themselves are measured by the benchmarks.
"""

from __future__ import annotations

import logging

import pytest

from tests.integration.fleet import Fleet
from tests.integration.lines import Line
from tests.integration.stores.kinds import Kind

pytestmark = pytest.mark.serial

LOG = logging.getLogger(__name__)
KILLS, HANDOVERS = 3, 4
NOISE_S = 1.0


def test_a_killed_leader_is_followed_once_its_store_has_given_it_up(
    fleet: Fleet, kind: Kind
) -> None:
    gaps = list(Line(fleet, ttl_s=kind.ttl_s).kills(KILLS))
    LOG.info("%s: killed leaders were followed after %s s", kind.name, gaps)
    assert max(gaps) < kind.killed_s + NOISE_S, gaps
    assert min(gaps) > kind.ttl_s / 2, "it did not take the ttl: what does this show?"


def test_a_leader_that_is_asked_to_go_is_followed_as_soon_as_its_work_has_ended(
    fleet: Fleet, kind: Kind
) -> None:
    rounds = list(Line(fleet, ttl_s=kind.ttl_s).handovers(HANDOVERS))
    gaps = [round_.gap_s for round_ in rounds]
    LOG.info("%s: leaders that were asked to go were followed after %s s", kind.name, gaps)
    assert all(round_.exit_code == 0 for round_ in rounds)
    assert not any(round_.overlapped for round_ in rounds)
    assert min(gaps) > 0, "it acted beside the work that it follows"
    assert max(gaps) < kind.asked_s + NOISE_S / 2, gaps
    assert fleet.logged("session-given-up") == []
