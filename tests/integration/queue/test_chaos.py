"""Work that goes on while workers are killed, stopped and restarted: real processes.

What was done is in a ledger and in a journal, so what was lost, doubled or begun twice without
reason is counted there, whatever the workers say.
"""

from __future__ import annotations

import sys

import pytest

from tests.integration.queue.chaos import rage
from tests.integration.queue.depot import Depot, Hauler

pytestmark = pytest.mark.xdist_group("queue")

_VISIBILITY_S = 1.5
_WORKERS = 3


@pytest.mark.parametrize("count", [1000, pytest.param(5000, marks=pytest.mark.soak)])
@pytest.mark.timeout(600)
def test_nothing_is_lost_or_completed_twice_while_workers_die_and_stand_still(
    depot: Depot, count: int
) -> None:
    def start() -> Hauler:
        return depot.begin(
            visibility_s=_VISIBILITY_S, concurrency=4, ledger=depot.ledger_url, drain_s=1.0
        )

    depot.send("haul", count, s=0.05)
    struck = rage(depot, start, _WORKERS, pause_s=1.7 * _VISIBILITY_S, within_s=500.0)
    why = depot.second_starts()
    sys.stdout.write(f"struck {dict(struck)}; second starts {dict(why)}\n")
    assert depot.lost(count) == [], depot.logs()
    assert depot.doubled() == {}
    assert why["untold"] == 0
    assert why["expired"] > 0, "nobody was killed while at work"
    assert depot.queue.depth().dead == 0
