"""Order within groups, and messages that nobody can do: real processes, both kinds of queue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import pytest

from coord.tasks.queue.spi import Outgoing
from tests.integration.queue.chaos import rage
from tests.integration.queue.depot import Depot, Hauler, until

pytestmark = [pytest.mark.xdist_group("queue"), pytest.mark.timeout(300)]

_GROUPS = 10
_COUNT = 40


def test_within_a_group_nothing_succeeds_before_what_came_first(
    depot_with: Callable[..., Depot],
) -> None:
    """While a tenth of the runs fail, and workers are killed, stopped and restarted."""
    depot = depot_with(ordered=True)

    def start() -> Hauler:
        return depot.begin(visibility_s=2.0, concurrency=10, drain_s=1.0, base_s=0.1)

    depot.send("plain", _COUNT, groups=_GROUPS, s=0.02, fails=0.1)
    rage(depot, start, 3, pause_s=3.0, within_s=200.0, every_s=1.5, most=6)
    first: dict[int, int] = {}
    for place, line in enumerate(depot.lines("success")):
        first.setdefault(int(line.detail), place)
    assert set(first) == set(range(_COUNT)), "lost"
    groups: dict[int, list[int]] = defaultdict(list)
    for n in sorted(first, key=first.__getitem__):
        groups[n % _GROUPS].append(n)
    assert all(numbers == sorted(numbers) for numbers in groups.values()), groups


def test_what_nobody_can_do_ends_with_the_dead_and_is_counted(
    depot_with: Callable[..., Depot],
) -> None:
    """Undecodable, of an unknown task, with wrong arguments, or always failing: none is dropped."""
    depot = depot_with(max_receives=3)
    depot.put(
        [
            Outgoing(body="{", attributes={"coord.task": "plain"}),
            Outgoing(body="[1]", attributes={"coord.task": "plain"}),
            Outgoing(body="{}", attributes={"coord.task": "unheard-of"}),
            Outgoing(body='{"m": 1}', attributes={"coord.task": "plain"}),
            Outgoing(body='{"n": 1, "fails": 1.0}', attributes={"coord.task": "plain"}),
            Outgoing(body='{"n": 2}', attributes={"coord.task": "plain"}),
        ]
    )
    worker = depot.start(visibility_s=2.0, concurrency=4, base_s=1.0)
    until(lambda: depot.queue.depth().dead == 5, within_s=60.0)
    worker.end()
    assert depot.is_empty()
    ends = [line.detail for line in depot.lines("ended")]
    assert {how: ends.count(how) for how in set(ends)} == {"parked": 12, "failed": 3, "done": 1}
    assert {line.detail for line in depot.lines("success")} == {"2"}
