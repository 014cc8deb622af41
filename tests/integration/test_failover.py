"""How soon a successor acts when the leader is killed, or goes in order. Real processes."""

from __future__ import annotations

from statistics import mean

import pytest

from tests.integration.fleet import Fleet, elsewhere
from tests.integration.lines import Line
from tests.support import require_server

pytestmark = pytest.mark.serial

TTL_S = 1.0
HEARTBEAT_S = TTL_S / 4


def test_a_leader_that_is_provably_dead_is_followed_within_half_a_second(fleet: Fleet) -> None:
    """On one machine the kernel proves the death: nobody waits for the ttl."""
    gaps = list(Line(fleet, ttl_s=TTL_S).kills(8))
    assert max(gaps) < 0.5, gaps
    assert len(fleet.logged("evicted")) >= 8


def test_a_leader_whose_death_cannot_be_proven_is_followed_within_the_ttl(fleet: Fleet) -> None:
    prefix = elsewhere()
    require_server(prefix, name="unshare", cure="run as root, or allow user namespaces")
    gaps = list(Line(fleet, ttl_s=TTL_S, prefix=prefix).kills(8))
    assert max(gaps) < TTL_S + 0.5, gaps
    assert mean(gaps) < TTL_S - HEARTBEAT_S / 2 + 0.5, gaps
    assert min(gaps) > TTL_S - HEARTBEAT_S - 0.2, "it did not take the ttl: what does this show?"


def test_a_leader_that_is_asked_to_go_hands_over_within_300_ms_of_its_works_end(
    fleet: Fleet,
) -> None:
    rounds = list(Line(fleet, ttl_s=TTL_S).handovers(6))
    assert all(round_.exit_code == 0 for round_ in rounds)
    assert not any(round_.overlapped for round_ in rounds)
    gaps = [round_.gap_s for round_ in rounds]
    assert max(gaps) < 0.3, gaps
    assert min(gaps) > 0, "it acted beside the work that it follows"
    assert fleet.logged("session-given-up") == []
