"""Handlers that hang whatever they are told: real processes, both kinds of queue."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable

import pytest

from tests.integration.queue.depot import Depot, until

pytestmark = [pytest.mark.xdist_group("queue-giving-up"), pytest.mark.timeout(300)]

_VISIBILITY_S = 60.0
_SOON_S = 30.0  # its timeout, a tenth of the visibility, its rest; and a busy machine


@pytest.mark.parametrize("ordered", [False, True], ids=["standard", "fifo"])
def test_the_message_of_a_handler_that_hangs_is_anothers_long_before_its_visibility_is_over(
    depot_with: Callable[..., Depot], *, ordered: bool
) -> None:
    """And so is what came after it in its group. That it hangs still is told and counted."""
    depot = depot_with(ordered=ordered)
    worker = depot.start(visibility_s=_VISIBILITY_S, concurrency=4)
    depot.send("deaf", 3, groups=1 if ordered else 0, held="go")
    until(lambda: depot.count("success") == 3, within_s=_VISIBILITY_S - 5.0)
    first, second = (line.at for line in depot.lines("start") if line.detail == "0")
    sys.stdout.write(f"seen again {second - first:.2f} s after it had begun\n")
    assert 1.0 + _VISIBILITY_S / 10 <= second - first < _SOON_S
    assert depot.second_starts() == {"expired": 1}, "its worker had ceased to trust it"
    if ordered:
        assert [line.detail for line in depot.lines("success")] == ["0", "1", "2"]
    until(depot.is_empty)
    (overrun,) = depot.lines("overrun")
    assert overrun.detail == "the-timeout-of-its-task-is-over"
    (depot.folder / "go").touch()
    worker.end()
    counts = json.loads(depot.lines("counts")[0].detail)
    assert (counts["overrun"], counts["redelivered"]) == (1, 3 if ordered else 1)
