"""Paused leaders that go on when others lead, on each store: fenced tables take nothing stale."""

from __future__ import annotations

import pytest

from tests.integration.fleet import Fleet
from tests.integration.pauses import pause_leaders
from tests.integration.stores.kinds import Kind


@pytest.mark.timeout(180)
def test_leaders_paused_for_two_ttls_leave_no_stale_act_where_tokens_are_compared(
    fleet: Fleet, kind: Kind
) -> None:
    """Ten roles paused together, twice."""
    pause_leaders(fleet, 2, ttl_s=kind.ttl_s)
