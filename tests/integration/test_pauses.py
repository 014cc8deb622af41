"""Paused leaders that go on when others lead: a SQLite store, and real processes."""

from __future__ import annotations

import pytest

from tests.integration.fleet import Fleet
from tests.integration.pauses import pause_leaders

TTL_S = 1.0


def test_a_hundred_paused_leaders_leave_no_stale_act_where_tokens_are_compared(
    fleet: Fleet,
) -> None:
    """Ten roles paused together, ten rounds."""
    pause_leaders(fleet, 10, ttl_s=TTL_S)


@pytest.mark.soak
def test_a_thousand_paused_leaders_leave_no_stale_act_where_tokens_are_compared(
    fleet: Fleet,
) -> None:
    pause_leaders(fleet, 100, ttl_s=TTL_S)
