"""What has gone wrong in other schedulers and ledgers; docs/reliability.md says where."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

import pytest

from coord.errors import PayloadMismatch
from coord.tasks import Job, Ledger, Tick, task
from coord.testing.clock import ManualClock
from tests.unit.tasks.ledger_desk import Desk as LedgerDesk
from tests.unit.tasks.test_runner import Scene

_DAY_S = 86_400.0
_NUMBERS = count()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1000.0)


@pytest.fixture
def ledger(clock: ManualClock) -> Iterator[Ledger]:
    made = Ledger.open(f"memory://published-{next(_NUMBERS)}", clock=clock, lease_s=30.0)
    yield made
    made.close()


# --- schedules -------------------------------------------------------------------------------


def test_a_task_of_every_week_runs_though_its_fleet_is_restarted_every_day(
    ledger: Ledger, clock: ManualClock
) -> None:
    """When it is due next is nowhere in memory: a restart does not begin the week anew."""
    ticks: list[str] = []

    @task(every="7d")
    def weekly(job: Job) -> None:
        ticks.append(job.tick)

    begun_s = clock.now()
    for day in range(60):
        clock.set(max(clock.now(), begun_s + day * _DAY_S))
        Scene(ledger, clock, weekly).lead(0, token=day + 1)
    first = Tick.parse(ticks[0])
    assert ticks == [str(Tick.of(first.at_s + 7 * _DAY_S * week)) for week in range(8)]


def test_a_second_scheduler_runs_no_tick_again(ledger: Ledger) -> None:
    """Both live through the same minute and think that they lead: there is one record a unit."""
    ticks: list[str] = []

    @task(every="10s", missed="catch-up")
    def sweep(job: Job) -> None:
        ticks.append(job.tick)

    for token in (2, 1, 3):
        Scene(ledger, ManualClock(1000.0), sweep).lead(6, token=token)
        assert len(ticks) >= 6
    assert len(set(ticks)) == len(ticks)


# --- idempotency records ---------------------------------------------------------------------


def test_a_payload_that_the_work_changes_is_still_the_payload_it_was() -> None:
    """The digest is of what was asked for, and not of what the work made of it."""
    desk = LedgerDesk()
    ledger = desk.ledger("a")
    order = {"amount": 3, "lines": [1, 2]}

    def charge(given: dict[str, object]) -> int:
        given.clear()
        given["receipt"] = 17
        return 17

    assert ledger.once("k", charge, order, payload=order) == 17
    assert order == {"receipt": 17}
    again = {"lines": [1, 2], "amount": 3}
    assert desk.ledger("b").once("k", charge, again, payload=again) == 17
    assert again == {"lines": [1, 2], "amount": 3}, "it was done again"
    with pytest.raises(PayloadMismatch):
        ledger.once("k", charge, order, payload=order)
