"""A minute without faults, beside a Python thread that never rests: nobody loses anything."""

from __future__ import annotations

import pytest

from coord.model import ClaimKey
from tests.integration.fleet import Fleet, now, until

QUIET_S = 60.0
ROLE = {"name": "reaper", "shards": 4, "work": {"every_s": 0.1}}


def held(fleet: Fleet) -> set[tuple[ClaimKey, int, str | None]]:
    """Each claim with the token and the session that hold it now."""
    return {(claim.key, claim.token, claim.session) for claim in fleet.view().claims.values()}


@pytest.mark.serial
@pytest.mark.timeout(180)
def test_a_minute_beside_a_busy_thread_costs_no_leadership(fleet: Fleet) -> None:
    """Ttl 3 s. CPython's global lock is handed to the heartbeat thread late, but soon enough."""
    for name in ("a", "b"):
        fleet.start(name, ROLE, timing={"ttl_s": 3.0}, hog=True)
    until(lambda: fleet.is_shared("reaper", 2))
    begun, tenures = now(), held(fleet)
    until(lambda: now() > begun + QUIET_S, within_s=2 * QUIET_S, every_s=0.2)

    assert held(fleet) == tenures, "nobody was given anything anew, and nobody lost anything"
    assert fleet.logged("session-given-up") == []
    assert fleet.logged("ERROR") == []
    for shard in range(4):
        acts = fleet.acts("fenced", "shard = ? AND at > ?", shard, begun)
        assert len(acts) > QUIET_S / 0.1 / 3, "it led, and worked"
