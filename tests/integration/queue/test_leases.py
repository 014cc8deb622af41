"""Messages stay hidden while they are worked on, and who loses one is told first.

Real processes, on both kinds of queue.
"""

from __future__ import annotations

import json
import signal
import statistics
import sys

import pytest

from coord.clock import SYSTEM_CLOCK
from tests.integration.queue.depot import Depot, until
from tests.integration.queue.places import Place

pytestmark = [pytest.mark.xdist_group("queue"), pytest.mark.timeout(300)]

_ROUNDS = [8, pytest.param(40, marks=pytest.mark.soak)]
_HANDOVERS = 3
_TAKE_S = 20.0


def _take(depot: Depot, count: int) -> dict[str, float]:
    """Receive so many as another worker would; when each came."""
    found: dict[str, float] = {}
    end_s = SYSTEM_CLOCK.now() + _TAKE_S
    while len(found) < count:
        assert SYSTEM_CLOCK.now() < end_s, depot.logs()
        messages = depot.queue.receive(10, wait_s=0.2, visibility_s=30.0)
        now = SYSTEM_CLOCK.now()
        found |= {message.id: now for message in messages}
        assert depot.queue.delete([one.receipt for one in messages]) == [None] * len(messages)
    return found


@pytest.mark.parametrize("rounds", _ROUNDS)
def test_who_loses_a_message_is_told_before_anybody_else_can_have_it(
    place: Place, depot: Depot, rounds: int
) -> None:
    """Plain functions and coroutines, round after round, while all requests of their worker fail.

    A plain function's last look that succeeded comes before, and a coroutine's cancellation.
    """
    worker = depot.start(visibility_s=2.0, concurrency=8, url=place.way(), wait_s=0.2)
    taken: dict[str, float] = {}
    for number in range(1, rounds + 1):
        for task in ("plain", "plain", "coro", "coro"):
            depot.send(task, 1, s=60.0)
        until(lambda: len(depot.those("start")) == 4 * number)  # noqa: B023  it is called here
        with place.cut():
            if place.spares_others:
                taken |= _take(depot, 4)
            until(lambda: len(depot.those("told")) == 4 * number)  # noqa: B023
            if not place.spares_others:  # or it would be quicker than we are afterwards
                worker.signal(signal.SIGSTOP)
        if not place.spares_others:
            taken |= _take(depot, 4)
            worker.signal(signal.SIGCONT)
    looks = {line.message: line.at for line in depot.lines("last-ok")}
    told = {line.message: line.at for line in depot.lines("told")}
    assert len(told) == len(taken) == 4 * rounds
    margins = [taken[one] - told[one] for one in taken]
    least_s, usual_s = min(margins), statistics.median(margins)
    sys.stdout.write(f"told {least_s:.3f} s before at the least, {usual_s:.3f} s mostly\n")
    late = {one: at for one, at in (told | looks).items() if at > taken[one]}
    assert not late, late


def test_while_nothing_fails_no_message_is_seen_again_however_long_it_takes(depot: Depot) -> None:
    """Twenty handlers at once, half of them coroutines, ten times as long as the visibility."""
    for _ in range(2):
        depot.start(visibility_s=2.0, concurrency=20)
    depot.send("plain", 10, s=20.0)
    depot.send("coro", 10, s=20.0)
    until(lambda: depot.count("success") == 20, within_s=90.0, every_s=0.25)
    until(depot.is_empty)
    assert [line for line in depot.lines("received") if line.received > 1] == []
    assert depot.count("start") == depot.count("received") == 20
    assert {line.detail for line in depot.lines("ended")} == {"done"}


def test_a_worker_that_ends_gives_back_at_once_what_it_has_not_begun(depot: Depot) -> None:
    """What it works on goes on; what waits behind it is another worker's within moments."""
    first = depot.start(visibility_s=30.0, concurrency=2, ahead=8, drain_s=30.0)
    depot.send("plain", 12, s=60.0, held="go")
    until(lambda: depot.count("received") >= 4 and depot.count("start") == 2)
    waiting = depot.count("received") - 2
    second = depot.start(visibility_s=30.0, concurrency=12)
    until(lambda: depot.count("received") >= 12)
    before = depot.lines("received")
    at = SYSTEM_CLOCK.now()
    first.signal(signal.SIGTERM)
    until(lambda: depot.count("start", second.name) == 10)
    took = [
        line.at - at for line in depot.lines("start") if line.name == second.name and line.at > at
    ]
    sys.stdout.write(f"{waiting} waited; the others had them {max(took):.3f} s after the signal\n")
    assert len(took) >= waiting > 0, before
    assert max(took) < 1.0
    (depot.folder / "go").touch()
    first.end()
    second.end()
    assert depot.is_empty()
    counts = json.loads(depot.lines("counts")[0].detail)
    assert (counts["done"], counts["returned"]) == (2, waiting)


def test_work_that_is_told_to_stop_is_anothers_moments_after_it_has_stopped(depot: Depot) -> None:
    took = []
    for number in range(_HANDOVERS):
        first = depot.start(visibility_s=30.0, concurrency=1, drain_s=0.0, wait_s=0.5)
        depot.send("plain", 1, s=60.0, held=f"go{number}")
        until(lambda: depot.count("start", first.name) == 1)  # noqa: B023
        second = depot.start(visibility_s=30.0, concurrency=1, wait_s=0.5)
        first.signal(signal.SIGTERM)
        until(lambda: depot.count("start", second.name) == 1)  # noqa: B023
        (told,) = (line.at for line in depot.lines("told") if line.name == first.name)
        (start,) = (line.at for line in depot.lines("start") if line.name == second.name)
        took.append(start - told)
        (depot.folder / f"go{number}").touch()
        first.end()
        until(depot.is_empty)
        second.end()
    sys.stdout.write(f"handover {statistics.median(took):.4f} s, {max(took):.4f} s at the most\n")
    assert statistics.median(took) < 0.5
    assert {line.detail for line in depot.lines("ended")} == {"returned", "done"}
